"""Columns and benchmarks that could never be filled: unknown ones, and those that a dataset or the parameters rule out."""

from __future__ import annotations

from dataclasses import replace

from eval.benchmarks.contract import BenchmarkRequest, EvaluationData
from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError
from eval.tables.column import Column, check_column
from eval.tables.column_checks import column_problem
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.point_settings import attempt, mistake_at
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import Mistake
from orchestration.sweeps.model import Sweep
from orchestration.sweeps.yaml_reader import Path


def unknown_columns(sweep: Sweep) -> list[Mistake]:
    """Return a mistake for every column whose benchmark or metric is unknown, and every benchmark that is."""
    mistakes = []
    for column in sweep.value_columns:
        try:
            check_column(column)
            if column.is_own:
                plain = replace(column, is_own=False)
                raise ValueError(f"write '{plain}': published files are recognised automatically")
        except (ValueError, EvalError) as error:
            mistakes.append(mistake_at(sweep, _place(sweep, column), str(error)))
    for name in sweep.benchmarks:
        _, problem = attempt(benchmark_for, name)
        if problem is not None and all(column.benchmark != name for column in sweep.columns):
            mistakes.append(mistake_at(sweep, ("benchmarks", name), problem))
    return mistakes


def impossible(resolved: ResolvedSweep) -> list[Mistake]:
    """Return a mistake for every benchmark that cannot run on the data of some cells, and every column that it leaves empty."""
    looked: dict[tuple[str, str], tuple[BenchmarkRequest, str]] = {}
    for cell in resolved.cells:
        for request in cell.benchmarks if cell.cell.imported is None else ():  # of that, nothing is run here
            looked.setdefault((cell.config.dataset, request.key), (request, cell.config.dataset))
    mistakes: list[Mistake] = []
    for request, dataset in looked.values():
        mistakes += _of_request(resolved.sweep, request, dataset, resolved.catalogue)
    return list(dict.fromkeys(mistakes))


def _of_request(sweep: Sweep, request: BenchmarkRequest, dataset: str, catalogue: Catalogue) -> list[Mistake]:
    data = _data(dataset, catalogue)
    benchmark = benchmark_for(request.name)
    problem = benchmark.problem(benchmark.config_of(request.params), data)
    if problem is not None:
        used_by = [column for column in sweep.columns if column.benchmark == request.name]
        place: Path = _place(sweep, used_by[0]) if used_by else ("benchmarks", request.name)
        return [mistake_at(sweep, place, f"benchmark '{request.name}' cannot run on '{dataset}': {problem}")]
    mistakes = []
    for column in sweep.value_columns:
        if column.benchmark == request.name and attempt(check_column, column)[1] is None:
            problem = column_problem(column, request.params, data)
            if problem is not None:
                mistakes.append(
                    mistake_at(sweep, _place(sweep, column), f"column '{column}' would stay empty: {problem}")
                )
    return mistakes


def _data(dataset: str, catalogue: Catalogue) -> EvaluationData:
    spec = catalogue.dataset(dataset)
    return EvaluationData(
        dataset=dataset,
        num_images=spec.num_test,
        num_classes=spec.num_classes,
        side=spec.image_size,
        data_root=catalogue.data_root,
        is_dataset=lambda name: attempt(catalogue.dataset, name)[0] is not None,
    )


def _place(sweep: Sweep, column: Column) -> Path:
    """Return where the file names a column (one with a detail of layout `sets` by that detail), or what replaces it."""
    table = sweep.table
    if table is None:
        return ("table", "columns")
    if table.layout == "sets":
        if column.detail in sweep.details:
            key: Path = ("table",) if sweep.details == table.details else ("sizes", sweep.size)
            return (*key, "details", sweep.details.index(column.detail))
        column = column.of_row(None)
    if column in sweep.stand_ins:
        return ("sizes", sweep.size, "columns", str(sweep.stand_ins[column]))
    text = str(column)
    return ("table", "columns", table.columns.index(text)) if text in table.columns else ("table", "columns")

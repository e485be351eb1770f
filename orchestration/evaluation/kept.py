"""Metrics from kept predictions, without a network: those of `dreamgrid evaluate --save`, or of a cell of the storage. Light."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from augment.files.numpy_files import read_arrays
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.recompute import recompute
from eval.errors import EvalError
from eval.report import BenchmarkOutcome, MetricReport
from orchestration.errors import InputError, Mistake
from orchestration.results.evaluation_document import evaluation_document, outcomes_of, read_document
from orchestration.store.contract import CellResult

REPORT: Final = "report.json"
_NOT_AS_WRITTEN: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError)
"""What metrics raise of arrays of other shapes and kinds than an evaluation keeps."""
_SHOWN: Final = 200
NOTE: Final = "computed from kept predictions, without the network"


def kept_document(
    sources: Sequence[str],
    *,
    result_of: Callable[[str], CellResult | None],
    params: Mapping[str, Mapping[str, object]],
    data_root: Path,
) -> dict[str, Any]:
    """Return the evaluation that kept predictions come to, as one document.

    Args:
        sources: Files `<benchmark>.npz` or folders of `dreamgrid evaluate --save`, or ids of cells.
        result_of: Gives what is recorded of a cell, by its id.
        params: Benchmark -> parameters that differ from those of the evaluation (score, baseline, difficulty).

    Raises:
        InputError: If a source cannot be read, keeps no predictions, or two are of one benchmark; with every mistake.
    """
    found: dict[str, BenchmarkOutcome] = {}
    mistakes: list[Mistake] = []
    datasets: dict[str, None] = {}
    settings: dict[str, list[str]] = {}
    for source in sources:
        try:
            outcomes, dataset, said = _outcomes(source, result_of)
        except (OSError, ValueError) as error:
            mistakes.append(Mistake(where=source, text=f"must be predictions of `dreamgrid evaluate --save`: {error}"))
            continue
        datasets |= {dataset: None} if dataset else {}
        mistakes += [
            Mistake(where=source, text=f"predictions of '{name}' are given twice; name one of them")
            for name in outcomes.keys() & found.keys()
        ]
        found |= outcomes
        settings |= said
    known = ", ".join(found)
    mistakes += [
        Mistake(where=f"--set benchmarks.{name}", text=f"no predictions of it are given; there are: {known}")
        for name in params
        if found and name not in found
    ]
    if mistakes:
        raise InputError("predictions", mistakes)
    reports = [_report(name, outcome, params.get(name, {}), data_root) for name, outcome in found.items()]
    return evaluation_document(
        reports,
        {name: _with(settings.get(name, []), params.get(name, {})) for name in found},
        checkpoint=", ".join(sources),
        sha256="",
        dataset=", ".join(datasets),
        assumed=None,
        architecture="",
        forward_passes_estimated=0,
        notes=[NOTE, *(_unknown(name) for name, outcome in found.items() if not outcome.metrics)],
    )


def _with(settings: Sequence[str], params: Mapping[str, object]) -> list[str]:
    """Return which parameters are not the usual ones once some are given again."""
    given = {name.replace("_", " "): value for name, value in params.items()}
    kept = [text for text in settings if not any(text.startswith(f"{name} ") for name in given)]
    return [*kept, *(f"{name} {value}" for name, value in given.items())]


def _unknown(name: str) -> str:
    """Return what a reader must know of predictions without a report next to them."""
    return (
        f"{name}: no {REPORT} next to its predictions says how they were made; they may be of a part of the images, of own "
        "files, or in another precision"
    )


_Kept = tuple[dict[str, BenchmarkOutcome], str, dict[str, list[str]]]
"""Outcomes by benchmark, their dataset, and which parameters were not the usual ones, where these are known."""


def _outcomes(source: str, result_of: Callable[[str], CellResult | None]) -> _Kept:
    """Return what is kept at a source."""
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        return _of_files(sorted(path.glob("*.npz")), path / REPORT)
    if path.suffix == ".npz" or path.exists():
        return _of_files([path], path.with_name(REPORT))
    result = result_of(source)
    reports = result.reports.values() if result is not None else ()
    found = [(report.benchmark, report.outcome) for report in reports if report.outcome and report.outcome.arrays]
    kept = dict(found)
    if result is None or not kept:
        raise ValueError(f"no predictions are kept of cell '{source}'")
    if doubled := [name for name, number in Counter(name for name, _ in found).items() if number > 1]:
        raise ValueError(
            f"cell '{source}' holds several results of '{doubled[0]}' with different parameters; evaluate its checkpoint "
            "with --save, and name that folder"
        )
    return kept, str(result.training.provenance.config.get("dataset", "")), {}


def _of_files(paths: Sequence[Path], report: Path) -> _Kept:
    document = read_document(report) if report.is_file() else {}
    said = outcomes_of(document) if document else {}
    found = {}
    for path in paths:
        kept = read_arrays(path)
        benchmark_for(path.stem)  # the name of the file says whose predictions they are
        found[path.stem] = replace(said.get(path.stem) or BenchmarkOutcome(metrics={}), arrays=kept)
    if not found:
        raise ValueError("it contains no <benchmark>.npz")
    settings = {each["benchmark"]: list(each.get("settings", ())) for each in document.get("reports", ())}
    return found, str(document.get("dataset", "")), {name: each for name, each in settings.items() if name in found}


def _report(name: str, kept: BenchmarkOutcome, params: Mapping[str, object], data_root: Path) -> MetricReport:
    benchmark = benchmark_for(name)
    try:
        known = {field.name for field in fields(benchmark.config)}
        noted = {key: value for key, value in _noted_params(kept.notes).items() if key in known}
        outcome: BenchmarkOutcome | None = recompute(name, {**noted, **params}, kept, data_root=data_root)
        error = None
    except EvalError as refused:
        outcome, error = None, str(refused)
    except _NOT_AS_WRITTEN as fault:
        outcome, error = (
            None,
            f"its predictions are not as they were written ({type(fault).__name__}: {str(fault)[:_SHOWN]})",
        )
    return MetricReport(
        benchmark=name, benchmark_key="", semantics=benchmark.semantics, outcome=outcome, error=error, wall_s=0.0
    )


def _noted_params(notes: Mapping[str, Any]) -> dict[str, object]:
    """Return the parameters of an evaluation that its notes name; the fewest subsets of a set give those of all."""
    noted = {"score": "variant", "baseline": "baseline", "difficulty": "difficulty", "weather": "weather"}
    found: dict[str, object] = {field: notes[note] for field, note in noted.items() if note in notes}
    if notes.get("taken"):
        found["repeats"] = min(each["subsets"] for each in notes["taken"].values())
    return found

"""Published benchmark files of a plan: which are missing. The other benchmarks run without them, so they stop no run. Light."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.files import files_identity, missing_files, needed_datasets, unusable_files
from eval.errors import EvalError
from eval.tables.column import Column
from eval.tables.column_checks import missing_baseline
from orchestration.cells.cell import PlannedCell
from orchestration.errors import EnvironmentRefused
from trainers.datasets.registry import missing_test_images


def missing_of_benchmarks(
    cells: Sequence[PlannedCell], data_root: Path | None, missing_data: Callable[[Sequence[str], Path], list[str]]
) -> tuple[str, ...]:
    """Return one line per collection of files or outlier set that benchmarks still to run need and that is not there.

    Args:
        cells: Cells of a plan.
        data_root: Folder of datasets and published benchmarks; None skips the look.
        missing_data: Gives such lines for datasets; raises ValueError for a name that is none.
    """
    if data_root is None:
        return ()
    lines: dict[str, None] = {}
    looked: set[tuple[str, str]] = set()
    for cell in cells:
        for request in cell.missing:
            if (request.key, cell.config.dataset) in looked:
                continue
            looked.add((request.key, cell.config.dataset))
            lines |= dict.fromkeys(missing_files(request.name, request.params, cell.config.dataset, data_root))
            for name in needed_datasets(request.name, request.params):
                lines |= dict.fromkeys(_lines_of(name, data_root, missing_data))
            for column, key in cell.wanted_values:
                if key == request.key:
                    lines |= dict.fromkeys(_baseline_lines(column, request, cell.config.dataset, data_root))
    return tuple(lines)


def refuse_where_none_can_run(requests: Sequence[BenchmarkRequest], dataset: str, data_root: Path) -> None:
    """Refuse benchmarks of which none can run, before a network is evaluated.

    Raises:
        EnvironmentRefused: With what is missing, or cannot be read, of each.
        EvalError: If a parameter does not fit.
    """

    lines: list[str] = []
    for request in requests:
        own = unusable_files(request.name, request.params, dataset, data_root)
        for name in needed_datasets(request.name, request.params):
            own += _lines_of(name, data_root, missing_test_images)
        try:
            own or files_identity(request.name, request.params, dataset, data_root)
        except EvalError as error:
            own = [str(error)]
        if not own:
            return
        lines += own
    if lines:
        raise EnvironmentRefused("; ".join(dict.fromkeys(lines)))


def _baseline_lines(column: Column, request: BenchmarkRequest, dataset: str, data_root: Path) -> list[str]:
    line = missing_baseline(column, request.params, dataset, data_root)
    return [] if line is None else [line]


def _lines_of(name: str, data_root: Path, missing_data: Callable[[Sequence[str], Path], list[str]]) -> list[str]:
    try:
        return missing_data([name], data_root)
    except ValueError as error:
        return [f"outlier set {name!r}: {error}"]

"""What is not there of a plan: data, without which it does not run, and files of benchmarks, which others run without."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from augment.files.named import missing_files
from augment.mixing_sets.identity import missing_set_files
from augment.mixing_sets.registry import mixing_set_for
from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.files import files_identity, needed_datasets, unusable_files
from eval.benchmarks.suite.files import missing_files as missing_benchmark_files
from eval.errors import EvalError
from eval.tables.column import Column
from eval.tables.column_checks import missing_baseline
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.cell import PlannedCell
from orchestration.errors import EnvironmentRefused
from trainers.datasets.content import contradiction
from trainers.datasets.registry import dataset_for
from trainers.datasets.registry import missing_data as absent_datasets
from trainers.datasets.streams import FOLDER, RANDOM_IMAGES, missing_stream
from trainers.job import SOURCE_VARIABLE
from trainers.models.released.registry import missing_checkpoints


def missing_data(cells: Sequence[PlannedCell], catalogue: Catalogue) -> tuple[str, ...]:
    """Return a line for each dataset, stream, network or file that cells still to run are made from and that is not there."""
    data_root = catalogue.data_root
    if data_root is None:
        return ()
    waiting = [cell for cell in cells if not cell.is_done]
    untrained = [cell for cell in waiting if not cell.trained]
    streams = dict.fromkeys(cell.config.outliers for cell in untrained if cell.config.outliers)
    trained_here = [cell for cell in untrained if cell.config.released is None]
    files = [line for cell in trained_here for line in _missing_of_method(cell, catalogue, data_root)]
    files += _missing_of_mixing_sets(trained_here, data_root)
    if os.environ.get(SOURCE_VARIABLE):
        # Workers copy what has published checksums; what its content identifies is read here.
        named = [name for name in streams if name.startswith(FOLDER) or name == RANDOM_IMAGES]
        files += [line for name in named for line in missing_stream(name, data_root)]
        return tuple(dict.fromkeys(files))
    lines = missing_datasets(list(dict.fromkeys(cell.config.dataset for cell in waiting)), data_root)
    lines += [line for name in streams for line in missing_stream(name, data_root)]
    lines += missing_checkpoints([cell.config.released for cell in untrained if cell.config.released], data_root)
    return (*lines, *dict.fromkeys(files))


def missing_datasets(names: Sequence[str], data_root: Path) -> list[str]:
    """Return a line for each dataset that is not in a data root, or has other files than published, and how to get it.

    Raises:
        UnknownName: If a name is no dataset's.
    """
    lines: list[str] = []
    for name in names:
        lines += absent_datasets([name], data_root)
        wrong = contradiction(dataset_for(name), data_root)
        lines += [f"dataset {name!r} is not the published one: {wrong}"] if wrong else []
    return lines


def _missing_of_mixing_sets(cells: Sequence[PlannedCell], data_root: Path) -> list[str]:
    """Return a line for each file that a mixing set is made from and that is not there."""
    sets = {(each.name, str(each.params)): each for cell in cells if (each := cell.config.mixing_set) is not None}
    specs = ((mixing_set_for(each.name), each.params) for each in sets.values())
    return [line for spec, params in specs for line in missing_set_files(spec, params, data_root)]


def _missing_of_method(cell: PlannedCell, catalogue: Catalogue, data_root: Path) -> list[str]:
    """Return a line for each file that the cell's method names and that is not there."""
    params: Mapping[str, Any] = cell.config.method_params
    parts = catalogue.method_parts(cell.config.method)
    given = [(part, params if len(parts) == 1 else params.get(part.name, {})) for part in parts if part.files]
    return [line for part, own in given for line in missing_files(part, own, data_root)]


def missing_of_benchmarks(cells: Sequence[PlannedCell], data_root: Path | None) -> tuple[str, ...]:
    """Return one line per collection of files or outlier set that benchmarks still to run need and that is not there.

    Args:
        data_root: Folder of datasets and published benchmarks; None skips the look.
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
            lines |= dict.fromkeys(
                missing_benchmark_files(request.name, request.params, cell.config.dataset, data_root)
            )
            for name in needed_datasets(request.name, request.params):
                lines |= dict.fromkeys(_lines_of(name, data_root, missing_datasets))
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
            own += _lines_of(name, data_root, partial(absent_datasets, split="test"))
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


def _lines_of(name: str, data_root: Path, look: Callable[[list[str], Path], list[str]]) -> list[str]:
    try:
        return look([name], data_root)
    except ValueError as error:
        return [f"outlier set {name!r}: {error}"]

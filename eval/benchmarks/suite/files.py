"""The files and datasets that a benchmark reads besides the dataset: what is missing, and what identifies the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from augment.files.published import Identified
from augment.files.walk import ImageFolderError
from eval.benchmarks.contract import FileSource
from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError


def missing_files(benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path) -> list[str]:
    """Return a line for each collection of files that a benchmark needs and that is not complete in a data root.

    Args:
        benchmark: Name of the benchmark; one that reads no files needs none.
        params: Its parameters that differ from the defaults, or all of them.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    sources = _sources(benchmark, params, dataset, data_root)
    return [line for source in sources for line in source.missing(data_root)]


def unusable_files(benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path) -> list[str]:
    """Return why a benchmark cannot run on its files at all: as `missing_files`, without outlier sets that are refused alone.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    sources = _sources(benchmark, params, dataset, data_root)
    return [line for source in sources for line in (source.unusable or source.missing)(data_root)]


def needed_datasets(benchmark: str, params: Mapping[str, object]) -> tuple[str, ...]:
    """Return the datasets whose test images a benchmark needs besides those that are evaluated: outlier sets.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    described = benchmark_for(benchmark)
    return described.datasets(described.config_of(params))


def files_identity(
    benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path | None
) -> dict[str, Identified]:
    """Return what identifies the files that a benchmark reads besides the dataset, by collection; empty where it reads none.

    Args:
        params: Its parameters that differ from the defaults, or all of them.
        data_root: Folder of datasets and published benchmarks; None where nothing is looked at.

    Raises:
        EvalError: If the benchmark or a parameter is unknown, or files are there that cannot be read.
    """
    found: dict[str, Identified] = {}
    try:
        for source in _sources(benchmark, params, dataset, data_root):
            found |= source.identities(data_root)
    except ImageFolderError as error:
        raise EvalError(str(error)) from error
    return found


def _sources(
    benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path | None
) -> Sequence[FileSource]:
    described = benchmark_for(benchmark)
    return () if described.files is None else described.files(described.config_of(params), dataset, data_root)

"""What an evaluation costs, before it runs: images put through the network, counted from the parameters.

Tests hold this equal to what the suite counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from eval.benchmarks.contract import BenchmarkRequest, EvaluationData, Passes
from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError
from eval.outliers.sets import FOLDER_PREFIX, IMAGE_SETS, outlier_files


def passes_of(name: str, params: Mapping[str, object], data: EvaluationData) -> Passes:
    """Return the images that a benchmark puts through the network.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    benchmark = benchmark_for(name)
    return benchmark.passes(benchmark.config_of(params), data)


def suite_passes(requests: Sequence[BenchmarkRequest], data: EvaluationData) -> Passes:
    """Return the passes of several benchmarks in one evaluation: clean predictions are made once for each number of images.

    Raises:
        EvalError: If a benchmark or a parameter is unknown.
    """
    each = [passes_of(request.name, request.params, data) for request in requests]
    clean = sum({passes.clean for passes in each})
    return Passes(
        forward=sum(passes.forward for passes in each) + clean,
        backward=sum(passes.backward for passes in each),
        unknown=tuple(dict.fromkeys(name for passes in each for name in passes.unknown)),
    )


def set_sizes(test_sizes: Mapping[str, int], data_root: Path | None) -> Callable[[str], int | None]:
    """Return a function for `EvaluationData.set_size`.

    Args:
        data_root: Folder in which the images of outlier sets are counted, or None to count none.
    """

    def size(name: str) -> int | None:
        if name not in IMAGE_SETS and not name.startswith(FOLDER_PREFIX):
            return test_sizes.get(name)
        return None if data_root is None else _images_in(name, data_root)

    return size


@cache
def _images_in(name: str, data_root: Path) -> int | None:
    """Count the images of a set's folder, or None where it is absent or cannot be read; listing it may take seconds."""
    try:
        return len(outlier_files(name, data_root).names)
    except EvalError:
        return None

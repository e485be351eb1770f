"""The benchmarks: every protocol by name, light to import, run on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from augment.lookup.kinds import Kind, versioned
from eval.benchmarks.builtin import BENCHMARKS
from eval.benchmarks.contract import Benchmark
from eval.errors import EvalError

BENCHMARK_KIND: Final = Kind(
    what="benchmark", group="dreamgrid.benchmarks", type=Benchmark, builtin=BENCHMARKS, error=EvalError
)


def benchmark_for(name: str) -> Benchmark:
    """Return a benchmark by name, ours or one that an installed package adds under the entry points `dreamgrid.benchmarks`.

    Raises:
        EvalError: If there is none of that name, or a package takes a name of ours.
    """
    return BENCHMARK_KIND.find(name)


def added_benchmarks() -> dict[str, Benchmark]:
    """Return the benchmarks that installed packages add.

    Raises:
        EvalError: If an entry point cannot be loaded, is no `Benchmark`, or its name is taken.
    """
    return BENCHMARK_KIND.added()


def full_params(name: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return all parameters of a benchmark as plain values, defaults filled in.

    Raises:
        EvalError: If the benchmark or a parameter is unknown, or a value does not fit.
    """
    config = benchmark_for(name).config_of(params)
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def _plain(value: object) -> object:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def check_images(benchmark: Benchmark, params: Mapping[str, object], *, side: int, channels: int) -> None:
    """Refuse parameters of a benchmark that images of this shorter side and number of channels cannot be evaluated with.

    Raises:
        EvalError: If a parameter is unknown, or does not fit the images; says which and what to change.
    """
    if benchmark.check_images is None:
        return
    config = benchmark.config_of(params)
    try:
        benchmark.check_images(config, side, channels)
    except ValueError as error:
        raise EvalError(f"benchmark {benchmark.name!r}: {error}") from error


def benchmark_identity(name: str, params: Mapping[str, object], dataset_identity: str) -> Mapping[str, object]:
    """Return what a benchmark's key is a hash of, as plain values.

    Args:
        name: Name of the benchmark.
        params: Parameters that differ from the defaults (or all of them: the result is the same).
        dataset_identity: Declared checksum of the test data, and of any published files.

    Raises:
        EvalError: If the benchmark or a parameter is unknown, or a value does not fit.
    """
    return {
        "benchmark": name,
        "semantics": versioned(benchmark_for(name)),
        "params": full_params(name, params),
        "data": dataset_identity,
    }

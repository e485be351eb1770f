"""The benchmarks: every protocol by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Final

from augment.lookup.kinds import Kind
from eval.benchmarks import c, cbar, clean, clean_scaled, mnist_c, ood, p, pgd, r
from eval.benchmarks.contract import Benchmark
from eval.errors import EvalError

BENCHMARKS: Final[Mapping[str, Benchmark]] = MappingProxyType(
    {
        "clean": clean.CLEAN,
        "clean-scaled": clean_scaled.CLEAN_SCALED,
        "c": c.C,
        "c-generated": c.C_GENERATED,
        "cbar": cbar.CBAR,
        "cbar-generated": cbar.CBAR_GENERATED,
        "r": r.R,
        "p": p.P,
        "p-generated": p.P_GENERATED,
        "pgd": pgd.PGD,
        "pgd-reference": pgd.PGD_REFERENCE,
        "ood": ood.OOD,
        "ood-generated": ood.OOD_GENERATED,
        "mnist-c": mnist_c.MNIST_C,
        "mnist-c-generated": mnist_c.MNIST_C_GENERATED,
    }
)

BENCHMARK_KIND: Final = Kind(
    what="benchmark", group="dreamgrid.benchmarks", type=Benchmark, builtin=BENCHMARKS, error=EvalError
)


def benchmark_for(name: str) -> Benchmark:
    """Return a benchmark by name, ours or one that an installed package adds under the entry points `dreamgrid.benchmarks`.

    Raises:
        EvalError: If there is none of that name, or a package takes a name of ours.
    """
    return BENCHMARK_KIND.find(name)


def full_params(name: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return all parameters of a benchmark as plain values, defaults filled in.

    Raises:
        EvalError: If the benchmark or a parameter is unknown, or a value does not fit.
    """
    config = benchmark_for(name).config_of(params)
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def default_params(name: str) -> dict[str, object]:
    """Return the parameters of a benchmark that have a default, with it as a plain value.

    Raises:
        EvalError: If the benchmark is unknown.
    """
    found: dict[str, object] = {}
    for field in fields(benchmark_for(name).config):
        if field.default is not MISSING:
            found[field.name] = _plain(field.default)
        elif field.default_factory is not MISSING:
            found[field.name] = _plain(field.default_factory())
    return found


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


def _plain(value: object) -> object:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value

"""The suites by name: results out as a file of one, and in as numbers of our columns in our units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from eval.benchmarks import parse_column
from eval.errors import EvalError
from eval.exchange import openood, robustbench, torch_uncertainty
from eval.exchange.contract import About, FileNetwork, Imported, Network, Number, Outcomes, Suite, Unit
from eval.params import nearest

SUITES: Final[Mapping[str, Suite]] = MappingProxyType(
    {suite.name: suite for suite in (torch_uncertainty.SUITE, openood.SUITE, robustbench.SUITE)}
)
"""The suites that results are exchanged with."""

_LARGEST: Final[Mapping[str, float]] = MappingProxyType({"percent": 100.0, "fraction": 1.0})


def suite_for(name: str) -> Suite:
    """Return a suite by name.

    Raises:
        EvalError: If there is none of that name.
    """
    if name not in SUITES:
        raise EvalError(f"unknown suite {name!r}{nearest(name, SUITES)}")
    return SUITES[name]


def export_results(suite: str, outcomes: Outcomes, about: About) -> str:
    """Return a checkpoint's results as a file of another suite; what was not measured is left out (or empty).

    Raises:
        EvalError: If the suite is unknown.
    """
    return suite_for(suite).write(outcomes, about)


def read_results(suite: str, text: str, *, unit: Unit | None = None) -> tuple[Network, ...]:
    """Return what a file of another suite says, network by network: the numbers that have a column here, and what is left out.

    Args:
        suite: Key of `SUITES`.
        text: The file.
        unit: How its rates are written, or None for what the suite writes; numbers that can hardly be meant so are refused then.

    Raises:
        EvalError: If the suite is unknown, the file is no such file, a number is none or outside its range, or its unit is
            in doubt.
    """
    spec = suite_for(suite)
    networks = [network for network in spec.read(text) if network.numbers]
    if not networks:
        raise EvalError(f"the file holds no number of {suite!r} that has a column here; is it a file of that suite?")
    numbers = [number for network in networks for number in network.numbers]
    _check_range(numbers, spec, unit)
    if unit is None:
        _check_unit(numbers, spec)
    scale = _LARGEST[unit or spec.unit]
    return tuple(_converted(network, scale) for network in networks)


def same_name(ours: str, theirs: str) -> bool:
    """Return whether two names are one but for case and separators: "cifar-10", "CIFAR10", "cifar_10"."""
    return _plain(ours) == _plain(theirs)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _converted(network: FileNetwork, scale: float) -> Network:
    numbers = []
    for each in network.numbers:
        parse_column(each.column)
        value = each.value / scale
        numbers.append(
            Imported(
                column=each.column,
                value=1.0 - value if each.is_complement else value,
                original=each.original,
                spread=None if each.spread is None else each.spread / scale,
            )
        )
    return Network(
        name=network.name,
        dataset=network.dataset,
        architecture=network.architecture,
        numbers=tuple(numbers),
        left_out=network.left_out,
    )


def _check_range(numbers: list[Number], suite: Suite, unit: Unit | None) -> None:
    """Refuse what is no rate in either unit, or in the unit that was given."""
    largest = _LARGEST[unit] if unit is not None else _LARGEST["percent"]
    for each in numbers:
        spread = 0.0 if each.spread is None else each.spread
        if not (math.isfinite(each.value) and 0.0 <= each.value <= largest) or not 0.0 <= spread <= largest:
            shown = each.value if each.spread is None else f"{each.value} ± {each.spread}"
            raise EvalError(
                f"{each.original!r} of {suite.name!r} must be a rate between 0 and 1 (or 0 and 100 percent), but is {shown}"
            )


def _check_unit(numbers: list[Number], suite: Suite) -> None:
    """Ask for the unit where the numbers of a metric can hardly be in that of the suite.

    A fraction is never above 1. Percents of accuracy, AUROC or AUPR at most 1 in every line would be far below chance: they are
    taken for fractions, not believed.
    """
    by_metric: dict[str, list[float]] = {}
    for each in numbers:
        if suite.unit == "fraction" or each.higher_is_better:
            by_metric.setdefault(each.metric, []).append(each.value)
    for metric, values in by_metric.items():
        is_doubtful = max(values) > 1.0 if suite.unit == "fraction" else max(values) <= 1.0
        if is_doubtful:
            other = "percent" if suite.unit == "fraction" else "fractions"
            raise EvalError(
                f"{suite.title} writes rates as {suite.unit}{'s' if suite.unit == 'fraction' else ''}, but {metric!r} is "
                f"{max(values):g}{' at most' if len(values) > 1 else ''} and looks like {other}; say which it is: "
                "--unit percent or --unit fraction"
            )

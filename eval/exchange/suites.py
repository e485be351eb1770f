"""The suites by name: results out as a file of one, and in as numbers of our columns in our units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from augment.lookup.parameters import nearest
from eval.errors import EvalError
from eval.exchange import openood, robustbench, torch_uncertainty
from eval.exchange.cells import plain_name
from eval.exchange.contract import About, FileNetwork, Imported, Network, Number, Outcomes, Suite, Unit
from eval.tables.column import check_column

SUITES: Final[Mapping[str, Suite]] = MappingProxyType(
    {suite.name: suite for suite in (torch_uncertainty.SUITE, openood.SUITE, robustbench.SUITE)}
)
"""The suites that results are exchanged with."""

_LARGEST: Final[Mapping[str, float]] = MappingProxyType({"percent": 100.0, "fraction": 1.0})


def suite_for(name: str) -> Suite:
    """Return a suite by name."""
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
        unit: How its rates are written, or None for what the suite writes; numbers that can hardly be meant so are refused then.

    Raises:
        EvalError: If the suite is unknown, the file is no such file, a number is none or outside its range, or its unit is
            in doubt.
    """
    spec = suite_for(suite)
    said = spec.read(text)
    networks = [network for network in said if network.numbers]
    if not networks:
        left_out = [f"{each.original} ({each.reason})" for network in said for each in network.left_out]
        raise EvalError(
            f"the file contains no number of {spec.title} that has a column here"
            + (f": {'; '.join(left_out[:3])}" if left_out else "; is it a file of that suite?")
        )
    numbers = [number for network in networks for number in network.numbers]
    _check_range(numbers, spec, unit)
    if unit is None:
        _check_unit(numbers, spec)
    scale = _LARGEST[unit or spec.unit]
    return tuple(_converted(network, scale) for network in networks)


def same_name(ours: str, theirs: str) -> bool:
    """Return whether two names are one but for case and separators: "cifar-10", "CIFAR10", "cifar_10"."""
    return plain_name(ours) == plain_name(theirs)


def _converted(network: FileNetwork, scale: float) -> Network:
    numbers = []
    for each in network.numbers:
        check_column(each.column)
        divisor = _LARGEST["percent"] if each.is_percent else scale
        value = each.value / divisor
        numbers.append(
            Imported(
                column=each.column,
                value=1.0 - value if each.is_complement else value,
                original=each.original,
                spread=None if each.spread is None else each.spread / divisor,
                is_partial=each.is_partial,
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
    for each in numbers:
        largest = _LARGEST["percent" if each.is_percent or unit is None else unit]
        spread = 0.0 if each.spread is None else each.spread
        if not (math.isfinite(each.value) and 0.0 <= each.value <= largest) or not 0.0 <= spread <= largest:
            shown = each.value if each.spread is None else f"{each.value} ± {each.spread}"
            raise EvalError(
                f"{each.original!r} of {suite.name!r} must be a rate between 0 and 1 (or 0 and 100 percent), but is {shown}"
            )


def _check_unit(numbers: list[Number], suite: Suite) -> None:
    """Ask for the unit where the numbers of a metric can hardly be in that of the suite.

    A fraction is never above 1. A percentage above 0 and up to 1 of accuracy or AUROC would be far below chance, so one line is
    enough; one of AUPR can be right for a set with few outliers, so all lines count. A percent sign answers the question.
    """
    is_fraction = suite.unit == "fraction"
    by_metric: dict[str, list[Number]] = {}
    for each in numbers:
        if not each.is_percent and (is_fraction or each.higher_is_better):
            by_metric.setdefault(each.metric, []).append(each)
    for metric, found in by_metric.items():
        odd = [each.value for each in found if (each.value > 1.0 if is_fraction else 0.0 < each.value <= 1.0)]
        if odd and (is_fraction or len(odd) == len(found) or found[0].column.metric != "aupr"):
            share = (
                f" in {len(odd)} of {len(found)} lines" if len(odd) < len(found) else " at most" if len(odd) > 1 else ""
            )
            raise EvalError(
                f"{suite.title} writes rates as {'fractions' if is_fraction else 'percent'}, but {metric!r} is {max(odd):g}"
                f"{share} and looks like {'percent' if is_fraction else 'a fraction'}; say which it is: --unit percent or "
                "--unit fraction"
            )

"""Corruption robustness: errors per corruption and severity, raw and relative to a baseline network.

The two conventions are never mixed: CIFAR tables print the raw mean ("mCE" there is the mean error); ImageNet tables print the
mean corruption error, normalised by AlexNet (Hendrycks and Dietterich, ICLR 2019, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eval.metrics.contract import MetricSpec

Errors = Mapping[str, Mapping[int, float]]
"""Corruption -> severity -> error as a fraction."""


def mean_error(errors: Errors) -> float:
    """Return the plain mean: over severities within a corruption, then over corruptions.

    Returns:
        A fraction in [0, 1]; lower is better.

    Raises:
        ValueError: If there is no corruption, or a corruption has no severity.
    """
    return _mean([_mean(list(by_severity.values())) for by_severity in errors.values()])


def corruption_error(by_severity: Mapping[int, float], baseline: Mapping[int, float]) -> float:
    """Return one corruption's error as a share of the baseline's: the ratio of sums over severities, not the mean of ratios.

    Returns:
        1.0 for a network that is as wrong as the baseline; lower is better.

    Raises:
        ValueError: If the baseline lacks a severity, or its errors sum to zero.
    """
    lacking = sorted(set(by_severity) - set(baseline))
    if lacking:
        raise ValueError(f"the baseline must know every severity, but lacks {lacking}; it has {sorted(baseline)}")
    reference = _mean([baseline[severity] for severity in by_severity])
    if reference <= 0.0:
        raise ValueError("the baseline's error must be positive to divide by it, but it is 0")
    return _mean(list(by_severity.values())) / reference


def corruption_errors(errors: Errors, baseline: Errors) -> dict[str, float]:
    """Return the corruption error (CE) of each corruption.

    Raises:
        ValueError: If the baseline lacks a corruption or a severity.
    """
    lacking = sorted(set(errors) - set(baseline))
    if lacking:
        raise ValueError(f"the baseline must know every corruption, but lacks {lacking}; it has {sorted(baseline)}")
    return {kind: corruption_error(by_severity, baseline[kind]) for kind, by_severity in errors.items()}


def mean_corruption_error(errors: Errors, baseline: Errors) -> float:
    """Return the mean of the corruption errors (mCE), relative to a baseline network.

    Returns:
        1.0 for a network as wrong as the baseline; lower is better. Above 1 is possible.

    Raises:
        ValueError: If there is no corruption, or the baseline lacks a corruption or a severity.
    """
    return _mean(list(corruption_errors(errors, baseline).values()))


def _mean(values: list[float]) -> float:
    if not values:
        raise ValueError("a mean over corruptions and severities needs at least one error, but got none")
    return sum(values) / len(values)


_SOURCE: Final = "Hendrycks and Dietterich, ICLR 2019, section 4.1"
_BASELINE: Final = "a named baseline network's error on the same corruption"

CE: Final = MetricSpec(
    name="ce",
    label="CE",
    unit="ratio",
    lower_is_better=True,
    description="Error on one corruption as a share of a baseline network's.",
    source=_SOURCE,
    formula=r"\mathrm{CE}_c = \frac{\sum_s E_{c,s}}{\sum_s E^{0}_{c,s}}",
    axis="corruption",
    normalisation=_BASELINE,
)
MCE: Final = MetricSpec(
    name="mce",
    label="mCE",
    unit="ratio",
    lower_is_better=True,
    description="Mean over corruptions of the error as a share of a baseline network's.",
    source=_SOURCE,
    formula=r"\mathrm{mCE} = \frac{1}{C} \sum_{c=1}^{C} \mathrm{CE}_c",
    axis="corruption",
    normalisation=_BASELINE,
)

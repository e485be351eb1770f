"""Comparisons that the tests of claims are made of: is one row better than another by more than a margin?

Printed numbers are compared as printed: a difference inside their rounding decides nothing. Our own values are compared over
seeds: paired where three or more seeds are common, else with Welch's test where both rows have three, and with fewer against the
declared floor for the spread between seeds, which `eval.tables.verdicts` keeps per metric as about two standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from eval.claims.evidence import Sample
from eval.tables.statistics import FEWEST_TESTED, one_sided_p, sample_std, t_cdf

ALPHA: Final = 0.05
EXACT: Final = 1e-9

Truth = Literal["pass", "fail", "undecided", "not checkable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison of a claim.

    Attributes:
        p_true: p-value of the comparison being false, or None where numbers are compared as printed.
        p_false: p-value of its being true.
    """

    text: str
    p_true: float = 1.0
    p_false: float = 1.0
    printed: Truth | None = None

    def truth(self, *, alpha_true: float = ALPHA, alpha_false: float = ALPHA) -> Truth:
        """Return whether it holds, at the given levels."""
        if self.printed is not None:
            return self.printed
        if self.p_true < alpha_true:
            return "pass"
        return "fail" if self.p_false < alpha_false else "undecided"


def is_better(row: Sample, other: Sample, *, text: str, by: float = 0.0) -> Comparison:
    """Compare: is `row` lower than `other` by more than a margin?"""
    return _compared(row, other, by, text, is_near=False)


def is_near(row: Sample, other: Sample, *, text: str, within: float = 0.0) -> Comparison:
    """Compare: is `row` at most so much higher than `other`? Equal printed numbers count as near."""
    return _compared(row, other, -within, text, is_near=True)


def all_hold(comparisons: Sequence[Comparison], alpha: float = ALPHA) -> Truth:
    """Return whether all hold: each at the full level (an intersection-union test); one fails at the level shared by all."""
    truths = [each.truth(alpha_true=alpha, alpha_false=alpha / len(comparisons)) for each in comparisons]
    return "fail" if "fail" in truths else "pass" if all(truth == "pass" for truth in truths) else "undecided"


def some_hold(comparisons: Sequence[Comparison], alpha: float = ALPHA) -> Truth:
    """Return whether at least one holds, at the level shared by all; none does where each fails at the full level."""
    truths = [each.truth(alpha_true=alpha / len(comparisons), alpha_false=alpha) for each in comparisons]
    return "pass" if "pass" in truths else "fail" if all(truth == "fail" for truth in truths) else "undecided"


def _compared(row: Sample, other: Sample, by: float, text: str, *, is_near: bool) -> Comparison:
    gap = other.mean - row.mean - by
    shown = f"{text}: {_gap_text(row, other)}"
    if row.is_printed or other.is_printed:
        return Comparison(text=shown, printed=_printed(gap, row.rounding + other.rounding, is_near=is_near))
    differences = _paired(row, other)
    if differences is not None:
        return Comparison(
            text=f"{shown} over {len(differences)} seeds",
            p_true=one_sided_p(differences, by, above=True) or 0.0,  # enough seeds: never None
            p_false=one_sided_p(differences, by, above=False) or 0.0,
        )
    p_true, p_false, how = _unpaired(row, other, by)
    return Comparison(text=f"{shown} {how}", p_true=p_true, p_false=p_false)


def _gap_text(row: Sample, other: Sample) -> str:
    """Return "1.3 points worse", rounded as tables are; values that are no rates keep three digits."""
    gap, sense = abs(row.mean - other.mean), "worse" if row.mean > other.mean else "better"
    return f"{100 * gap:.1f} points {sense}" if row.is_percent and other.is_percent else f"{gap:.3g} {sense}"


def _printed(gap: float, slack: float, *, is_near: bool) -> Truth:
    """Neighbouring printed digits differ; equal ones decide nothing unless being near is all that is asked."""
    if is_near and gap >= -EXACT:
        return "pass"
    reach = max(slack - EXACT, EXACT)
    return "pass" if gap > reach and not is_near else "fail" if gap < -reach else "undecided"


def _paired(row: Sample, other: Sample) -> list[float] | None:
    common = sorted(row.values.keys() & other.values.keys())
    if len(common) < FEWEST_TESTED:
        return None
    return [other.values[seed] - row.values[seed] for seed in common]


def _unpaired(row: Sample, other: Sample, by: float) -> tuple[float, float, str]:
    """Return the p-values of the two sides, and how they came about."""
    gap = other.mean - row.mean - by
    ours, theirs = list(row.values.values()), list(other.values.values())
    if min(len(ours), len(theirs)) >= FEWEST_TESTED:
        a, b = sample_std(ours) ** 2 / len(ours), sample_std(theirs) ** 2 / len(theirs)
        if a + b > 0.0:
            freedom = max(1, math.floor((a + b) ** 2 / (a**2 / (len(ours) - 1) + b**2 / (len(theirs) - 1))))
            below = t_cdf(gap / math.sqrt(a + b), freedom)
            return 1.0 - below, below, f"over {len(ours)} and {len(theirs)} seeds"
    spread = 0.5 * max(row.floor, other.floor) * math.sqrt(1.0 / len(ours) + 1.0 / len(theirs))
    if spread == 0.0:
        return 1.0, 1.0, "with few seeds, and no usual noise between seeds is known"
    how = "against the usual noise between seeds, since seeds are few"
    return _normal_tail(gap / spread), _normal_tail(-gap / spread), how


def _normal_tail(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2.0))

"""Spearman's rank correlation, ties averaged. Plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value, 1 for the smallest; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for at in order[start:end]:
            found[at] = (start + end + 1) / 2
        start = end
    return found


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rho of paired values, or None below three pairs or where one side does not vary.

    Source: Spearman, "The proof and measurement of association between two things", 1904: Pearson's correlation of ranks.

    Raises:
        ValueError: If the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"ranks are correlated in pairs, but got {len(first)} and {len(second)} values")
    if len(first) < 3:
        return None
    a, b = ranks(first), ranks(second)
    mean = (len(a) + 1) / 2
    cross = math.fsum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in a) * math.fsum((y - mean) ** 2 for y in b))
    return cross / spread if spread > 0.0 else None

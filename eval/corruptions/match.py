"""Does a generated set match the published one? Statistics per image, compared over the same clean images.

Deterministic corruptions must agree within one grey level nearly everywhere. Random ones draw differently, so statistics of each
image are compared in pairs: a difference counts when it is both certain (many standard errors) and large (in proportion).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.errors import EvalError

STANDARD_ERRORS: Final = 5.0
LARGE_SHARE: Final = 0.03
WITHIN_ONE_LEVEL: Final = 0.999
"""Share of the values of a deterministic corruption that must agree within one grey level (JPEG libraries differ a little)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One statistic of a generated and a published set.

    Attributes:
        name: What is compared.
        generated: Mean over the generated images, in grey levels.
        published: Mean over the published images.
        standard_errors: Mean difference in units of its standard error; infinite for a difference without spread.
        is_match: Whether the difference is uncertain or small.
    """

    name: str
    generated: float
    published: float
    standard_errors: float
    is_match: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The verdict on one set.

    Attributes:
        comparisons: All statistics.
        within_one_level: Share of values that agree within one grey level.
        is_match: Whether one set can replace the other.
    """

    comparisons: tuple[Comparison, ...]
    within_one_level: float
    is_match: bool

    def differences(self) -> tuple[str, ...]:
        """Return the statistics that differ, one sentence each."""
        return tuple(
            f"{one.name}: generated {one.generated:.2f}, published {one.published:.2f} "
            f"({one.standard_errors:.0f} standard errors)"
            for one in self.comparisons
            if not one.is_match
        )


def match_sets(
    generated: NDArray[np.uint8], published: NDArray[np.uint8], clean: NDArray[np.uint8], *, is_random: bool
) -> Match:
    """Compare a generated with a published set of the same clean images.

    Args:
        generated: (N, H, W, C) uint8, N at least 30.
        published: The same images as published, same shape.
        clean: The clean images, same shape.
        is_random: Whether the corruption draws random numbers.

    Raises:
        EvalError: If shapes differ or there are too few images.
    """
    if not generated.shape == published.shape == clean.shape:
        raise EvalError(
            f"sets to match need one shape, but are {generated.shape} (generated), {published.shape} (published) and "
            f"{clean.shape} (clean)"
        )
    if len(clean) < 30:
        raise EvalError(f"a statistical match needs at least 30 images, but got {len(clean)}")
    ours, theirs = statistics_of(generated, clean), statistics_of(published, clean)
    comparisons = tuple(_compare(name, ours[name], theirs[name]) for name in ours)
    near = float((np.abs(generated.astype(np.int16) - published) <= 1).mean())
    is_match = all(one.is_match for one in comparisons) if is_random else near >= WITHIN_ONE_LEVEL
    return Match(comparisons=comparisons, within_one_level=near, is_match=is_match)


def statistics_of(images: NDArray[np.uint8], clean: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float64]]:
    """Return statistics of each image, (N,) each, in grey levels: level, spread, damage, roughness, extremes."""
    levels = images.astype(np.float64)
    flat = levels.reshape(len(levels), -1)
    across, down = np.abs(np.diff(levels, axis=2)), np.abs(np.diff(levels, axis=1))
    return {
        "mean level": flat.mean(axis=1),
        "spread": flat.std(axis=1),
        "distance from the clean image": np.abs(levels - clean).reshape(len(levels), -1).mean(axis=1),
        "roughness across": across.reshape(len(levels), -1).mean(axis=1),
        "roughness down": down.reshape(len(levels), -1).mean(axis=1),
        "darkest tenth": np.quantile(flat, 0.1, axis=1),
        "brightest tenth": np.quantile(flat, 0.9, axis=1),
    }


def _compare(name: str, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Comparison:
    difference = ours - theirs
    gap, error = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))
    certainty = abs(gap) / error if error > 0 else (float("inf") if gap else 0.0)
    large = abs(gap) > max(LARGE_SHARE * abs(float(theirs.mean())), 0.5)
    return Comparison(
        name=name,
        generated=float(ours.mean()),
        published=float(theirs.mean()),
        standard_errors=certainty,
        is_match=not (large and certainty > STANDARD_ERRORS),
    )

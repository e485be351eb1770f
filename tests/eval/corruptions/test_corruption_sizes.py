"""Every corruption and perturbation at every size that a folder may have, grey and colour: it changes images, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

from eval.benchmarks.registry import BENCHMARKS, check_images
from eval.corruptions.families import FAMILIES, check_effect
from eval.corruptions.generate import corrupt
from eval.errors import EvalError
from eval.perturbations.frames import perturb
from eval.perturbations.p.registry import PERTURBATIONS

SIDES = [8, 9, 16, 46]
"""The smallest, an odd one, and two on either side of a change of scale."""
LARGE = [85, 120, 1024]
COUNT = 12
KINDS = [(family.name, kind) for family in FAMILIES.values() for kind in family.kinds]


def textured(side: int, channels: int, count: int) -> np.ndarray:
    """Return images with structure at every scale, in values from 30 to 220."""
    rng = np.random.default_rng(side)
    rows, columns = np.mgrid[:side, :side] / side
    waves = np.sin(7 * rows[..., None] + rng.random((count, 1, 1, channels)) * 6) * np.cos(9 * columns[..., None])
    return (125 + 60 * waves + rng.integers(-35, 36, (count, side, side, channels))).astype(np.uint8)


def changed(family: str, kind: str, level: int, side: int, channels: int, count: int) -> float:
    """Return the share of images that a corruption changed."""
    images = textured(side, channels, count)
    made = corrupt(images, kind, level, fingerprint="f", indices=np.arange(count), family=family)
    return float((made != images).any(axis=(1, 2, 3)).mean())


def check(family: str, kind: str, side: int, count: int, levels: tuple[int, ...]) -> None:
    for channels in (1, 3):
        for level in levels:
            idle = FAMILIES[family].without_effect([kind], [level], side=side, channels=channels)
            share = changed(family, kind, level, side, channels, count)
            assert (share == 0) if idle else (share > 0.4), (side, channels, level)


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_each_corruption_changes_images_or_says_that_it_does_not(family: str, kind: str) -> None:
    """`lines` failed below 20 px, and `pinch_and_twirl` changed nothing at 8 px."""
    for side in SIDES:
        check(family, kind, side, COUNT, FAMILIES[family].severities)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_each_corruption_changes_large_images_too(family: str, kind: str) -> None:
    for side in LARGE:
        check(family, kind, side, 1, FAMILIES[family].severities[:1])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_each_perturbation_changes_images(kind: str, channels: int) -> None:
    for side, count in ((8, 8), (9, 8), (16, 8), (85, 1)):
        images = textured(side, channels, count)
        frames = perturb(images, kind, fingerprint="f", indices=np.arange(count))
        assert (frames != images[:, None]).any(axis=(2, 3, 4)).mean() > 0.15, side
        assert (frames[:, 1:] != frames[:, :-1]).any(), side


@pytest.mark.parametrize("kind", ["spatter", "saturate"])
def test_grey_images_are_not_darkened_by_their_way_through_colour(kind: str) -> None:
    """A weighted sum of equal channels ended just below them, and truncation made 30 % of the values a level darker."""
    flat = np.repeat(np.arange(256, dtype=np.uint8), 64).reshape(256, 8, 8, 1)
    colour = corrupt(np.repeat(flat, 3, axis=3), kind, 1, fingerprint="f", indices=np.arange(256))
    alike = (np.ptp(colour, axis=3) == 0) & (colour[..., 0] == flat[..., 0])
    assert alike.mean() > 0.3
    grey = corrupt(flat, kind, 1, fingerprint="f", indices=np.arange(256))[..., 0]
    assert np.array_equal(grey[alike], flat[..., 0][alike])


def test_grey_images_cannot_be_saturated_by_scaling() -> None:
    with pytest.raises(ValueError, match="do not change grey images: saturate at severities 1, 2, 3; leave them out"):
        check_effect("c", ["fog", "saturate"], (1, 2, 3, 4, 5), side=28, channels=1)
    check_effect("c", ["fog", "saturate"], (4, 5), side=28, channels=1)
    check_effect("c", ["fog", "saturate"], (1, 2, 3, 4, 5), side=28, channels=3)


def test_benchmarks_refuse_images_that_they_cannot_change() -> None:
    with pytest.raises(
        EvalError, match="benchmark 'c-generated': these corruptions do not change grey images: saturate"
    ):
        check_images(BENCHMARKS["c-generated"], {"kinds": ["saturate"], "severities": [2]}, side=28, channels=1)
    for name in ("c-generated", "cbar-generated", "mnist-c-generated", "p-generated"):
        check_images(BENCHMARKS[name], {}, side=8, channels=1)
        with pytest.raises(EvalError, match="must measure at least 8 px, but these have 7"):
            check_images(BENCHMARKS[name], {}, side=7, channels=3)
    check_images(BENCHMARKS["clean"], {}, side=7, channels=3)

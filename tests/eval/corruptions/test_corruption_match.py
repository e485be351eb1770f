"""The check whether a generated set can stand for a published one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from eval.corruptions.generate import corrupt
from eval.corruptions.match import match_sets
from eval.errors import EvalError


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    noise = np.random.default_rng(0).random((60, 32, 32, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def made(clean: np.ndarray, kind: str, severity: int, seed: int = 0) -> np.ndarray:
    return corrupt(clean, kind, severity, fingerprint="f", indices=np.arange(len(clean)), seed=seed)


@pytest.mark.parametrize("kind", ["gaussian_noise", "motion_blur", "snow", "fog", "elastic_transform", "frost"])
def test_another_seed_of_the_same_corruption_matches(kind: str, clean: np.ndarray) -> None:
    found = match_sets(made(clean, kind, 3), made(clean, kind, 3, seed=1), clean, is_random=True)
    assert found.is_match, found.differences()


@pytest.mark.parametrize("kind", ["gaussian_noise", "shot_noise", "snow", "fog", "impulse_noise"])
def test_another_severity_does_not_match_and_says_why(kind: str, clean: np.ndarray) -> None:
    found = match_sets(made(clean, kind, 2), made(clean, kind, 5), clean, is_random=True)
    assert not found.is_match
    assert any("distance from the clean image: generated" in line for line in found.differences())


def test_deterministic_corruptions_must_agree_value_by_value(clean: np.ndarray) -> None:
    exact = made(clean, "contrast", 3)
    almost = np.clip(exact.astype(int) + 1, 0, 255).astype(np.uint8)
    assert match_sets(exact, almost, clean, is_random=False).is_match
    assert match_sets(exact, almost, clean, is_random=False).within_one_level == 1.0
    swapped = exact[::-1]
    assert not match_sets(exact, swapped, clean, is_random=False).is_match


def test_sets_of_other_shapes_or_too_few_images_are_refused(clean: np.ndarray) -> None:
    with pytest.raises(EvalError, match="need one shape"):
        match_sets(clean, clean[:40], clean, is_random=True)
    with pytest.raises(EvalError, match="at least 30 images, but got 29"):
        match_sets(clean[:29], clean[:29], clean[:29], is_random=True)

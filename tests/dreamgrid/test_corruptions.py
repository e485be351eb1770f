"""Corrupted images of every kind, and those of the generated benchmark."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import dreamgrid
from eval.corruptions.generate import CorruptedSet

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def test_every_kind_of_image_gives_the_same_bytes() -> None:
    made = dreamgrid.corrupt(IMAGES, "fog", 3)
    of_tensor = dreamgrid.corrupt(torch.from_numpy(IMAGES).permute(0, 3, 1, 2), "fog", 3)
    of_pillow = dreamgrid.corrupt(Image.fromarray(IMAGES[0]), "fog", 3)

    assert made.dtype == np.uint8
    assert not np.array_equal(made, IMAGES)
    assert np.array_equal(of_tensor.permute(0, 2, 3, 1).numpy(), made)
    assert np.array_equal(np.asarray(of_pillow), made[0])


def test_it_is_what_the_generated_benchmark_shows() -> None:
    whole = CorruptedSet(images=IMAGES, kind="gaussian_noise", severity=2, fingerprint="abc")
    made = dreamgrid.corrupt(IMAGES[2:], "gaussian_noise", 2, fingerprint="abc", indices=np.array([2, 3]))

    assert np.array_equal(made, whole.whole(None)[2:])


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match="fogg"):
        dreamgrid.corrupt(IMAGES, "fogg", 3)
    with pytest.raises(ValueError, match="severit"):
        dreamgrid.corrupt(IMAGES, "fog", 6)

"""Crop and flip of the loader, against NumPy's padding and slicing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys, uniforms
from augment.kernels.geometry import gather_crop_flip


def in_numpy(images: NDArray[np.uint8], keys: SampleKeys, padding: int, flip: bool) -> NDArray[np.uint8]:
    """Return flipped, then padded and cropped images, by slices."""
    draws = uniforms(keys, 3, stream="crop-flip")
    height, width = images.shape[1:3]
    result = []
    for image, (row, column, side) in zip(images, draws, strict=True):
        turned = image[:, ::-1] if flip and side < 0.5 else image
        padded = np.pad(turned, ((padding, padding), (padding, padding), (0, 0)))
        top, left = int(row * (2 * padding + 1)), int(column * (2 * padding + 1))
        result.append(padded[top : top + height, left : left + width])
    return np.array(result, dtype=np.uint8).reshape(images.shape)


@settings(max_examples=80, deadline=None)
@given(
    count=st.integers(0, 6),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.integers(1, 4),
    padding=st.integers(0, 50),
    flip=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_crop_flip_equals_pad_and_slice(
    count: int, height: int, width: int, channels: int, padding: int, flip: bool, seed: int
) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    keys = SampleKeys(seed, 1, np.arange(count) + 5)
    before = images.copy()
    assert np.array_equal(
        gather_crop_flip(images, np.arange(len(images)), keys, padding=padding, flip=flip),
        in_numpy(images, keys, padding, flip),
    )
    assert np.array_equal(images, before)


def test_gathering_equals_taking_rows_first() -> None:
    dataset = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    rows = np.array([3, 29, 0, 3])
    keys = SampleKeys(1, 2, rows)
    gathered = gather_crop_flip(dataset, rows, keys, padding=4, flip=True)
    assert np.array_equal(gathered, in_numpy(dataset[rows], keys, 4, True))


def test_half_of_the_images_are_flipped_and_every_offset_occurs() -> None:
    dataset = np.zeros((1, 9, 9, 1), dtype=np.uint8)
    dataset[0, 4, 4], dataset[0, 4, 5] = 1, 2
    moved = gather_crop_flip(
        dataset, np.zeros(5000, dtype=np.int64), SampleKeys(0, 0, np.arange(5000)), padding=2, flip=True
    )
    places = np.argwhere(moved == 1)[:, 1:3]
    assert len(np.unique(places, axis=0)) == 25
    flipped = np.argwhere(moved == 2)[:, 2] < np.argwhere(moved == 1)[:, 2]
    assert flipped.mean() == pytest.approx(0.5, abs=0.03)


def test_no_padding_and_no_flip_copies() -> None:
    images = np.arange(2 * 5 * 5 * 3, dtype=np.uint8).reshape(2, 5, 5, 3)
    copied = gather_crop_flip(images, np.arange(2), SampleKeys(0, 0, np.arange(2)), padding=0, flip=False)
    assert np.array_equal(copied, images)
    assert not np.shares_memory(copied, images)


@pytest.mark.parametrize(
    ("rows", "padding", "rule"),
    [
        ([0, 1], -1, "padding must be 0 or more pixels, but got -1"),
        ([0], 4, "every image needs a key, but got 1 images and 2 keys"),
        ([0, 7], 4, r"rows must be in \[0, 3\), but got 0..7"),
    ],
)
def test_bad_arguments_are_refused(rows: list[int], padding: int, rule: str) -> None:
    dataset = np.zeros((3, 4, 4, 1), dtype=np.uint8)
    with pytest.raises(ValueError, match=rule):
        gather_crop_flip(dataset, np.array(rows), SampleKeys(0, 0, np.arange(2)), padding=padding, flip=True)

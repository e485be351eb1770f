"""MNIST-C: its fifteen kinds against formulas and libraries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from skimage import feature, transform

from eval.corruptions.generate import corrupt
from eval.corruptions.mnist.registry import MNIST_CORRUPTIONS


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """Blurred strokes on black, (20, 28, 28, 1)."""
    generator = np.random.default_rng(0)
    canvas = np.zeros((20, 28, 28))
    for image in canvas:
        y, x, dy, dx = 14.0, 8.0, 0.0, 1.0
        for _ in range(60):
            turn = generator.normal(0, 0.35)
            dy, dx = dy * np.cos(turn) + dx * np.sin(turn), dx * np.cos(turn) - dy * np.sin(turn)
            y, x = np.clip(y + 0.5 * dy, 5, 22), np.clip(x + 0.5 * dx, 5, 22)
            image[int(y), int(x)] = 1
    smooth = ndimage.gaussian_filter(canvas, (0, 0.9, 0.9))
    return (np.clip(smooth / smooth.max() * 1.6, 0, 1) * 255).astype(np.uint8)[..., None]


def mnist(images: np.ndarray, kind: str) -> np.ndarray:
    return corrupt(images, kind, 1, fingerprint="f", indices=np.arange(len(images)), family="mnist-c")


def test_there_are_fifteen_kinds_of_one_severity(digits: np.ndarray) -> None:
    assert len(MNIST_CORRUPTIONS) == 15
    with pytest.raises(ValueError, match="the severity of 'fog' must be one of 1, but got 2"):
        corrupt(digits, "fog", 2, fingerprint="f", indices=np.arange(20), family="mnist-c")


def test_edges_are_those_of_scikit_image(digits: np.ndarray) -> None:
    ours = mnist(digits, "canny_edges")[..., 0]
    for image, edges in zip(digits[..., 0], ours, strict=True):
        assert np.array_equal(feature.canny(image / 255.0), edges == 255)


def test_stripes_invert_seven_columns_on_either_side(digits: np.ndarray) -> None:
    striped = mnist(digits, "stripe")
    assert np.array_equal(striped[:, :, 7:21], digits[:, :, 7:21])
    assert np.array_equal(striped[:, :, :7], 255 - digits[:, :, :7])
    assert np.array_equal(striped[:, :, 21:], 255 - digits[:, :, 21:])


def warped(image: np.ndarray, matrix: np.ndarray, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    full = np.eye(3)
    full[:2, :2] = matrix
    full[:2, 2] = 13.5 - matrix @ (13.5, 13.5) + shift
    moved = transform.warp(image[..., 0] / 255.0, inverse_map=transform.AffineTransform(matrix=full))
    return np.round(np.clip(moved, 0, 1) * 255).astype(int)


def moves(kind: str) -> list[tuple[np.ndarray, tuple[float, float]]]:
    both = (-1, 1)
    if kind == "rotate":
        return [(np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]), (0, 0)) for a in (-0.4, 0.4)]
    if kind == "shear":
        return [(np.array([[1, -np.sin(a)], [0, np.cos(a)]]), (0, 0)) for a in (-0.4, 0.4)]
    if kind == "scale":
        return [(np.eye(2) / 0.7, (0, 0))]
    return [(np.eye(2), (3 * right, 3 * down)) for right in both for down in both]


@pytest.mark.parametrize("kind", ["rotate", "shear", "scale", "translate"])
def test_movements_are_those_of_the_library_in_one_of_the_published_directions(kind: str, digits: np.ndarray) -> None:
    used = set()
    for image, ours in zip(digits, mnist(digits, kind), strict=True):
        gaps = [np.abs(warped(image, *move) - ours[..., 0]).max() for move in moves(kind)]
        assert min(gaps) <= 1
        used.add(int(np.argmin(gaps)))
    assert len(used) == len(moves(kind))


def line_by_hand(column0: float, row0: float, column1: float, row1: float) -> np.ndarray:
    rows, columns = np.mgrid[:28, :28]
    distance = np.abs(rows - ((row1 - row0) / (column1 - column0) * (columns - column0) + row0))
    line = np.clip(np.log(1 - np.clip(distance, 0, 2.3 - 1e-10) / 2.3) + 1, 0, 1)
    line[:, : int(np.floor(column0))] = 0
    line[:, int(np.ceil(column1)) :] = 0
    return line


def test_dotted_lines_run_from_border_to_border_with_every_other_pair_of_columns_off(digits: np.ndarray) -> None:
    black = np.zeros((30, 28, 28, 1), dtype=np.uint8)
    drawn = mnist(black, "dotted_line")[..., 0]
    off = np.arange(28) // 2 % 2 == 0
    assert drawn[:, :, off].max() == 0
    for one in drawn:
        fits = [
            np.abs(np.round(line_by_hand(0, a, 27, b) * ~off * 255) - one).max() for a in range(27) for b in range(27)
        ]
        assert min(fits) <= 1


def test_zigzags_are_seven_segments_around_a_nearly_level_line() -> None:
    drawn = mnist(np.zeros((10, 28, 28, 1), dtype=np.uint8), "zigzag")[..., 0]

    def by_hand(start: int, rise: int) -> np.ndarray:
        angle = np.arctan(rise / 23)
        length = 23 / np.cos(angle)
        corners = [(0, 0), *(((2 * i + 1) * 2, (-1) ** i * 2) for i in range(6))]
        corners.append((length, -2 / (2 * (length - 20))))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        placed = np.array(corners) @ turn.T + (2, start)
        canvas = np.zeros((28, 28))
        for (column0, row0), (column1, row1) in itertools.pairwise(placed):
            canvas = np.clip(canvas + line_by_hand(column0, row0, column1, row1), 0, 1)
        return canvas * 255

    for one in drawn:
        assert min(np.abs(by_hand(a, b) - one).max() for a in range(27) for b in range(-5, 5)) <= 1


def test_brightness_adds_one_half_and_rounds(digits: np.ndarray) -> None:
    expected = np.round(np.clip(digits / 255.0 + 0.5, 0, 1) * 255)
    assert np.abs(mnist(digits, "brightness") - expected).max() <= 1


def test_shot_noise_has_four_levels_and_keeps_black() -> None:
    ramp = np.tile(np.linspace(0, 255, 28).astype(np.uint8)[None, None, :, None], (50, 28, 1, 1))
    noisy = mnist(ramp, "shot_noise")
    assert set(np.unique(noisy)) == {0, 85, 170, 255}
    assert noisy[:, :, 0].max() == 0


def test_glass_blurs_down_only_before_and_after_the_swaps() -> None:
    column = np.zeros((40, 28, 28, 1), dtype=np.uint8)
    column[:, :, 14] = 255
    glassy = mnist(column, "glass_blur")[..., 0].astype(float)
    untouched = glassy[:, 0]  # row 0 is never exchanged, and blurring down does not leave the column there
    assert untouched[:, 14].min() > 100
    assert untouched[:, [13, 15]].mean() < 0.15 * untouched[:, 14].mean()
    assert glassy[:, 10:18, 13].mean() > 20


def test_translation_scales_with_the_image() -> None:
    dot = np.zeros((8, 56, 56, 1), dtype=np.uint8)
    dot[:, 28, 28] = 255
    moved = mnist(dot, "translate")[..., 0]
    where = {tuple(int(v) for v in np.argwhere(one == 255)[0]) for one in moved}
    assert where <= {(28 + y, 28 + x) for y in (-6, 6) for x in (-6, 6)}
    assert len(where) > 1

"""Every base operation equals the installed Pillow bit for bit, and its magnitudes are the published ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from augment.kernels.operations import ALL, BASIC, Operation, apply_operations, arguments

BILINEAR = Image.Resampling.BILINEAR
AFFINE = Image.Transform.AFFINE


def _affine(*coefficients: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.transform(image.size, AFFINE, coefficients, resample=BILINEAR)


def in_pillow(operation: Operation, argument: float, image: Image.Image) -> Image.Image:
    """Return what Pillow makes of an image."""
    whole = int(argument)
    table: dict[Operation, Callable[[Image.Image], Image.Image]] = {
        Operation.AUTOCONTRAST: ImageOps.autocontrast,
        Operation.EQUALIZE: ImageOps.equalize,
        Operation.POSTERIZE: lambda image: ImageOps.posterize(image, whole),
        Operation.ROTATE: lambda image: image.rotate(whole, resample=BILINEAR),
        Operation.SOLARIZE: lambda image: ImageOps.solarize(image, whole),
        Operation.SHEAR_X: _affine(1, argument, 0, 0, 1, 0),
        Operation.SHEAR_Y: _affine(1, 0, 0, argument, 1, 0),
        Operation.TRANSLATE_X: _affine(1, 0, whole, 0, 1, 0),
        Operation.TRANSLATE_Y: _affine(1, 0, 0, 0, 1, whole),
        Operation.COLOR: lambda image: ImageEnhance.Color(image).enhance(argument),
        Operation.CONTRAST: lambda image: ImageEnhance.Contrast(image).enhance(argument),
        Operation.BRIGHTNESS: lambda image: ImageEnhance.Brightness(image).enhance(argument),
        Operation.SHARPNESS: lambda image: ImageEnhance.Sharpness(image).enhance(argument),
        Operation.INVERT: ImageOps.invert,
    }
    return table[operation](image)


def check_against_pillow(operation: Operation, argument: float, pixels: NDArray[np.uint8]) -> None:
    """Fail where our image differs from Pillow's in any value."""
    squeezed = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    wanted = np.asarray(in_pillow(operation, argument, Image.fromarray(squeezed))).reshape(pixels.shape)
    ours = apply_operations(pixels[None], np.array([int(operation)]), np.array([argument]))[0]
    assert np.array_equal(ours, wanted), f"{operation.name} with {argument} on {pixels.shape}"


def images_of(seed: int, height: int, width: int, channels: int) -> list[NDArray[np.uint8]]:
    """Return noise, a narrow range of values, a ramp and a constant image of one size."""
    source = np.random.default_rng(seed)
    shape = (height, width, channels)
    ramp = np.linspace(0, 255, height * width).reshape(height, width, 1)
    return [
        source.integers(0, 256, shape, dtype=np.uint8),
        source.integers(90, 97, shape, dtype=np.uint8),
        np.broadcast_to(ramp, shape).astype(np.uint8),
        np.full(shape, source.integers(0, 256), dtype=np.uint8),
    ]


@pytest.mark.parametrize("operation", list(Operation), ids=lambda operation: operation.name.lower())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    height=st.integers(1, 256),
    width=st.integers(1, 256),
    channels=st.sampled_from([1, 3]),
    level=st.floats(0.1, 9.99),
    sign=st.sampled_from([-1.0, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_an_operation_equals_pillow_at_any_size_and_level(
    operation: Operation, height: int, width: int, channels: int, level: float, sign: float, seed: int
) -> None:
    chosen = np.array([int(operation)])
    argument = arguments(chosen, np.array([level]), np.array([sign]), height, width)[0]
    for pixels in images_of(seed, height, width, channels):
        check_against_pillow(operation, argument, pixels)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 256), (256, 1), (2, 3), (32, 32), (28, 28)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_equals_pillow_on_corner_sizes(size: tuple[int, int], channels: int) -> None:
    for pixels in images_of(5, *size, channels):
        for operation in Operation:
            for sign in (-1.0, 1.0):
                for level in (0.1, 0.9, 2.99, 9.99):
                    chosen = np.array([int(operation)])
                    argument = arguments(chosen, np.array([level]), np.array([sign]), *size)[0]
                    check_against_pillow(operation, argument, pixels)


@pytest.mark.parametrize("degrees", [0, 1, -1, 45, 90, -90, 180, 270, 359, 360, 405])
def test_a_rotation_equals_pillow_for_any_whole_angle(degrees: int) -> None:
    for size in ((9, 9), (9, 14)):
        check_against_pillow(Operation.ROTATE, float(degrees), images_of(1, *size, 3)[0])


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 0.5, 1e-12, 0.3333333333333333, 2.0**-40, 0.1])
@pytest.mark.parametrize("operation", [Operation.SHEAR_X, Operation.SHEAR_Y])
def test_a_shear_whose_shifts_are_nearly_whole_equals_pillow(operation: Operation, level: float) -> None:
    check_against_pillow(operation, level, images_of(2, 33, 31, 3)[0])


@pytest.mark.parametrize(
    "operation", [Operation.COLOR, Operation.CONTRAST, Operation.BRIGHTNESS, Operation.SHARPNESS], ids=lambda o: o.name
)
@pytest.mark.parametrize("factor", [0.0, 0.1, 0.999, 1.0, 1.3, 1.9])
def test_an_enhancement_equals_pillow_below_and_above_one(operation: Operation, factor: float) -> None:
    for pixels in images_of(3, 17, 20, 3):
        check_against_pillow(operation, factor, pixels)


def _levels(operation: Operation, severity: float, size: int, count: int = 100_000) -> NDArray[np.float64]:
    levels = 0.1 + (severity - 0.1) * np.random.default_rng(0).random(count)
    return arguments(np.full(count, int(operation)), levels, np.ones(count), size, size)


def _share(values: NDArray[np.float64], value: float) -> float:
    return float((values == value).mean())


def test_magnitudes_at_severity_3_are_the_published_ones() -> None:
    bits = _levels(Operation.POSTERIZE, 3.0, 32)
    assert _share(bits, 4) == pytest.approx(0.828, abs=0.01)
    assert _share(bits, 3) == pytest.approx(0.172, abs=0.01)
    degrees = _levels(Operation.ROTATE, 3.0, 32)
    assert _share(degrees, 0) == pytest.approx(0.08, abs=0.01)
    assert set(degrees) == set(range(9))
    threshold = _levels(Operation.SOLARIZE, 3.0, 32)
    assert (threshold.min(), threshold.max()) == (180, 254)
    shift = _levels(Operation.TRANSLATE_X, 3.0, 32)
    assert _share(shift, 0) == pytest.approx(0.29, abs=0.01)
    assert set(shift) == {0, 1, 2, 3}
    shear = _levels(Operation.SHEAR_Y, 3.0, 32)
    assert 0.003 <= shear.min() < shear.max() <= 0.09
    factor = _levels(Operation.COLOR, 3.0, 32)
    assert 0.118 <= factor.min() < factor.max() <= 0.64


def test_magnitudes_at_severity_1_are_the_published_ones() -> None:
    assert set(_levels(Operation.POSTERIZE, 1.0, 224)) == {4}
    degrees = _levels(Operation.ROTATE, 1.0, 224)
    assert set(degrees) == {0, 1, 2}
    assert _share(degrees, 0) == pytest.approx(0.26, abs=0.01)
    assert set(_levels(Operation.TRANSLATE_Y, 1.0, 224)) == set(range(8))
    assert _levels(Operation.SHARPNESS, 1.0, 224).max() <= 0.28


def test_translation_follows_the_side_of_small_images() -> None:
    shift = _levels(Operation.TRANSLATE_X, 3.0, 28)
    assert [_share(shift, pixels) for pixels in (0, 1, 2)] == pytest.approx([0.335, 0.37, 0.295], abs=0.01)


def test_the_published_sets_have_nine_and_thirteen_operations() -> None:
    assert len(BASIC) == 9
    assert len(ALL) == 13
    assert ALL[:9] == BASIC


def test_a_negative_operation_copies_and_the_input_stays_untouched() -> None:
    pixels = images_of(4, 8, 8, 3)[0][None]
    before = pixels.copy()
    copied = apply_operations(pixels, np.array([-1]), np.zeros(1))
    apply_operations(pixels, np.array([int(Operation.INVERT)]), np.zeros(1))
    assert np.array_equal(copied, pixels)
    assert np.array_equal(before, pixels)
    assert not np.shares_memory(copied, pixels)


def test_an_empty_batch_gives_an_empty_batch() -> None:
    empty = np.zeros((0, 8, 8, 3), dtype=np.uint8)
    assert apply_operations(empty, np.zeros(0, dtype=np.int64), np.zeros(0)).shape == empty.shape

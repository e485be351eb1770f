"""Deterministic corruptions against slow derivations from independent libraries, within one grey level."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import color, filters

from eval.corruptions.c.registry import CORRUPTIONS
from eval.corruptions.generate import corrupt


@pytest.fixture(scope="module")
def textures() -> dict[int, np.ndarray]:
    """Coloured textures over the whole range at 32, 64 and 224 px, with exactly black, white and grey pixels."""
    made = {}
    for side, count in ((32, 3), (64, 2), (224, 1)):
        noise = np.random.default_rng(side).random((count, side, side, 3))
        smooth = ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 0))
        spread = (smooth - smooth.min()) / np.ptp(smooth)
        images = (spread * 256).clip(0, 255).astype(np.uint8)
        images[:, :4, :4] = 0
        images[:, :4, 4:8] = 255
        images[:, 4:8, :4] = 77
        made[side] = images
    return made


def truncated(unit: np.ndarray) -> np.ndarray:
    return (np.clip(unit, 0, 1) * 255).astype(np.uint8)


def defocus(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    radius, sigma = parameters
    reach, half = (8, 1) if radius <= 8 else (int(radius), 2)
    x, y = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    disk = np.float64(x**2 + y**2 <= radius**2)
    window = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
    smooth = ndimage.correlate(disk / disk.sum(), np.outer(window, window) / window.sum() ** 2, mode="mirror")
    unit = pixels / 255.0
    return truncated(np.stack([ndimage.correlate(unit[..., c], smooth, mode="mirror") for c in range(3)], axis=2))


def zoomed(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    unit = (pixels / 255.0).astype(np.float32)
    side = len(unit)
    total, factors = np.zeros_like(unit), np.arange(1, *parameters)
    for factor in factors:
        crop = math.ceil(side / factor)
        top = (side - crop) // 2
        big = ndimage.zoom(unit[top : top + crop, top : top + crop], (factor, factor, 1), order=1)
        trim = (len(big) - side) // 2
        total += big[trim : trim + side, trim : trim + side]
    return truncated((unit + total) / (len(factors) + 1))


def brightened(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    hsv = color.rgb2hsv(pixels / 255.0)
    hsv[..., 2] = np.clip(hsv[..., 2] + parameters[0], 0, 1)
    return truncated(color.hsv2rgb(hsv))


def saturated(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    hsv = color.rgb2hsv(pixels / 255.0)
    hsv[..., 1] = np.clip(hsv[..., 1] * parameters[0] + parameters[1], 0, 1)
    return truncated(color.hsv2rgb(hsv))


def contrasted(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    unit = pixels / 255.0
    mean = np.mean(unit, axis=(0, 1))
    return truncated((unit - mean) * parameters[0] + mean)


def pixelated(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    image, side = Image.fromarray(pixels), len(pixels)
    small = image.resize((int(side * parameters[0]),) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.BOX))


def compressed(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(parameters[0]))
    return np.asarray(Image.open(buffer))


def blurred(pixels: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    return truncated(filters.gaussian(pixels / 255.0, sigma=parameters[0], channel_axis=-1))


DERIVATIONS = {
    "defocus_blur": defocus,
    "zoom_blur": zoomed,
    "brightness": brightened,
    "contrast": contrasted,
    "pixelate": pixelated,
    "jpeg_compression": compressed,
    "gaussian_blur": blurred,
    "saturate": saturated,
}


@pytest.mark.parametrize("side", [32, 64, 224])
@pytest.mark.parametrize("kind", DERIVATIONS)
def test_deterministic_kinds_agree_with_independent_libraries_within_one_grey_level(
    kind: str, side: int, textures: dict[int, np.ndarray]
) -> None:
    images = textures[side]
    for severity in (1, 3, 5):
        ours = corrupt(images, kind, severity, fingerprint="f", indices=np.arange(len(images)))
        theirs = np.stack([DERIVATIONS[kind](pixels, CORRUPTIONS[kind].at(severity, side)) for pixels in images])
        gap = np.abs(ours.astype(int) - theirs)
        assert gap.max() <= 1
        assert (gap > 0).mean() < 0.2


def test_pixelation_and_storage_agree_with_pillow_to_the_byte(textures: dict[int, np.ndarray]) -> None:
    for kind in ("pixelate", "jpeg_compression"):
        for severity in range(1, 6):
            images = textures[64]
            ours = corrupt(images, kind, severity, fingerprint="f", indices=np.arange(len(images)))
            theirs = np.stack([DERIVATIONS[kind](pixels, CORRUPTIONS[kind].at(severity, 64)) for pixels in images])
            assert np.array_equal(ours, theirs)


def test_pixelation_of_non_square_images_agrees_with_pillow() -> None:
    from eval.corruptions.c.coding import box_resize

    pixels = np.random.default_rng(0).integers(0, 256, (1, 37, 22, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(pixels[0]).resize((9, 20), Image.Resampling.BOX))
    assert np.array_equal(box_resize(pixels, 20, 9)[0], theirs)


def test_defocus_at_small_radii_is_the_known_three_by_three_gaussian() -> None:
    from eval.corruptions.c.blur import disk_kernel

    centre, edge, corner = disk_kernel(0.4, 0.5)[8, 8], disk_kernel(0.4, 0.5)[7, 8], disk_kernel(0.4, 0.5)[7, 7]
    assert np.allclose([centre, edge, corner], [0.61935, 0.08382, 0.011344], atol=1e-5)
    assert np.allclose(disk_kernel(1.5, 0.1)[7:10, 7:10], 1 / 9, atol=1e-6)


def test_motion_blur_follows_the_published_angles_and_trail() -> None:
    from eval.corruptions.c.blur import move

    dot = np.zeros((3, 21, 21, 1))
    dot[:, 10, 10] = 255
    moved = move(dot, 3, 1.0, np.array([0.0, 90.0, -90.0]))[..., 0]
    weights = np.exp(-(np.arange(7.0) ** 2) / 2)
    trail = np.floor(255 * weights / weights.sum()).astype(int)
    assert (
        moved[0, 10, 4:11].tolist() == trail[::-1].tolist()
    )  # angle 0: reads ahead along x, so the dot trails to the left
    assert moved[1, 4:11, 10].tolist() == trail[::-1].tolist()
    assert moved[2, 10:17, 10].tolist() == trail.tolist()
    assert (moved > 0).sum(axis=(1, 2)).tolist() == [int((trail > 0).sum())] * 3


def test_glass_copies_pixels_of_colour_images_and_swaps_those_of_grey_ones() -> None:
    from eval.corruptions.c.glass import displace
    from eval.corruptions.contract import Draws

    values = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(1, 16, 16, 1)
    draws = Draws(0, "glass", 1, np.zeros(1, dtype=np.int64))
    swapped = displace(values, draws, 1, 2, likelihood=1.0, copies=False)
    copied = displace(np.repeat(values, 3, axis=3), draws, 1, 2, likelihood=1.0, copies=True)
    assert sorted(swapped.reshape(-1)) == list(range(256))
    assert len(np.unique(copied[..., 0])) < 256
    assert np.array_equal(displace(values, draws, 1, 2, likelihood=0.0, copies=False), values)


def test_brightness_keeps_hue_and_lifts_black_to_grey() -> None:
    images = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    images[0, 0, 0] = (100, 50, 0)
    lifted = corrupt(images, "brightness", 5, fingerprint="f", indices=np.zeros(1, dtype=np.int64))
    assert lifted[0, 1, 1].tolist() == [76, 76, 76]
    assert lifted[0, 0, 0].tolist() == [176, 88, 0]

"""Agreement with the published generators, whose output on fixed images was recorded once.

`published_samples.npz` holds 300 values of each image that hendrycks/robustness made (make_cifar_c, make_tinyimagenet_c,
make_imagenet_c, make_cifar_p; commit 8190fe3, OpenCV 5.0, ImageMagick 6.9.11, SciPy 1.17, scikit-image 0.26, Pillow 13),
motion blur at given angles. `published_statistics.npz` holds the mean statistics of what random corruptions of that
repository and of facebookresearch/augmentation-corruption (commit ba4d5a5) made of 96 and 48 images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from eval.corruptions.c.blur import disk_kernel, move
from eval.corruptions.c.edges import box_blur
from eval.corruptions.c.registry import CORRUPTIONS
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.generate import corrupt
from eval.corruptions.match import LARGE_SHARE, statistics_of
from eval.perturbations.frames import perturb

HERE = Path(__file__).parent
FIRST = np.zeros(1, dtype=np.int64)
with np.load(HERE / "published_samples.npz") as made:
    OF_PUBLISHED_CODE = frozenset(name.split("/")[1] for name in made.files)
DETERMINISTIC = tuple(name for name, each in CORRUPTIONS.items() if not each.is_random and name in OF_PUBLISHED_CODE)
MOVING = ("motion_blur", "zoom_blur", "brightness", "translate", "rotate", "tilt", "scale")
ANGLES = (-40, -17, 5, 30)
SPREAD_OF_TWO_DRAWS = 4.0


@pytest.fixture(scope="module")
def samples():
    with np.load(HERE / "published_samples.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def statistics():
    with np.load(HERE / "published_statistics.npz") as stored:
        return dict(stored)


def folded(side: int, index: int = 0) -> np.ndarray:
    """Return an image of whole numbers only, the same on every machine: folded parabolas with grain."""
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    waves = (x * x * 3 + y * y * 2 + x * y * 5) // side + 40 * c * x // side + (x * 7919 + y * 104729 + c * 31) % 23
    return np.abs((waves * 6 + 37 * index) % 510 - 255).astype(np.uint8)


def sampled(image: np.ndarray) -> np.ndarray:
    return image.reshape(-1)[(np.arange(300) * 7919 + 13) % image.size].astype(int)


@pytest.mark.parametrize("side", [32, 64, 224])
@pytest.mark.parametrize("kind", DETERMINISTIC)
def test_deterministic_corruptions_equal_those_of_the_published_code(kind, side, samples):
    image = folded(side)[None]
    allowed = 1 if kind == "jpeg_compression" else 0  # the libraries that store JPEG round differently
    for severity in (1, 2, 3, 4, 5):
        ours = sampled(corrupt(image, kind, severity, fingerprint="f", indices=FIRST)[0])
        assert np.abs(ours - samples[f"{side}/{kind}/{severity}"]).max() <= allowed


@pytest.mark.parametrize("angle", ANGLES)
def test_motion_blur_equals_that_of_imagemagick(angle, samples):
    ours = sampled(move(folded(32)[None].astype(float), 9, 2.5, np.array([float(angle)]))[0])
    assert np.array_equal(ours, samples[f"motion/{angle}"])


@pytest.mark.parametrize(("radius", "sigma"), [(6, 1), (9, 2.5), (10, 3), (20, 15)])
def test_motion_blur_leaves_flat_regions_as_they_are(radius, sigma):
    """Truncated at once, as it was, a flat 255 became 254 at most angles; ImageMagick rounds in 16 bits first."""
    flat = np.repeat(np.arange(256.0), 3).reshape(256, 1, 1, 3) * np.ones((1, 8, 8, 1))
    for angle in (-45.0, -13.0, 0.0, 30.0):
        assert np.array_equal(move(flat, radius, sigma, np.full(256, angle)), flat)


def test_defocus_kernel_is_that_of_the_published_code():
    """Sums of the float32 kernels, less 1, in units of 2**-29: what decides whether a flat region ends a level below."""
    published = {(0.3, 0.4): 0.75, (0.4, 0.5): 10.0, (1.5, 0.1): 4.0, (3, 0.1): -2.0, (4, 0.5): -18.375}
    for parameters, excess in published.items():
        kernel = disk_kernel(*parameters)
        assert kernel.dtype == np.float32
        assert (kernel.astype(np.float64).sum() - 1) * 2**29 == pytest.approx(excess, abs=0.01)


@pytest.mark.parametrize(
    ("mode", "sigma", "truncate"), [("nearest", 0.4, 4.0), ("reflect", 5.0, 3.0), ("wrap", 1.7, 7.0)]
)
def test_gaussian_blur_adds_up_as_scipy_does(mode, sigma, truncate):
    images = np.stack([folded(20), np.full((20, 20, 3), 255, dtype=np.uint8)]) / 255.0
    theirs = ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode=mode, truncate=truncate)
    assert np.array_equal(gaussian_filter(images, sigma, mode=mode, truncate=truncate), theirs)
    down = ndimage.gaussian_filter(images, (0, sigma, 0, 0), mode=mode, truncate=truncate)
    assert np.array_equal(gaussian_filter(images, sigma, mode=mode, truncate=truncate, across=False), down)


@pytest.mark.parametrize("kind", ["motion_blur", "zoom_blur", "elastic_transform"])
@pytest.mark.parametrize("side", [32, 224])
def test_white_images_stay_white(kind, side):
    white = np.full((1, side, side, 3), 255, dtype=np.uint8)
    for severity in (1, 3, 5):
        assert corrupt(white, kind, severity, fingerprint="f", indices=FIRST).min() == 255


def test_means_of_equal_distances_are_that_distance():
    """Nine 20s times a ninth each are 19.999..., which was truncated to 19."""
    for level in range(1, 21):
        assert (box_blur(np.full((1, 6, 6), float(level))).astype(np.uint8) == level).all()


@pytest.mark.parametrize("kind", MOVING)
def test_sequences_are_within_one_grey_level_of_the_published_code(kind, samples):
    frames = perturb(folded(32)[None], kind, fingerprint="f", indices=FIRST)[0]
    stored = {int(name.split("/")[2]): values for name, values in samples.items() if name.startswith(f"p/{kind}/")}
    assert sorted(stored) == [0, len(frames) // 3, len(frames) - 1]
    for frame, theirs in stored.items():
        assert np.abs(sampled(frames[frame]) - theirs).max() <= 1


def gaps_of(family, kind, severity, count, theirs):
    """Return, by statistic, how far our mean lies from theirs, in units of what two independent draws may differ by."""
    images = np.stack([folded(32, index) for index in range(count)])
    made = corrupt(images, kind, severity, fingerprint="f", indices=np.arange(count), family=family)
    gaps = {}
    for (name, ours), mean in zip(statistics_of(made, images).items(), theirs, strict=True):
        error = ours.std(ddof=1) * np.sqrt(2 / count)
        gaps[name] = abs(ours.mean() - mean) / max(LARGE_SHARE * abs(mean), 0.5, SPREAD_OF_TWO_DRAWS * error)
    return gaps


RANDOM = [name for name, each in CORRUPTIONS.items() if each.is_random and name != "frost"]


@pytest.mark.parametrize("kind", RANDOM)
def test_random_corruptions_have_the_statistics_of_the_published_code(kind, statistics):
    for severity in (1, 3, 5):
        gaps = gaps_of("c", kind, severity, 96, statistics[f"c/{kind}/{severity}"])
        assert {name: gap for name, gap in gaps.items() if gap > 1} == {}


def test_c_bar_has_the_statistics_of_the_published_code(statistics):
    names = [name.split("/") for name in statistics if name.startswith("cbar/")]
    assert len(names) == 30
    for _, kind, severity in names:
        gaps = gaps_of("cbar", kind, int(severity), 48, statistics[f"cbar/{kind}/{severity}"])
        assert {name: gap for name, gap in gaps.items() if gap > 1} == {}, kind


def test_statistics_of_another_severity_are_told_apart(statistics):
    gaps = gaps_of("c", "gaussian_noise", 1, 96, statistics["c/gaussian_noise/5"])
    assert max(gaps.values()) > 1

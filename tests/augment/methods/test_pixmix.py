"""PixMix against an independent derivation in plain Python and Pillow, image by image and in distribution."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from augment.errors import AugmentError
from augment.kernels.counters import SampleKeys
from augment.kernels.mixings import ADD, MULTIPLY
from augment.kernels.operations import ALL, BASIC
from augment.methods.pixmix.kernel import MIXING_IMAGE, PLAIN
from augment.methods.pixmix.pixmix import PixMix, PixMixConfig, PixMixDraw, apply_pixmix, draw_pixmix, rounded
from augment.treatment import TreatmentContext

Pixels = NDArray[np.float64]
NAMES = [operation.name.lower() for operation in ALL]


def smooth_images(count: int, size: int, channels: int, seed: int) -> NDArray[np.uint8]:
    """Return images with structure at several scales, (count, size, size, channels) uint8."""
    source = np.random.default_rng(seed)
    coarse = source.random((count, 5, 5, channels))
    rows = np.linspace(0, 3.999, size)
    low, part = rows.astype(int), rows % 1
    lines = coarse[:, low] * (1 - part)[None, :, None, None] + coarse[:, low + 1] * part[None, :, None, None]
    part = part[None, None, :, None]
    blended = lines[:, :, low] * (1 - part) + lines[:, :, low + 1] * part
    return (255 * np.clip(blended + 0.1 * source.standard_normal(blended.shape), 0, 1)).astype(np.uint8)


class PlainPixMix:
    """The published description in plain Python: one operation by name, one mixing by name."""

    def __init__(self, size: int) -> None:
        self.size = size

    def operation(self, name: str, argument: float, image: Image.Image) -> Image.Image:
        """Return the image after one operation, by its Pillow call."""
        if name in ("autocontrast", "equalize"):
            return getattr(ImageOps, name)(image)
        if name in ("posterize", "solarize"):
            return getattr(ImageOps, name)(image, int(argument))
        if name == "rotate":
            return image.rotate(int(argument), resample=Image.Resampling.BILINEAR)
        if name in ("color", "contrast", "brightness", "sharpness"):
            return getattr(ImageEnhance, name.capitalize())(image).enhance(argument)
        matrix = {
            "shear_x": (1, argument, 0, 0, 1, 0),
            "shear_y": (1, 0, 0, argument, 1, 0),
            "translate_x": (1, 0, int(argument), 0, 1, 0),
            "translate_y": (1, 0, 0, 0, 1, int(argument)),
        }[name]
        return image.transform(
            (self.size, self.size), Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR
        )

    def mixed(self, running: Pixels, partner: Pixels, mixing: int, a: float, b: float) -> Pixels:
        """Return one clipped round."""
        if mixing == ADD:
            result = (a * (running * 2 - 1) + b * (partner * 2 - 1) + 1) / 2
        else:
            result = (running * 2) ** a * np.clip(partner * 2, 1e-37, None) ** b / 2
        return np.clip(result, 0, 1)


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _unit(image: Image.Image, channels: int) -> Pixels:
    return (np.asarray(image).reshape(*image.size[::-1], channels) / 255.0).astype(np.float64)


def replay(images: NDArray[np.uint8], mixing_images: NDArray[np.uint8], draw: PixMixDraw) -> NDArray[np.float64]:
    """Return what the plain derivation makes of the same draws."""
    size, channels = images.shape[1], images.shape[3]
    plain = PlainPixMix(size)
    results = []
    for index, pixels in enumerate(images):
        clean = _image(pixels)
        top, left = draw.top[index], draw.left[index]
        window = (
            mixing_images[draw.mixing_index[index]][top : top + size, left : left + size]
            if len(mixing_images)
            else pixels
        )
        start = draw.start[index]
        running = _unit(
            clean if start == PLAIN else plain.operation(NAMES[start], draw.start_argument[index], clean), channels
        )
        for step in range(draw.rounds[index]):
            chosen = draw.partner[index, step]
            partner = (
                _image(window)
                if chosen == MIXING_IMAGE
                else plain.operation(NAMES[chosen], draw.argument[index, step], clean)
            )
            a, b = float(draw.a[index, step]), float(draw.b[index, step])
            running = plain.mixed(running, _unit(partner, channels), int(draw.mixing[index, step]), a, b)
        results.append(running)
    return np.array(results)


def published_sample(
    plain: PlainPixMix, source: np.random.Generator, pixels: NDArray[np.uint8], mixing_images: NDArray[np.uint8]
) -> Pixels:
    """Return one sample of the published pipeline, with a sequential generator of its own."""
    k, beta, severity = 4, 3.0, 3.0
    channels = pixels.shape[2]
    clean = _image(pixels)

    def augmented() -> Image.Image:
        name = NAMES[source.integers(13)]
        level = source.uniform(0.1, severity)
        sign = -1 if source.random() > 0.5 else 1
        argument = {
            "posterize": 4 - int(level * 4 / 10),
            "rotate": sign * int(level * 30 / 10),
            "solarize": 256 - int(level * 256 / 10),
            "shear_x": sign * level * 0.3 / 10,
            "shear_y": sign * level * 0.3 / 10,
            "translate_x": sign * int(level * plain.size / 3 / 10),
            "translate_y": sign * int(level * plain.size / 3 / 10),
        }.get(name, level * 1.8 / 10 + 0.1)
        return plain.operation(name, argument, clean)

    mixing_index = mixing_images[source.integers(len(mixing_images))]
    top, left = source.integers(0, mixing_index.shape[0] - plain.size + 1, 2)
    window = _image(mixing_index[top : top + plain.size, left : left + plain.size])
    running = _unit(augmented() if source.random() < 0.5 else clean, channels)
    for _ in range(source.integers(k + 1)):
        partner = _unit(augmented() if source.random() < 0.5 else window, channels)
        mixing = ADD if source.random() < 0.5 else MULTIPLY
        if source.random() < 0.5:
            a, b = source.beta(beta, 1), source.beta(1, beta)
        else:
            a, b = 1 + source.beta(1, beta), -source.beta(1, beta)
        running = plain.mixed(running, partner, mixing, a, b)
    return running


def a_draw(config: PixMixConfig, count: int, size: int = 32, mixing_images: int = 40, **options: object) -> PixMixDraw:
    """Return the draws for samples 0..count-1 of epoch 0."""
    keys = SampleKeys(0, 0, np.arange(count))
    side = size * 9 // 8
    return draw_pixmix(config, keys, image_shape=(size, size), mixing_shape=(mixing_images, side, side), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32])
def test_pixmix_equals_the_plain_derivation_for_the_same_draws(size: int, channels: int) -> None:
    images = smooth_images(200, size, channels, seed=1)
    mixing_images = smooth_images(40, size * 9 // 8, channels, seed=2)
    mixing_images[:4] = 0
    draw = a_draw(PixMixConfig(), 200, size)
    ours = apply_pixmix(images, mixing_images, draw)
    assert np.abs(ours - replay(images, mixing_images, draw)).max() <= 4e-6


def test_pixmix_equals_the_plain_derivation_at_224_pixels() -> None:
    images, mixing_images = smooth_images(6, 224, 3, seed=3), smooth_images(3, 252, 3, seed=4)
    draw = a_draw(PixMixConfig(severity=1.0, beta=4.0), 6, 224, mixing_images=3)
    assert np.abs(apply_pixmix(images, mixing_images, draw) - replay(images, mixing_images, draw)).max() <= 4e-6


def test_pixmix_without_rounds_and_without_augmented_start_returns_the_input() -> None:
    images = smooth_images(16, 32, 3, seed=5)
    draw = a_draw(PixMixConfig(max_rounds=0, augment_start=False), 16)
    assert np.array_equal(apply_pixmix(images, images, draw), images.astype(np.float32) / np.float32(255))


def test_rounds_are_uniform_with_both_ends_included() -> None:
    for k in (2, 3, 4):
        counts = np.bincount(a_draw(PixMixConfig(max_rounds=k), 50_000).rounds, minlength=k + 1)
        assert len(counts) == k + 1
        assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(("k", "clean", "with_image"), [(2, 0.167, 0.417), (3, 0.125, 0.531), (4, 0.1, 0.6125)])
def test_shares_of_clean_and_of_mixed_samples_are_the_published_ones(k: int, clean: float, with_image: float) -> None:
    draw = a_draw(PixMixConfig(max_rounds=k), 100_000)
    used = np.arange(k) < draw.rounds[:, None]
    assert ((draw.rounds == 0) & (draw.start == PLAIN)).mean() == pytest.approx(clean, abs=4e-3)
    assert (used & (draw.partner == MIXING_IMAGE)).any(axis=1).mean() == pytest.approx(with_image, abs=6e-3)


def test_every_choice_is_even() -> None:
    draw = a_draw(PixMixConfig(), 40_000)
    started = draw.start[draw.start != PLAIN]
    partners = draw.partner[draw.partner != MIXING_IMAGE]
    assert len(started) / 40_000 == pytest.approx(0.5, abs=0.01)
    assert partners.size / draw.partner.size == pytest.approx(0.5, abs=0.005)
    assert draw.mixing.mean() == pytest.approx(0.5, abs=0.005)
    assert (draw.b < 0).mean() == pytest.approx(0.5, abs=0.005)
    for chosen, number in (
        (started, 13),
        (partners.ravel(), 13),
        (draw.mixing_index, 40),
        (draw.top, 5),
        (draw.left, 5),
    ):
        assert stats.chisquare(np.bincount(chosen, minlength=number)).pvalue > 1e-4
        assert chosen.max() == number - 1
    assert np.sign(draw.argument[draw.partner == 5]).mean() == pytest.approx(0.0, abs=0.03)


def test_the_basic_set_draws_nine_operations() -> None:
    draw = a_draw(PixMixConfig(operations="basic"), 5000)
    assert set(draw.start[draw.start != PLAIN]) == set(BASIC)


def test_mix_input_and_mix_aug_fix_the_partner() -> None:
    assert (a_draw(PixMixConfig(), 100, partner="augmented").partner != MIXING_IMAGE).all()
    assert (a_draw(PixMixConfig(), 100, partner="image").partner == MIXING_IMAGE).all()


def test_whole_outputs_are_distributed_as_in_the_published_pipeline() -> None:
    count, size = 3000, 16
    images, mixing_images = smooth_images(count, size, 3, seed=6), smooth_images(60, 18, 3, seed=7)
    config = PixMixConfig()
    keys = SampleKeys(5, 0, np.arange(count))
    draw = draw_pixmix(config, keys, image_shape=(size, size), mixing_shape=mixing_images.shape[:3])  # type: ignore[arg-type]
    ours = apply_pixmix(images, mixing_images, draw)
    source, plain = np.random.default_rng(8), PlainPixMix(size)
    theirs = np.array([published_sample(plain, source, pixels, mixing_images) for pixels in images])
    for moment in (np.mean, np.std, np.max, np.min):
        mine = moment(ours.reshape(count, -1), axis=1)
        published = moment(theirs.reshape(count, -1), axis=1)
        assert stats.ks_2samp(mine, published).pvalue > 1e-3, moment.__name__
    distance = [np.abs(side - images / 255.0).mean(axis=(1, 2, 3)).round(5) for side in (ours, theirs)]
    assert stats.ks_2samp(*distance).pvalue > 1e-3
    assert np.mean(distance[0] == 0) == pytest.approx(np.mean(distance[1] == 0), abs=0.03)


def _treatment(config: PixMixConfig | None = None) -> PixMix:
    context = TreatmentContext(
        image_size=32,
        num_channels=3,
        num_classes=10,
        mean=(0.5, 0.5, 0.5),
        mixing_set=smooth_images(20, 36, 3, seed=9),
    )
    return PixMix(config or PixMixConfig(), context)


def test_a_sample_is_the_same_in_any_batch_order_and_thread() -> None:
    images = smooth_images(64, 32, 3, seed=10)
    treatment = _treatment()
    whole = treatment.sample(images, SampleKeys(1, 2, np.arange(64)))

    def part(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return treatment.sample(images[rows], SampleKeys(1, 2, rows))

    shuffled = np.random.default_rng(0).permutation(64)
    with ThreadPoolExecutor(4) as pool:
        for size in (1, 7, 64):
            pieces = [shuffled[first : first + size] for first in range(0, 64, size)]
            assert np.array_equal(np.concatenate(list(pool.map(part, pieces))), whole[shuffled])


def test_rounding_moves_no_value_by_more_than_half_a_level_and_no_mean() -> None:
    images, keys = smooth_images(400, 32, 3, seed=14), SampleKeys(3, 1, np.arange(400))
    floats = _treatment().sample(images, keys)
    levels = _treatment(PixMixConfig(rounding="uint8")).sample(images, keys)
    assert (floats.dtype, levels.dtype) == (np.float32, np.uint8)
    assert levels.nbytes * 4 == floats.nbytes
    moved = levels / np.float64(255) - floats
    assert np.abs(moved).max() <= 0.5 / 255 + 1e-7
    # As if the rest of each value were even in half a level to both sides, and zero where an image was left as it is.
    is_mixed = np.abs(floats * np.float64(255) - np.rint(floats * np.float64(255))).max(axis=(1, 2, 3)) > 1e-3
    assert moved[~is_mixed] == pytest.approx(0, abs=1e-7)
    assert abs(moved[is_mixed].mean()) < 1e-5
    inside = (floats > 0) & (floats < 1) & is_mixed[:, None, None, None]
    assert moved[inside].std() == pytest.approx(1 / 255 / np.sqrt(12), rel=0.03)


def test_an_image_without_rounds_is_the_same_bytes_after_rounding() -> None:
    images = smooth_images(8, 32, 3, seed=15)
    treatment = _treatment(PixMixConfig(max_rounds=0, augment_start=False, rounding="uint8"))
    assert np.array_equal(treatment.sample(images, SampleKeys(0, 0, np.arange(8))), images)


def test_halves_round_up_and_every_byte_comes_back() -> None:
    levels = np.arange(256, dtype=np.float32)
    assert rounded(levels / np.float32(255)).tolist() == list(range(256))
    assert rounded((np.array([0.0, 0.49, 0.5, 1.5, 253.51], dtype=np.float32)) / np.float32(255)).tolist() == [
        0,
        0,
        1,
        2,
        254,
    ]


def test_another_epoch_or_seed_mixes_differently() -> None:
    images, treatment = smooth_images(8, 32, 3, seed=11), _treatment()
    first = treatment.sample(images, SampleKeys(1, 0, np.arange(8)))
    assert not np.array_equal(first, treatment.sample(images, SampleKeys(1, 1, np.arange(8))))
    assert not np.array_equal(first, treatment.sample(images, SampleKeys(2, 0, np.arange(8))))


def test_a_read_only_mixing_set_serves(tmp_path: object) -> None:
    path = f"{tmp_path}/set.npy"
    np.save(path, smooth_images(5, 36, 3, seed=12))
    mapped = np.load(path, mmap_mode="r")
    draw = a_draw(PixMixConfig(), 8, mixing_images=5)
    images = smooth_images(8, 32, 3, seed=13)
    assert np.array_equal(apply_pixmix(images, mapped, draw), apply_pixmix(images, np.array(mapped), draw))


def test_a_missing_or_unfit_mixing_set_is_refused_with_its_fix() -> None:
    context = TreatmentContext(image_size=32, num_channels=3, num_classes=10, mean=(0.5,) * 3)
    with pytest.raises(AugmentError, match="needs a mixing set, but got none; name one"):
        PixMix(PixMixConfig(), context)
    small = dataclasses.replace(context, mixing_set=np.zeros((3, 16, 16, 3), dtype=np.uint8))
    with pytest.raises(AugmentError, match=r"at least as large as the images \(32 px\), but got \(16, 16\)"):
        PixMix(PixMixConfig(), small)
    grey = dataclasses.replace(context, mixing_set=np.zeros((3, 36, 36, 1), dtype=np.uint8))
    with pytest.raises(AugmentError, match="build the set with num_channels=3"):
        PixMix(PixMixConfig(), grey)


def test_images_larger_than_the_mixing_set_are_refused() -> None:
    with pytest.raises(AugmentError, match=r"at least as large as the images \(40, 40\), but got \(36, 36\)"):
        _treatment().sample(np.zeros((4, 40, 40, 3), dtype=np.uint8), SampleKeys(0, 0, np.arange(4)))


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("max_rounds", -1, "max_rounds must be between 0 and 16, but got -1"),
        ("beta", 0.0, "beta must be above 0, but got 0.0"),
        ("severity", 11.0, "severity must be between 0.1 and 10, but got 11.0"),
        ("rounding", "half", "rounding must be none or uint8, but got 'half'"),
        ("operations", "some", r"operations must be 'all' \(13\) or 'basic' \(9\), but got 'some'"),
    ],
)
def test_a_hyper_parameter_out_of_range_is_refused(field: str, value: object, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        PixMixConfig(**{field: value})  # type: ignore[arg-type]

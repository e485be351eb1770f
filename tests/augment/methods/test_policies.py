"""AutoAugment, RandAugment and TrivialAugment: programs in Pillow's terms, magnitudes and frequencies as published."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from augment.kernels.counters import SampleKeys, uniforms
from augment.kernels.operations import Operation
from augment.methods.policies.autoaugment import POLICIES, AutoAugment, AutoAugmentConfig, autoaugment_magnitudes
from augment.methods.policies.kernel import AFFINE_BICUBIC, AFFINE_NEAREST, SKIP, run_programs
from augment.methods.policies.programs import RANDOM_SPACE, Programs, rotation, step_for
from augment.methods.policies.randaugment import RandAugment, RandAugmentConfig, randaugment_magnitudes
from augment.methods.policies.trivialaugment import TrivialAugment, TrivialAugmentConfig, trivialaugment_magnitudes
from augment.treatment import TreatmentContext

CONTEXT = TreatmentContext(image_size=32, num_channels=3, num_classes=10, mean=(0.5,) * 3)


def noise(height: int, width: int, channels: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a noise image, (height, width, channels) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return a Pillow image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def run_one(pixels: NDArray[np.uint8], code: int, operands: tuple[float, ...], fill: int) -> NDArray[np.uint8]:
    """Run a program of one step on one image."""
    return run_programs(pixels[None], np.array([[code]]), np.array([[operands]]), fill=fill)[0]


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    matrix=st.tuples(*[st.floats(-1.5, 1.5)] * 6),
    shift=st.floats(-20, 20),
    fill=st.sampled_from([0, 128]),
    bicubic=st.booleans(),
)
def test_an_affine_map_equals_pillow(
    height: int, width: int, channels: int, matrix: tuple[float, ...], shift: float, fill: int, bicubic: bool
) -> None:
    pixels = noise(height, width, channels)
    colour = fill if channels == 1 else (fill,) * 3
    resample = Image.Resampling.BICUBIC if bicubic else Image.Resampling.NEAREST
    for coefficients in (matrix, (1.0, 0.0, shift, 0.0, 1.0, matrix[0]), (1.0, matrix[1], 0.0, 0.0, 1.0, 0.0)):
        wanted = as_image(pixels).transform(
            (width, height), Image.Transform.AFFINE, coefficients, resample=resample, fillcolor=colour
        )
        ours = run_one(pixels, AFFINE_BICUBIC if bicubic else AFFINE_NEAREST, coefficients, fill)
        assert np.array_equal(ours, np.asarray(wanted).reshape(pixels.shape))


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), degrees=st.floats(-180, 180))
def test_a_rotation_equals_pillow_with_its_fill(height: int, width: int, degrees: float) -> None:
    pixels = noise(height, width, 3)
    wanted = np.asarray(as_image(pixels).rotate(degrees, fillcolor=(128, 128, 128)))
    assert np.array_equal(run_one(pixels, *rotation(degrees, height, width), fill=128), wanted)


@pytest.mark.parametrize("degrees", [0.0, 90.0, -90.0, 180.0, 270.0])
@pytest.mark.parametrize("size", [(9, 9), (9, 14)])
def test_a_right_angle_equals_pillow(degrees: float, size: tuple[int, int]) -> None:
    pixels = noise(*size, 3)
    wanted = np.asarray(as_image(pixels).rotate(degrees, fillcolor=(0, 0, 0)))
    assert np.array_equal(run_one(pixels, *rotation(degrees, *size), fill=0), wanted)


def published_step(image: Image.Image, name: str, magnitude: float) -> Image.Image:
    """Return AutoAugment's step in Pillow's calls, with the sign already in the magnitude."""
    grey = (128,) * len(image.getbands()) if len(image.getbands()) > 1 else 128
    bicubic, affine = Image.Resampling.BICUBIC, Image.Transform.AFFINE
    if name in ("color", "contrast", "sharpness", "brightness"):
        return getattr(ImageEnhance, name.capitalize())(image).enhance(1 + magnitude)
    if name == "posterize":
        return ImageOps.posterize(image, int(magnitude))
    if name == "solarize":
        return ImageOps.solarize(image, magnitude)  # type: ignore[arg-type]
    if name in ("autocontrast", "equalize", "invert"):
        return getattr(ImageOps, name)(image)
    if name == "rotate":
        turned = image.convert("RGBA").rotate(magnitude)
        return Image.composite(turned, Image.new("RGBA", turned.size, (128,) * 4), turned).convert(image.mode)
    if name.startswith("shear"):
        matrix = (1, magnitude, 0, 0, 1, 0) if name.endswith("x") else (1, 0, 0, magnitude, 1, 0)
        return image.transform(image.size, affine, matrix, bicubic, fillcolor=grey)
    matrix = (1, 0, magnitude, 0, 1, 0) if name.endswith("x") else (1, 0, 0, 0, 1, magnitude)
    return image.transform(image.size, affine, matrix, fillcolor=grey)


@pytest.mark.parametrize("policy", ["cifar10", "imagenet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_autoaugment_equals_the_published_steps(policy: str, channels: int) -> None:
    """Replays every sample's sub-policy, probabilities and signs with Pillow."""
    config = AutoAugmentConfig(policy=policy)  # type: ignore[arg-type]
    count, size = 300, 32
    images = np.stack([noise(size, size, channels, seed) for seed in range(count)])
    images[::2] = images[::2] // 2 + np.arange(size, dtype=np.uint8)[:, None]
    keys = SampleKeys(3, 1, np.arange(count))
    programs = AutoAugment(config, CONTEXT).draw(keys, height=size, width=size)
    ours = run_programs(images, programs.codes, programs.operands, fill=128)
    table, space = POLICIES[policy], autoaugment_magnitudes(size, size)
    draws = uniforms(keys, 5, stream="autoaugment")
    for pixels, result, draw in zip(images, ours, draws, strict=True):
        image = as_image(pixels)
        for step, (name, probability, index) in enumerate(table[int(draw[0] * 25)]):
            if draw[1 + 2 * step] < probability:
                values = space.get(name)
                magnitude = 0.0 if values is None else float(values[index])
                is_signed = name not in ("posterize", "solarize")
                image = published_step(image, name, -magnitude if is_signed and draw[2 + 2 * step] < 0.5 else magnitude)
        assert np.array_equal(result, np.asarray(image).reshape(result.shape))


def test_the_policies_have_25_sub_policies_of_known_steps() -> None:
    names = {operation.name.lower() for operation in Operation}
    for table in POLICIES.values():
        assert len(table) == 25
        for name, probability, index in (step for policy in table for step in policy):
            assert name in names
            assert 0.0 <= probability <= 1.0
            assert 0 <= index <= 9


def test_policy_tables_agree_with_torchvision() -> None:
    """torchvision keeps the same tables under its own names, with no index for operations without a magnitude."""
    autoaugment = pytest.importorskip("torchvision.transforms.autoaugment")
    method = autoaugment.AutoAugment()
    for policy, table in (
        (autoaugment.AutoAugmentPolicy.CIFAR10, POLICIES["cifar10"]),
        (autoaugment.AutoAugmentPolicy.IMAGENET, POLICIES["imagenet"]),
    ):
        theirs = [[step[:2] for step in pair] for pair in method._get_policies(policy)]
        ours = [[(name.replace("_", ""), chance) for name, chance, _ in pair] for pair in table]
        assert [[(name.lower(), chance) for name, chance in pair] for pair in theirs] == ours


def test_magnitudes_agree_with_torchvision() -> None:
    autoaugment = pytest.importorskip("torchvision.transforms.autoaugment")
    spaces = {
        "RandAugment": (
            randaugment_magnitudes(32, 32, 31),
            autoaugment.RandAugment()._augmentation_space(31, (32, 32)),
        ),
        "TrivialAugment": (trivialaugment_magnitudes(31), autoaugment.TrivialAugmentWide()._augmentation_space(31)),
    }
    for title, (ours, theirs) in spaces.items():
        assert [name.replace("_", "") for name in RANDOM_SPACE] == [name.lower() for name in theirs], title
        for name, (values, _) in theirs.items():
            own = {key.replace("_", ""): value for key, value in ours.items()}.get(name.lower())
            if values.ndim:
                wanted = np.trunc(values.numpy() + 1e-4) if name.startswith("Translate") else values.numpy()
                assert own == pytest.approx(wanted, abs=1e-5), (title, name)


def _codes(programs: Programs) -> Counter[int]:
    return Counter(programs.codes.ravel().tolist())


def test_randaugment_draws_fourteen_operations_evenly_at_one_magnitude() -> None:
    keys = SampleKeys(0, 0, np.arange(7000))
    programs = RandAugment(RandAugmentConfig(), CONTEXT).draw(keys, height=32, width=32)
    assert programs.codes.shape == (7000, 2)
    counts = _codes(programs)
    assert counts[SKIP] == pytest.approx(1000, rel=0.15)
    assert counts[AFFINE_NEAREST] == pytest.approx(5000, rel=0.08)
    factors = set(programs.operands[programs.codes == Operation.BRIGHTNESS][:, 0].round(6))
    assert factors == {0.73, 1.27}


def test_trivialaugment_draws_any_magnitude() -> None:
    keys = SampleKeys(0, 0, np.arange(20_000))
    programs = TrivialAugment(TrivialAugmentConfig(), CONTEXT).draw(keys, height=32, width=32)
    factors = programs.operands[programs.codes == Operation.SHARPNESS][:, 0]
    assert len(set(factors.round(6))) == 61
    assert (factors.min(), factors.max()) == (pytest.approx(0.01), pytest.approx(1.99))


def test_a_step_of_solarisation_takes_the_next_whole_threshold() -> None:
    assert step_for("solarize", 140.25, False, 8, 8)[1][0] == 141


def test_running_leaves_the_input_alone_and_takes_an_empty_batch() -> None:
    pixels = noise(8, 8, 3)[None]
    before = pixels.copy()
    run_programs(pixels, np.array([[int(Operation.INVERT)]]), np.zeros((1, 1, 6)), fill=0)
    assert np.array_equal(pixels, before)
    empty = run_programs(pixels[:0], np.zeros((0, 1), dtype=np.int64), np.zeros((0, 1, 6)), fill=0)
    assert empty.shape == (0, 8, 8, 3)

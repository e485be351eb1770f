"""AutoAugment, RandAugment and TrivialAugment: draws of programs that `augment.methods.policies.kernel` runs.

    AutoAugment     Cubuk et al., CVPR 2019; as in DeepVoltaire/AutoAugment: one of 25 sub-policies of two steps, each with its
                    probability; magnitudes on ten linear steps; shears bicubic, rotations and translations nearest, fill 128
    RandAugment     Cubuk et al., NeurIPS 2020; as in torchvision: N of 14 operations at one magnitude of 31, nearest, fill 0
    TrivialAugment  Müller and Hutter, ICCV 2021; as in torchvision (the wide space): one of 14 operations, any magnitude of 31

A magnitude of an enhancement is the distance of its factor from 1, in either direction.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from augment.kernels.counters import uniforms
from augment.kernels.operations import Operation
from augment.kernels.warm import warm
from augment.methods.policies import tables as policy_tables
from augment.methods.policies.kernel import AFFINE_BICUBIC, AFFINE_NEAREST, SKIP, run_programs
from augment.methods.rival_configs import AutoAugmentConfig, RandAugmentConfig, TrivialAugmentConfig
from augment.treatment import Treatment, TreatmentContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augment.kernels.counters import SampleKeys

KERNELS: Final = ("augment.kernels.counters", "augment.methods.policies.kernel")
RANDOM_SPACE: Final = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color", "contrast",
    "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
"""The 14 operations of RandAugment and TrivialAugment, in torchvision's order."""
_POLICIES: Final = {"cifar10": policy_tables.CIFAR10, "imagenet": policy_tables.IMAGENET}
_SLOTS_PER_STEP: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """One program per image: codes (N, S) int64 and operands (N, S, 6) float64, as `run_programs` takes them."""

    codes: NDArray[np.int64]
    operands: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Magnitudes of every operation: for each name, the value at each magnitude index.

    Attributes:
        steps: Name -> values; angles in degrees, shifts in pixels, shears in pixels per pixel, bits, thresholds, and distances
            of enhancement factors from 1.
        bicubic_shears: Whether shears blend by cubics instead of taking the nearest pixel.
    """

    steps: Mapping[str, NDArray[np.float64]]
    bicubic_shears: bool = False


SIGNED: Final = frozenset(
    {"shear_x", "shear_y", "translate_x", "translate_y", "rotate", "color", "contrast", "brightness", "sharpness"}
)


@functools.cache
def autoaugment_space(height: int, width: int) -> Space:
    """Return AutoAugment's ten magnitudes for images of one size."""
    enhancement, shear = np.linspace(0.0, 0.9, 10), np.linspace(0.0, 0.3, 10)
    shift = np.linspace(0.0, 150 / 331, 10)
    return Space(
        bicubic_shears=True,
        steps={
            "shear_x": shear, "shear_y": shear, "translate_x": shift * width, "translate_y": shift * height,
            "rotate": np.linspace(0.0, 30.0, 10), "posterize": np.round(np.linspace(8.0, 4.0, 10)),
            "solarize": np.linspace(256.0, 0.0, 10), "color": enhancement, "contrast": enhancement,
            "sharpness": enhancement, "brightness": enhancement,
        },
    )  # fmt: skip


@functools.cache
def randaugment_space(height: int, width: int, bins: int) -> Space:
    """Return RandAugment's magnitudes for images of one size."""
    enhancement, shear = np.linspace(0.0, 0.9, bins), np.linspace(0.0, 0.3, bins)
    return Space(
        steps={
            "shear_x": shear, "shear_y": shear,
            "translate_x": np.trunc(np.linspace(0.0, 150.0 / 331.0 * width, bins)),
            "translate_y": np.trunc(np.linspace(0.0, 150.0 / 331.0 * height, bins)),
            "rotate": np.linspace(0.0, 30.0, bins), "posterize": 8 - np.round(np.arange(bins) / ((bins - 1) / 4)),
            "solarize": np.linspace(255.0, 0.0, bins), "color": enhancement, "contrast": enhancement,
            "sharpness": enhancement, "brightness": enhancement,
        },
    )  # fmt: skip


@functools.cache
def trivialaugment_space(bins: int) -> Space:
    """Return TrivialAugment's wide magnitudes; shifts are in pixels, whatever the size."""
    enhancement, shear = np.linspace(0.0, 0.99, bins), np.linspace(0.0, 0.99, bins)
    shift = np.trunc(np.linspace(0.0, 32.0, bins))
    return Space(
        steps={
            "shear_x": shear, "shear_y": shear, "translate_x": shift, "translate_y": shift,
            "rotate": np.linspace(0.0, 135.0, bins), "posterize": 8 - np.round(np.arange(bins) / ((bins - 1) / 6)),
            "solarize": np.linspace(255.0, 0.0, bins), "color": enhancement, "contrast": enhancement,
            "sharpness": enhancement, "brightness": enhancement,
        },
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def step_for(
    name: str, magnitude: float, bicubic_shears: bool, height: int, width: int
) -> tuple[int, tuple[float, ...]]:
    """Return code and six operands of one step.

    Args:
        name: Operation, or "identity".
        magnitude: Signed magnitude in the unit of its operation.
        bicubic_shears: Whether shears blend by cubics.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """
    if name == "identity":
        return SKIP, (0.0,) * 6
    shear = AFFINE_BICUBIC if bicubic_shears else AFFINE_NEAREST
    maps: dict[str, Callable[[], tuple[int, tuple[float, ...]]]] = {
        "shear_x": lambda: (shear, (1.0, magnitude, 0.0, 0.0, 1.0, 0.0)),
        "shear_y": lambda: (shear, (1.0, 0.0, 0.0, magnitude, 1.0, 0.0)),
        "translate_x": lambda: (AFFINE_NEAREST, (1.0, 0.0, magnitude, 0.0, 1.0, 0.0)),
        "translate_y": lambda: (AFFINE_NEAREST, (1.0, 0.0, 0.0, 0.0, 1.0, magnitude)),
        "rotate": lambda: rotation(magnitude, height, width),
    }
    if name in maps:
        return maps[name]()
    operation = Operation[name.upper()]
    if Operation.COLOR <= operation <= Operation.SHARPNESS:
        magnitude = 1.0 + magnitude
    elif operation == Operation.SOLARIZE:
        magnitude = math.ceil(magnitude)
    return int(operation), (magnitude, 0.0, 0.0, 0.0, 0.0, 0.0)


def rotation(degrees: float, height: int, width: int) -> tuple[int, tuple[float, ...]]:
    """Return code and operands of a counter-clockwise rotation about the centre, with Pillow's rounding and short cuts."""
    turn = degrees % 360.0
    if turn in (0.0, 180.0) or (turn in (90.0, 270.0) and height == width):
        return int(Operation.ROTATE), (turn, 0.0, 0.0, 0.0, 0.0, 0.0)
    angle = -math.radians(turn)
    cosine, sine, minus = round(math.cos(angle), 15), round(math.sin(angle), 15), round(-math.sin(angle), 15)
    middle_x, middle_y = width / 2, height / 2
    offset_x = (cosine * -middle_x + sine * -middle_y + 0.0) + middle_x
    offset_y = (minus * -middle_x + cosine * -middle_y + 0.0) + middle_y
    return AFFINE_NEAREST, (cosine, sine, offset_x, minus, cosine, offset_y)


class _Programmer:
    """Fills the programs of a batch, step by step."""

    def __init__(self, count: int, num_steps: int, height: int, width: int) -> None:
        self._codes = np.full((count, num_steps), SKIP, dtype=np.int64)
        self._operands = np.zeros((count, num_steps, 6))
        self._size = height, width

    def put(self, row: int, step: int, name: str, space: Space, index: int, negative: bool) -> None:
        """Write one step of one image."""
        values = space.steps.get(name)
        magnitude = 0.0 if values is None else float(values[index])
        if negative and name in SIGNED:
            magnitude = -magnitude
        self._codes[row, step], self._operands[row, step] = step_for(name, magnitude, space.bicubic_shears, *self._size)

    def done(self) -> Programs:
        """Return the programs."""
        return Programs(codes=self._codes, operands=self._operands)


def draw_autoaugment(config: AutoAugmentConfig, keys: SampleKeys, *, height: int, width: int) -> Programs:
    """Draw a sub-policy for each sample, whether each of its steps runs, and signs."""
    policy, space = _POLICIES[config.policy], autoaugment_space(height, width)
    draws = uniforms(keys, 1 + 2 * 2, stream="autoaugment").tolist()
    programmer = _Programmer(len(keys), 2, height, width)
    for row, (which, *rest) in enumerate(draws):
        for step, (name, probability, index) in enumerate(policy[int(which * len(policy))]):
            if rest[2 * step] < probability:
                programmer.put(row, step, name, space, index, rest[2 * step + 1] < 0.5)
    return programmer.done()


def draw_randaugment(config: RandAugmentConfig, keys: SampleKeys, *, height: int, width: int) -> Programs:
    """Draw the operations of each sample and their signs."""
    space = randaugment_space(height, width, config.num_bins)
    draws = uniforms(keys, 2 * config.num_operations, stream="randaugment").tolist()
    programmer = _Programmer(len(keys), config.num_operations, height, width)
    for row, values in enumerate(draws):
        for step in range(config.num_operations):
            name = RANDOM_SPACE[int(values[2 * step] * len(RANDOM_SPACE))]
            programmer.put(row, step, name, space, config.magnitude, values[2 * step + 1] < 0.5)
    return programmer.done()


def draw_trivialaugment(config: TrivialAugmentConfig, keys: SampleKeys, *, height: int, width: int) -> Programs:
    """Draw the one operation of each sample, its magnitude and its sign."""
    space = trivialaugment_space(config.num_bins)
    draws = uniforms(keys, _SLOTS_PER_STEP, stream="trivialaugment").tolist()
    programmer = _Programmer(len(keys), 1, height, width)
    for row, (which, magnitude, sign) in enumerate(draws):
        name = RANDOM_SPACE[int(which * len(RANDOM_SPACE))]
        programmer.put(row, 0, name, space, int(magnitude * config.num_bins), sign < 0.5)
    return programmer.done()


class _Policy(Treatment):
    """A treatment that runs drawn programs."""

    def __init__(self, draw: Callable[..., Programs], fill: int) -> None:
        self._draw = draw
        self._fill = fill
        warm(KERNELS)

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.uint8]:
        """Change images: (N, H, W, C) uint8 -> (N, H, W, C) uint8."""
        programs = self._draw(keys=keys, height=images.shape[1], width=images.shape[2])
        return run_programs(images, programs.codes, programs.operands, fill=self._fill)


class AutoAugment(_Policy):
    """AutoAugment as a sample stage."""

    def __init__(self, config: AutoAugmentConfig, context: TreatmentContext) -> None:
        super().__init__(functools.partial(draw_autoaugment, config), config.fill)


class RandAugment(_Policy):
    """RandAugment as a sample stage."""

    def __init__(self, config: RandAugmentConfig, context: TreatmentContext) -> None:
        super().__init__(functools.partial(draw_randaugment, config), config.fill)


class TrivialAugment(_Policy):
    """TrivialAugment as a sample stage."""

    def __init__(self, config: TrivialAugmentConfig, context: TreatmentContext) -> None:
        super().__init__(functools.partial(draw_trivialaugment, config), config.fill)

"""What the learned and random policies share: magnitudes of operations, and drawn steps as programs that the kernel runs.

A magnitude of an enhancement is the distance of its factor from 1, in either direction.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys
from augment.kernels.operations import Operation
from augment.methods.policies.kernel import AFFINE_BICUBIC, AFFINE_NEAREST, SKIP, run_programs
from augment.treatment import Treatment

ENHANCEMENTS: Final = ("color", "contrast", "brightness", "sharpness")
SIGNED: Final = frozenset({"shear_x", "shear_y", "translate_x", "translate_y", "rotate", *ENHANCEMENTS})
RANDOM_SPACE: Final = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color", "contrast",
    "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
"""The 14 operations of RandAugment and TrivialAugment, in torchvision's order."""

Magnitudes = Mapping[str, NDArray[np.float64]]
"""Operation -> its value at each magnitude index; operations without a magnitude have no entry."""
Operands = tuple[float, ...]
Placed = tuple[int, int, str, float]
"""Row and number of a step, its operation, and its signed magnitude."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """One program per image: codes (N, S) int64 and operands (N, S, 6) float64, as `run_programs` takes them."""

    codes: NDArray[np.int64]
    operands: NDArray[np.float64]


def magnitudes(
    *,
    shear: NDArray[np.float64],
    shift: tuple[NDArray[np.float64], NDArray[np.float64]],
    rotate: NDArray[np.float64],
    posterize: NDArray[np.float64],
    solarize: NDArray[np.float64],
    enhancement: NDArray[np.float64],
) -> Magnitudes:
    """Return the magnitudes of all operations.

    Args:
        shear: Pixels per pixel.
        shift: Pixels along the width, and along the height.
        rotate: Degrees.
        posterize: Bits kept.
        solarize: Thresholds.
        enhancement: Distances of blend factors from 1.
    """
    return {
        "shear_x": shear, "shear_y": shear, "translate_x": shift[0], "translate_y": shift[1], "rotate": rotate,
        "posterize": posterize, "solarize": solarize, **dict.fromkeys(ENHANCEMENTS, enhancement),
    }  # fmt: skip


def signed_magnitude(values: Magnitudes, name: str, index: int, draw: float) -> float:
    """Return an operation's magnitude, 0 where it has none; a draw below 0.5 turns the sign of those that have one."""
    magnitude = float(values[name][index]) if name in values else 0.0
    return -magnitude if draw < 0.5 and name in SIGNED else magnitude


def programs_of(
    steps: Iterable[Placed], *, shape: tuple[int, int], height: int, width: int, bicubic_shears: bool = False
) -> Programs:
    """Return drawn steps as programs; a place that no step takes does nothing.

    Args:
        steps: The steps.
        shape: Images N and steps S of each.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        bicubic_shears: Whether shears blend by cubics instead of taking the nearest pixel.
    """
    codes, operands = np.full(shape, SKIP, dtype=np.int64), np.zeros((*shape, 6))
    for row, step, name, magnitude in steps:
        codes[row, step], operands[row, step] = step_for(name, magnitude, bicubic_shears, height, width)
    return Programs(codes=codes, operands=operands)


@functools.lru_cache(maxsize=4096)
def step_for(name: str, magnitude: float, bicubic_shears: bool, height: int, width: int) -> tuple[int, Operands]:
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
    maps: dict[str, Callable[[], tuple[int, Operands]]] = {
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


def rotation(degrees: float, height: int, width: int) -> tuple[int, Operands]:
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


class Policy(Treatment):
    """A sample stage that runs drawn programs.

    Args:
        fill: Value outside the image under affine maps, 0..255.
    """

    def __init__(self, fill: int) -> None:
        self._fill = fill

    @abstractmethod
    def draw(self, keys: SampleKeys, *, height: int, width: int) -> Programs:
        """Draw the program of each sample."""

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.uint8]:
        """Change images: (N, H, W, C) uint8 -> (N, H, W, C) uint8."""
        programs = self.draw(keys, height=images.shape[1], width=images.shape[2])
        return run_programs(images, programs.codes, programs.operands, fill=self._fill)

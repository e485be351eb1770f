"""The base operations of PixMix, AugMix and the learned policies: names, magnitudes, and one kernel that applies any of them.

Every operation equals the Pillow operation of the same name bit for bit on uint8 images, grey and colour, for any size.
Operation by operation (published magnitudes: andyzoujm/pixmix, the same as google-research/augmix, at a level L drawn
uniformly from [0.1, severity]; signs are drawn evenly):

    autocontrast, equalize     no magnitude
    posterize                  keep 4 - int(0.4 L) bits
    rotate                     int(3 L) degrees
    solarize                   invert from 256 - int(25.6 L)
    shear_x, shear_y           0.03 L pixels per pixel about the top left corner
    translate_x, translate_y   int(L * side / 30) pixels
    color, contrast,           blend factor 0.1 + 0.18 L: a lower severity changes more
    brightness, sharpness

The kernels are in `augment.kernels.tone` and `augment.kernels.affine`.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from augment.kernels import affine, tone
from augment.kernels.compiled import kernel, read_only


class Operation(IntEnum):
    """Base operations; the order of the first 13 is the published one."""

    AUTOCONTRAST = 0
    EQUALIZE = 1
    POSTERIZE = 2
    ROTATE = 3
    SOLARIZE = 4
    SHEAR_X = 5
    SHEAR_Y = 6
    TRANSLATE_X = 7
    TRANSLATE_Y = 8
    COLOR = 9
    CONTRAST = 10
    BRIGHTNESS = 11
    SHARPNESS = 12
    INVERT = 13


BASIC: Final = tuple(Operation(value) for value in range(9))
"""The 9 operations that overlap no corruption of the ImageNet-C benchmark."""
ALL: Final = tuple(Operation(value) for value in range(13))
"""The 13 operations that the published PixMix results use."""

OperationSet = Literal["all", "basic"]
LOWEST_LEVEL: Final = 0.1
"""Levels are drawn uniformly from here to the severity."""

# Numba takes plain numbers for constants, not members of an enumeration
_AUTOCONTRAST, _EQUALIZE, _POSTERIZE, _ROTATE, _SOLARIZE, _SHEAR_X, _SHEAR_Y = range(7)
_TRANSLATE_X, _TRANSLATE_Y, _COLOR, _CONTRAST, _BRIGHTNESS, _SHARPNESS, _INVERT = range(7, 14)


def check_operations(operations: str, severity: float) -> None:
    """Raise ValueError unless a set of operations exists and a severity is in [0.1, 10]."""
    if operations not in ("all", "basic"):
        raise ValueError(f"operations must be 'all' (13) or 'basic' (9), but got {operations!r}")
    if not LOWEST_LEVEL <= severity <= 10.0:
        raise ValueError(f"severity must be between 0.1 and 10, but got {severity!r}")


def below(uniform: NDArray[np.float64], high: int) -> NDArray[np.int64]:
    """Return whole numbers in [0, high) from uniforms, 0 where there is nothing to choose from."""
    return np.minimum((uniform * high).astype(np.int64), max(high - 1, 0))


def draw_operations(
    operations: OperationSet,
    severity: float,
    which: NDArray[np.float64],
    level: NDArray[np.float64],
    sign: NDArray[np.float64],
    image_shape: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return operations and their arguments for uniform draws, each of the shape of the draws.

    Args:
        operations: Set to draw from.
        severity: Largest level.
        which: Draws of the operation, in [0, 1).
        level: Draws of the level.
        sign: Draws of the sign.
        image_shape: Height and width of the images in pixels.
    """
    codes = below(which, len(ALL if operations == "all" else BASIC))
    levels = LOWEST_LEVEL + (severity - LOWEST_LEVEL) * level
    return codes, arguments(codes, levels, np.where(sign > 0.5, -1.0, 1.0), *image_shape)


def arguments(
    operations: NDArray[np.int64], levels: NDArray[np.float64], signs: NDArray[np.float64], height: int, width: int
) -> NDArray[np.float64]:
    """Return the argument of each operation for its level, as `apply_operation` wants it.

    Args:
        operations: Values of `Operation`, any shape; negative ones (no operation) get 0.
        levels: Levels L in (0, 10], same shape.
        signs: +1 or -1, same shape; used by rotations, shears and translations.
        height: Height of the images in pixels.
        width: Width of the images in pixels.

    Returns:
        Bits, degrees, threshold, pixels per pixel, pixels, or blend factor: float64, same shape.
    """
    result = np.empty(np.shape(levels), dtype=np.float64)
    _arguments(
        np.ascontiguousarray(operations).reshape(-1),
        np.ascontiguousarray(levels).reshape(-1),
        np.ascontiguousarray(signs).reshape(-1),
        height,
        width,
        result.reshape(-1),
    )
    return result


@kernel()
def _arguments(operations, levels, signs, height, width, result):  # type: ignore[no-untyped-def]
    """Write what `arguments` returns, flat: (N,) int64 operations, (N,) float64 levels, signs and result; sizes in pixels.

    Terms are in the order of the published code: 3 * level may truncate to another number than level * 30 / 10.
    """
    for index in range(operations.size):
        operation, level, sign = operations[index], levels[index], signs[index]
        if operation == _POSTERIZE:
            result[index] = 4 - np.trunc(level * 4 / 10)
        elif operation == _ROTATE:
            result[index] = sign * np.trunc(level * 30 / 10)
        elif operation == _SOLARIZE:
            result[index] = 256 - np.trunc(level * 256 / 10)
        elif operation in (_SHEAR_X, _SHEAR_Y):
            result[index] = sign * (level * 0.3 / 10)
        elif operation == _TRANSLATE_X:
            result[index] = sign * np.trunc(level * (width / 3) / 10)
        elif operation == _TRANSLATE_Y:
            result[index] = sign * np.trunc(level * (height / 3) / 10)
        elif _COLOR <= operation <= _SHARPNESS:
            result[index] = level * 1.8 / 10 + 0.1
        else:
            result[index] = 0.0


@kernel()
def apply_operation(  # type: ignore[no-untyped-def]
    operation, argument, source, target, height, width, channels, centres, padded
):
    """Apply one operation to one image.

    Args:
        operation: Value of `Operation`; a negative one copies.
        argument: As `arguments` returns it, float64.
        source: Flat image, (H * W * C,) uint8; `target` is written, of the same shape.
        height: In pixels, like width; channels are 1 or 3.
        centres: Scratch of `scratch`, like `padded`.
    """
    if operation == _AUTOCONTRAST:
        tone.autocontrast(source, target, channels)
    elif operation == _EQUALIZE:
        tone.equalize(source, target, channels)
    elif operation == _POSTERIZE:
        tone.posterize(source, target, np.int64(argument))
    elif operation == _ROTATE:
        affine.rotate(source, target, height, width, channels, np.int64(argument), padded)
    elif operation == _SOLARIZE:
        tone.solarize(source, target, np.int64(argument))
    elif operation == _SHEAR_X:
        affine.shear_x(source, target, height, width, channels, argument, centres)
    elif operation == _SHEAR_Y:
        affine.shear_y(source, target, height, width, channels, argument)
    elif operation == _TRANSLATE_X:
        affine.translate(source, target, height, width, channels, np.int64(argument), 0)
    elif operation == _TRANSLATE_Y:
        affine.translate(source, target, height, width, channels, 0, np.int64(argument))
    elif operation == _COLOR:
        tone.color(source, target, channels, np.float32(argument))
    elif operation == _CONTRAST:
        tone.contrast(source, target, channels, np.float32(argument))
    elif operation == _BRIGHTNESS:
        tone.brightness(source, target, np.float32(argument))
    elif operation == _SHARPNESS:
        tone.sharpness(source, target, height, width, channels, np.float32(argument))
    elif operation == _INVERT:
        tone.invert(source, target)
    else:
        target[:] = source


@kernel()
def scratch(height, width, channels):  # type: ignore[no-untyped-def]
    """Return the work arrays of `apply_operation` for images of one size: (W * C,) float64, ((H + 2) * (W + 2),) uint32."""
    centres = np.empty(width * channels, dtype=np.float64)
    for index in range(width * channels):
        centres[index] = index // channels + 0.5
    return centres, np.empty((height + 2) * (width + 2), dtype=np.uint32)


@kernel()
def _apply_to_batch(operations, operands, images, out):  # type: ignore[no-untyped-def]
    """Do `apply_operations` into `out`, (N, H, W, C) uint8."""
    count, height, width, channels = images.shape
    centres, padded = scratch(height, width, channels)
    for index in range(count):
        source, target = images[index].reshape(-1), out[index].reshape(-1)
        apply_operation(operations[index], operands[index], source, target, height, width, channels, centres, padded)


def apply_operations(
    images: NDArray[np.uint8], operations: NDArray[np.int64], operands: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Apply one operation to each image.

    Args:
        images: (N, H, W, C) uint8, C in (1, 3).
        operations: Values of `Operation`, (N,); negative ones copy.
        operands: Argument of each operation, (N,), as `arguments` returns it.

    Returns:
        New images, (N, H, W, C) uint8.
    """
    out = np.empty(images.shape, dtype=np.uint8)
    if images.size:
        _apply_to_batch(operations, operands, read_only(images), out)
    return out


def _warm_up() -> None:
    for channels in (1, 3):
        images = np.zeros((1, 4, 4, channels), dtype=np.uint8)
        apply_operations(images, np.zeros(1, dtype=np.int64), np.zeros(1))


WARM_UP = (_warm_up,)

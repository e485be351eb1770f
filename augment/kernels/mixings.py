"""The two mixings of PixMix as compiled kernels: additive in [-1, 1], multiplicative around grey.

With x the running image and m its partner, both in [0, 1] (andyzoujm/pixmix, pixmix_utils.py):

    add        (a (2x - 1) + b (2m - 1) + 1) / 2
    multiply   (2x)^a max(2m, 1e-37)^b / 2

then clipped to [0, 1]. The coefficients do not sum to 1: evenly, either a ~ Beta(beta, 1) and b ~ Beta(1, beta), or
a ~ 1 + Beta(1, beta) and b ~ -Beta(1, beta).

The partner is uint8, so its power is a table of 256 entries per call; the power of the running image is a polynomial in
float32 whose exponent is carried in two parts, a whole-number part that is exact and a small rest.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel

ADD: Final = 0
MULTIPLY: Final = 1

_SQRT_HALF_BITS: Final = np.int32(0x3F3504F3)
_LOG2_1: Final = np.float32(2.0 / math.log(2.0))
_LOG2_3: Final = np.float32(2.0 / math.log(2.0) / 3.0)
_LOG2_5: Final = np.float32(2.0 / math.log(2.0) / 5.0)
_LOG2_7: Final = np.float32(2.0 / math.log(2.0) / 7.0)
_LOG2_9: Final = np.float32(2.0 / math.log(2.0) / 9.0)
_EXP2: Final = tuple(np.float32(math.log(2.0) ** power / math.factorial(power)) for power in range(8))
_ONE: Final = np.float32(1.0)
_SMALLEST: Final = np.float32(1.2e-38)
_GRID: Final = np.float32(4096.0)


def coefficients(
    extrapolate: NDArray[np.bool_], first: NDArray[np.float64], second: NDArray[np.float64], beta: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mixing coefficients a and b.

    Args:
        extrapolate: Whether a > 1 and b < 0 (evenly drawn), any shape.
        first: Uniform draws in [0, 1) for a, same shape.
        second: Uniform draws in [0, 1) for b, same shape.
        beta: Mixing strength; larger mixes less.

    Returns:
        a in (0, 2] and b in [-1, 1], float32, by inversion: Beta(beta, 1) is U^(1/beta), Beta(1, beta) is 1 - U^(1/beta).
    """
    weight = 1.0 - (1.0 - first) ** (1.0 / beta)
    other = 1.0 - (1.0 - second) ** (1.0 / beta)
    a = np.where(extrapolate, 1.0 + weight, 1.0 - weight)
    return a.astype(np.float32), np.where(extrapolate, -other, other).astype(np.float32)


@kernel()
def to_unit(source, out):  # type: ignore[no-untyped-def]
    """Write value / 255 of flat uint8 values, (N,), to `out`, (N,) float32."""
    for index in range(source.size):
        out[index] = np.float32(source[index]) / np.float32(255.0)


@kernel()
def mix_add(current, partner, a, b):  # type: ignore[no-untyped-def]
    """Mix a partner, (N,) uint8, additively into an image, (N,) float32 in [0, 1], in place, and clip; a and b are float32."""
    scale = b / np.float32(255.0)
    rest = (_ONE - a - b) * np.float32(0.5)
    for index in range(current.size):
        mixed = a * current[index] + scale * np.float32(partner[index]) + rest
        current[index] = min(max(mixed, np.float32(0.0)), _ONE)


@kernel(inline="always")
def _power(value, exponent, coarse, fine):  # type: ignore[no-untyped-def]
    """Return value ** exponent in float32 for value > 0; `coarse` + `fine` is the exponent, `coarse` on a grid of 1 / 4096.

    The value is 2**whole times a mantissa in [sqrt(1/2), sqrt(2)), whose log2 is an odd series in (m - 1) / (m + 1). `coarse` *
    `whole` has few enough bits to be exact, so the error of the product stays that of its small part.
    """
    bits = np.int32(np.float32(value).view(np.int32) - _SQRT_HALF_BITS)
    whole = np.float32(np.int32(bits >> np.int32(23)))
    mantissa = np.int32(np.int32(bits & np.int32(0x7FFFFF)) + _SQRT_HALF_BITS).view(np.float32)
    ratio = (mantissa - _ONE) / (mantissa + _ONE)
    square = ratio * ratio
    rest = ratio * (_LOG2_1 + square * (_LOG2_3 + square * (_LOG2_5 + square * (_LOG2_7 + square * _LOG2_9))))
    exact = coarse * whole
    small = exponent * rest + fine * whole
    nearest = np.float32(np.rint(exact + small))
    offset = (exact - nearest) + small
    result = _EXP2[7]
    result = _EXP2[6] + offset * result
    result = _EXP2[5] + offset * result
    result = _EXP2[4] + offset * result
    result = _EXP2[3] + offset * result
    result = _EXP2[2] + offset * result
    result = _EXP2[1] + offset * result
    result = _EXP2[0] + offset * result
    scale = np.int32((np.int32(max(nearest, np.float32(-126.0))) + np.int32(127)) << np.int32(23)).view(np.float32)
    return result * scale if nearest >= np.float32(-126.0) else np.float32(0.0)


@kernel()
def _powers_of_bytes(table, exponent, smallest):  # type: ignore[no-untyped-def]
    """Write max(2 value / 255, smallest) ** exponent of every byte to the table, (256,) float32."""
    coarse = np.float32(np.rint(exponent * _GRID) / _GRID)
    fine = exponent - coarse
    for value in range(256):
        doubled = np.float32(value) / np.float32(255.0) * np.float32(2.0)
        table[value] = _power(max(doubled, smallest), exponent, coarse, fine)


@kernel()
def _partner_powers(table, b):  # type: ignore[no-untyped-def]
    """Write half the power of every byte of a partner to the table, (256,) float32; `b` is its exponent."""
    _powers_of_bytes(table, b, np.float32(1e-37))
    for value in range(256):
        table[value] *= np.float32(0.5)


@kernel()
def mix_multiply(current, partner, a, b):  # type: ignore[no-untyped-def]
    """Mix multiplicatively; arguments as for `mix_add`."""
    table = np.empty(256, dtype=np.float32)
    _partner_powers(table, b)
    coarse = np.float32(np.rint(a * _GRID) / _GRID)
    fine = a - coarse
    for index in range(current.size):
        doubled = current[index] * np.float32(2.0)
        power = _power(max(doubled, _SMALLEST), a, coarse, fine)
        current[index] = power if doubled >= _SMALLEST else np.float32(0.0)
    for index in range(current.size):
        current[index] = min(current[index] * table[partner[index]], _ONE)


@kernel()
def mix_add_bytes(image, partner, a, b, out):  # type: ignore[no-untyped-def]
    """Do `to_unit` and `mix_add` in one pass: image and partner (N,) uint8, `out` (N,) float32."""
    scale = b / np.float32(255.0)
    rest = (_ONE - a - b) * np.float32(0.5)
    for index in range(image.size):
        mixed = a * (np.float32(image[index]) / np.float32(255.0)) + scale * np.float32(partner[index]) + rest
        out[index] = min(max(mixed, np.float32(0.0)), _ONE)


@kernel()
def mix_multiply_bytes(image, partner, a, b, out):  # type: ignore[no-untyped-def]
    """Do `to_unit` and `mix_multiply` in one pass: an image of bytes needs 256 powers only."""
    of_image, of_partner = np.empty(256, dtype=np.float32), np.empty(256, dtype=np.float32)
    _powers_of_bytes(of_image, a, _SMALLEST)
    of_image[0] = np.float32(0.0)
    _partner_powers(of_partner, b)
    for index in range(image.size):
        out[index] = min(of_image[image[index]] * of_partner[partner[index]], _ONE)


@kernel()
def _mix_flat(current, partner, mixing, a, b):  # type: ignore[no-untyped-def]
    """Do `mix_add` or `mix_multiply`, as `mixing` says."""
    if mixing == ADD:
        mix_add(current, partner, a, b)
    else:
        mix_multiply(current, partner, a, b)


def mix(
    image: NDArray[np.float32], partner: NDArray[np.uint8], *, mixing: int, a: float, b: float
) -> NDArray[np.float32]:
    """Return an image mixed with a partner.

    Args:
        image: Values in [0, 1], any shape, float32; what is above 0 but below 1e-38 counts as 0 in `MULTIPLY`.
        partner: Values 0..255, same shape, uint8.
        mixing: `ADD` or `MULTIPLY`.
        a: Coefficient of the image, above 0 and at most 2.
        b: Coefficient of the partner, in [-1, 1].

    Returns:
        Values in [0, 1], same shape, float32, within 1e-6 of the formula.
    """
    current = np.array(image, dtype=np.float32, order="C")
    _mix_flat(current.reshape(-1), np.ascontiguousarray(partner).reshape(-1), mixing, np.float32(a), np.float32(b))
    return current


def _warm_up() -> None:
    mix(np.zeros(4, dtype=np.float32), np.zeros(4, dtype=np.uint8), mixing=MULTIPLY, a=1.0, b=0.5)


WARM_UP = (_warm_up,)

"""Elementary functions in float32 that vectorise: polynomials of +, -, * and comparisons, equal on every processor.

A call of the C library in a loop keeps it scalar, and libraries differ in the last bits. Arguments and results are float32, and
angles are in turns.
"""

from __future__ import annotations

import numpy as np

from augment.kernels.compiled import kernel


@kernel(inline="always", error_model="numpy")
def sin_turns(turns):  # type: ignore[no-untyped-def]
    """Return sin(2 pi turns) with an error below 1e-5: Taylor to order 9 on a quarter turn."""
    r = turns - np.floor(turns + np.float32(0.5))
    r = np.float32(0.5) - r if r > np.float32(0.25) else r
    r = np.float32(-0.5) - r if r < np.float32(-0.25) else r
    q = r * r
    p = np.float32(42.058693) * q - np.float32(76.705860)
    p = p * q + np.float32(81.605249)
    p = p * q - np.float32(41.341702)
    return r * (p * q + np.float32(6.2831853))


@kernel(inline="always", error_model="numpy")
def cos_turns(turns):  # type: ignore[no-untyped-def]
    """Return cos(2 pi turns) with an error below 1e-5."""
    return sin_turns(turns + np.float32(0.25))


@kernel(inline="always", error_model="numpy")
def angle_turns(y, x):  # type: ignore[no-untyped-def]
    """Return atan2(y, x) in turns, in [-1/2, 1/2], with an error below 1e-5; 0 at the origin."""
    ax, ay = abs(x), abs(y)
    high = ax if ax > ay else ay
    low = ay if ax > ay else ax
    t = low / (high + np.float32(1e-30))
    q = t * t
    p = np.float32(0.0208351) * q - np.float32(0.0851330)
    p = p * q + np.float32(0.1801410)
    p = p * q - np.float32(0.3302995)
    a = t * (p * q + np.float32(0.9998660)) * np.float32(0.15915494)
    a = np.float32(0.25) - a if ay > ax else a
    a = np.float32(0.5) - a if x < np.float32(0.0) else a
    return -a if y < np.float32(0.0) else a


@kernel(error_model="numpy")
def log2_lanes(values, bits, out):  # type: ignore[no-untyped-def]
    """Write log2 of positive values to `out` with an error below 1e-4; destroys the values.

    Args:
        values: (N,) float32.
        bits: The same memory seen as int32.
        out: (N,) float32.
    """
    for i in range(out.shape[0]):
        word = bits[i]
        out[i] = np.float32((word >> np.int32(23)) - np.int32(127))
        bits[i] = (word & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
    for i in range(out.shape[0]):
        m = values[i] - np.float32(1.0)
        p = np.float32(0.0440047) * m - np.float32(0.1903191)
        p = p * m + np.float32(0.4123442)
        p = p * m - np.float32(0.7077702)
        out[i] += m * (p * m + np.float32(1.4417403))

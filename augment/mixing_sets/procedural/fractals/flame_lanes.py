"""The chaos game of flames and iterated function systems, 1024 points at a time.

Every step gives each map a contiguous range of lanes, as long as its probability, so that one map's formula runs over a whole
range at once; between steps the lanes are permuted by j -> (odd * j + offset) mod 1024 with random numbers of the step. Each
point thus sees an independent, correctly weighted sequence of maps, while the loops over lanes vectorise.

The variations are those of Draves and Reckase, "The Fractal Flame Algorithm" (2003), appendix.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from augment.kernels.compiled import kernel
from augment.kernels.counters import philox
from augment.mixing_sets.procedural.lane_math import angle_turns, cos_turns, sin_turns

LANES: Final = 1024
VARIATIONS: Final = (
    "linear", "sinusoidal", "spherical", "swirl", "horseshoe", "polar", "handkerchief", "heart",
    "disc", "spiral", "hyperbolic", "diamond", "julia", "bubble", "eyefish", "waves",
)  # fmt: skip
NUM_VARIATIONS: Final = len(VARIATIONS)


@kernel(error_model="numpy")
def start_lanes(lanes):  # type: ignore[no-untyped-def]
    """Spread the points over [-1, 1]^2 and the colours over [0, 1], an R2 sequence; `lanes` as for `step_lanes`."""
    for j in range(LANES):
        u = np.float32((j * 0.7548776662466927) % 1.0)
        v = np.float32((j * 0.5698402909980532) % 1.0)
        lanes[0, j] = 2 * u - 1
        lanes[1, j] = 2 * v - 1
        lanes[2, j] = u


@kernel(error_model="numpy")
def step_lanes(lanes, ends, affine, post, kinds, weights, hues, bits):  # type: ignore[no-untyped-def]
    """Apply one map to each range of lanes, in place.

    Args:
        lanes: x, y and colour of the points, then four rows of scratch, (7, 1024) float32.
        ends: End of each map's range, (K,) int64; the last is 1024.
        affine: x' = a x + b y + c, y' = d x + e y + f, (K, 6) float32.
        post: The affine map after the variations, (K, 6) float32.
        kinds: Indices into `VARIATIONS`, (K, 2) int64.
        weights: Weight of each variation, (K, 2) float32.
        hues: Colour of each map in [0, 1], (K,) float32.
        bits: Random word, one bit per lane for variations with two branches.
    """
    low = 0
    for m in range(ends.shape[0]):
        high = ends[m]
        x, y, c = lanes[0, low:high], lanes[1, low:high], lanes[2, low:high]
        tx, ty, ox, oy = lanes[3, low:high], lanes[4, low:high], lanes[5, low:high], lanes[6, low:high]
        a0, a1, a2, a3, a4, a5 = affine[m, 0], affine[m, 1], affine[m, 2], affine[m, 3], affine[m, 4], affine[m, 5]
        for j in range(high - low):  # few arrays a loop: the compiler gives up on more than eight overlap checks
            tx[j] = a0 * x[j] + a1 * y[j] + a2
        for j in range(high - low):
            ty[j] = a3 * x[j] + a4 * y[j] + a5
        ox[:] = np.float32(0.0)
        oy[:] = np.float32(0.0)
        for v in range(kinds.shape[1]):
            if weights[m, v] != 0:
                vary(kinds[m, v], weights[m, v], tx, ty, ox, oy, bits, a1, a4)
        a0, a1, a2, a3, a4, a5 = post[m, 0], post[m, 1], post[m, 2], post[m, 3], post[m, 4], post[m, 5]
        hue = hues[m]
        for j in range(high - low):
            px = a0 * ox[j] + a1 * oy[j] + a2
            py = a3 * ox[j] + a4 * oy[j] + a5
            inside = abs(px) + abs(py) < np.float32(1e3)  # false for NaN too: such points start again
            x[j] = px if inside else np.float32(0.3)
            y[j] = py if inside else np.float32(-0.2)
        for j in range(high - low):
            c[j] = np.float32(0.5) * (c[j] + hue)
        low = high


@kernel(error_model="numpy")
def vary(kind, weight, tx, ty, ox, oy, bits, wave_x, wave_y):  # type: ignore[no-untyped-def]
    """Add one variation of the points (tx, ty), times its weight, to (ox, oy), each (n,) float32.

    One loop a variation: a branch inside would keep it from vectorising. `kind` is an index into `VARIATIONS`, `bits` is as for
    `step_lanes`, `wave_x` and `wave_y` are the map's coefficients b and e.
    """
    n = tx.shape[0]
    if kind < 5:
        _vary_without_angle(kind, weight, tx, ty, ox, oy)
        return
    if kind == 13:
        for j in range(n):
            r = weight * np.float32(4.0) / (tx[j] * tx[j] + ty[j] * ty[j] + np.float32(4.0))
            ox[j] += r * tx[j]
            oy[j] += r * ty[j]
        return
    if kind == 14:
        for j in range(n):
            r = weight * np.float32(2.0) / (np.sqrt(tx[j] * tx[j] + ty[j] * ty[j]) + np.float32(1.0))
            ox[j] += r * tx[j]
            oy[j] += r * ty[j]
        return
    if kind == 15:
        for j in range(n):
            ox[j] += weight * (tx[j] + wave_x * sin_turns(ty[j] * np.float32(0.6)))
            oy[j] += weight * (ty[j] + wave_y * sin_turns(tx[j] * np.float32(0.6)))
        return
    _vary_with_angle(kind, weight, tx, ty, ox, oy, bits)


@kernel(error_model="numpy")
def _vary_without_angle(kind, weight, tx, ty, ox, oy):  # type: ignore[no-untyped-def]
    """Do `vary` for kinds 0 to 4."""
    n = tx.shape[0]
    turns = np.float32(0.15915494)
    tiny = np.float32(1e-9)
    if kind == 0:
        for j in range(n):
            ox[j] += weight * tx[j]
            oy[j] += weight * ty[j]
    elif kind == 1:
        for j in range(n):
            ox[j] += weight * sin_turns(tx[j] * turns)
            oy[j] += weight * sin_turns(ty[j] * turns)
    elif kind == 2:
        for j in range(n):
            r = weight / (tx[j] * tx[j] + ty[j] * ty[j] + tiny)
            ox[j] += r * tx[j]
            oy[j] += r * ty[j]
    elif kind == 3:
        for j in range(n):
            q = (tx[j] * tx[j] + ty[j] * ty[j]) * turns
            s, c = sin_turns(q), cos_turns(q)
            ox[j] += weight * (tx[j] * s - ty[j] * c)
            oy[j] += weight * (tx[j] * c + ty[j] * s)
    else:
        for j in range(n):
            r = weight / (np.sqrt(tx[j] * tx[j] + ty[j] * ty[j]) + tiny)
            ox[j] += r * (tx[j] - ty[j]) * (tx[j] + ty[j])
            oy[j] += r * np.float32(2.0) * tx[j] * ty[j]


@kernel(error_model="numpy")
def _vary_with_angle(kind, weight, tx, ty, ox, oy, bits):  # type: ignore[no-untyped-def]
    """Do `vary` for kinds 5 to 12."""
    n = tx.shape[0]
    turns = np.float32(0.15915494)
    tiny = np.float32(1e-9)
    if kind == 5:
        for j in range(n):
            r = np.sqrt(tx[j] * tx[j] + ty[j] * ty[j])
            ox[j] += weight * np.float32(2.0) * angle_turns(tx[j], ty[j])
            oy[j] += weight * (r - np.float32(1.0))
    elif kind == 6:
        for j in range(n):
            r = np.sqrt(tx[j] * tx[j] + ty[j] * ty[j])
            t = angle_turns(tx[j], ty[j])
            ox[j] += weight * r * sin_turns(t + r * turns)
            oy[j] += weight * r * cos_turns(t - r * turns)
    elif kind == 7:
        for j in range(n):
            r = np.sqrt(tx[j] * tx[j] + ty[j] * ty[j])
            t = angle_turns(tx[j], ty[j]) * r
            ox[j] += weight * r * sin_turns(t)
            oy[j] -= weight * r * cos_turns(t)
    elif kind == 8:
        for j in range(n):
            r = np.float32(0.5) * np.sqrt(tx[j] * tx[j] + ty[j] * ty[j])
            t = weight * np.float32(2.0) * angle_turns(tx[j], ty[j])
            ox[j] += t * sin_turns(r)
            oy[j] += t * cos_turns(r)
    elif kind == 9:
        for j in range(n):
            r = np.sqrt(tx[j] * tx[j] + ty[j] * ty[j]) + tiny
            ox[j] += weight * (ty[j] / r + sin_turns(r * turns)) / (r + np.float32(0.05))
            oy[j] += weight * (tx[j] / r - cos_turns(r * turns)) / (r + np.float32(0.05))
    elif kind == 10:
        for j in range(n):
            q = tx[j] * tx[j] + ty[j] * ty[j]
            ox[j] += weight * tx[j] / (q + np.float32(0.05))
            oy[j] += weight * ty[j]
    elif kind == 11:
        for j in range(n):
            r = np.sqrt(tx[j] * tx[j] + ty[j] * ty[j])
            t = angle_turns(tx[j], ty[j])
            ox[j] += weight * sin_turns(t) * cos_turns(r * turns)
            oy[j] += weight * cos_turns(t) * sin_turns(r * turns)
    else:
        for j in range(n):
            r = weight * np.sqrt(np.sqrt(tx[j] * tx[j] + ty[j] * ty[j]))
            side = np.float32((bits >> np.uint64(j & 63)) & np.uint64(1))
            t = np.float32(0.5) * (angle_turns(tx[j], ty[j]) + side)
            ox[j] += r * cos_turns(t)
            oy[j] += r * sin_turns(t)


@kernel(error_model="numpy")
def splat_lanes(lanes, cells, cameras, palette, canvas, size):  # type: ignore[no-untyped-def]
    """Add the points' colours to the canvas through every camera.

    Args:
        lanes: As for `step_lanes`.
        cells: Scratch: canvas cell of each lane, then its palette entry, (2, 1024) int32.
        cameras: Affine maps from points to (column, row) in pixels, one per symmetry, (Q, 6) float32.
        palette: Red, green and blue of colour 0 to 1, (256, 3) float32.
        canvas: Sums of red, green, blue and hits, (S * S + 1, 4) float32; the last cell takes what falls outside.
        size: S.
    """
    x, y, c, cell, shade = lanes[0], lanes[1], lanes[2], cells[0], cells[1]
    side = np.float32(size)
    last = np.float32(size * size)
    for j in range(LANES):
        shade[j] = np.int32(c[j] * np.float32(255.99))
    for q in range(cameras.shape[0]):
        a0, a1, a2 = cameras[q, 0], cameras[q, 1], cameras[q, 2]
        a3, a4, a5 = cameras[q, 3], cameras[q, 4], cameras[q, 5]
        for j in range(LANES):
            column = np.floor(a0 * x[j] + a1 * y[j] + a2)
            row = np.floor(a3 * x[j] + a4 * y[j] + a5)
            inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
            at = row * side + column
            cell[j] = np.int32(at if inside else last)
        for j in range(LANES):
            to, tint = np.uint32(cell[j]), np.uint32(shade[j])
            # all reads before the writes: the compiler may not move a read before a write that could be to its place
            red, green, blue, one = palette[tint, 0], palette[tint, 1], palette[tint, 2], palette[tint, 3]
            red, green = red + canvas[to, 0], green + canvas[to, 1]
            blue, one = blue + canvas[to, 2], one + canvas[to, 3]
            canvas[to, 0], canvas[to, 1], canvas[to, 2], canvas[to, 3] = red, green, blue, one


@kernel(error_model="numpy")
def permute_lanes(lanes, other, odd, offset):  # type: ignore[no-untyped-def]
    """Write x, y and colour of lane j to lane odd * j + offset (mod 1024) of `other`, both as for `step_lanes`."""
    for j in range(LANES):
        target = (odd * np.uint32(j) + offset) & np.uint32(LANES - 1)
        other[0, target] = lanes[0, j]
        other[1, target] = lanes[1, j]
        other[2, target] = lanes[2, j]


@kernel(error_model="numpy")
def play(lanes, other, cells, steps, first, words, system, frame):  # type: ignore[no-untyped-def]
    """Play rounds of the chaos game and return the two lane buffers, the current one first.

    Args:
        lanes: Current points, as for `step_lanes`.
        other: A second buffer of the same shape.
        cells: Scratch of `splat_lanes`.
        steps: Rounds.
        first: Slot of the first round's random words.
        words: (key0, key1, stream, epoch, index) of the image's random numbers.
        system: (ends, affine, post, kinds, weights, hues) of `step_lanes`.
        frame: (cameras, palette, canvas, size) of `splat_lanes`.
    """
    ends, affine, post, kinds, weights, hues = system
    cameras, palette, canvas, size = frame
    for t in range(first, first + steps):
        w0, w1, w2, w3 = philox(t, words[4], words[3], words[2], words[0], words[1])
        bits = (w2 << np.uint64(32)) | w3
        step_lanes(lanes, ends, affine, post, kinds, weights, hues, bits)
        splat_lanes(lanes, cells, cameras, palette, canvas, size)
        permute_lanes(lanes, other, np.uint32(w0 | np.uint64(1)), np.uint32(w1))
        lanes, other = other, lanes
    return lanes, other

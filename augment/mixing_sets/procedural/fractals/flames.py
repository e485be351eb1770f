"""Fractal flames and colour iterated function systems: aim a camera at a system, play the chaos game, map tones.

The algorithm is that of Draves and Reckase, "The Fractal Flame Algorithm" (2003); the camera, the test of a system before it is
rendered, the smoothing of sparse regions and the backgrounds are our own.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from augment.kernels.compiled import kernel
from augment.mixing_sets.procedural.fractals.flame_genomes import (
    draw,
    draw_coefficients,
    draw_contractive,
    draw_variations,
    share_lanes,
)
from augment.mixing_sets.procedural.fractals.flame_lanes import LANES, play, splat_lanes, start_lanes
from augment.mixing_sets.procedural.palettes import fill_background, fill_palette

BURN_IN: Final = 20
GRID: Final = 16
TABLE: Final = 4096
FULL: Final = 3.0  # hits, relative to the mean of lit pixels, that make a pixel opaque


@kernel(error_model="numpy")
def render_flame(words, is_flame, density, out):  # type: ignore[no-untyped-def]
    """Render one image of the chaos game.

    Args:
        words: (key0, key1, stream, epoch, index) of the image's random numbers, (5,) uint64.
        is_flame: Whether maps have non-linear variations; else they are contractive and affine.
        density: Hits per pixel to spend.
        out: Receives red, green, blue in [0, 1], (S, S, 3) float32.

    Returns:
        Whether the system fills the image; if not, `out` is untouched.
    """
    size = out.shape[0]
    num = 2 + int((5 if is_flame else 3) * draw(words, 0))
    affine, post = np.zeros((num, 6), np.float32), np.zeros((num, 6), np.float32)
    kinds, weights = np.zeros((num, 2), np.int64), np.zeros((num, 2), np.float32)
    ends, hues = np.empty(num, np.int64), np.empty(num, np.float32)
    _draw_system(words, is_flame, affine, post, kinds, weights)
    share_lanes(words, affine, not is_flame, ends, hues)
    lanes, other = np.empty((7, LANES), np.float32), np.empty((7, LANES), np.float32)
    cells = np.empty((2, LANES), np.int32)
    start_lanes(lanes)
    palette = np.empty((256, 4), np.float32)
    cycles = 1 + int(3 * draw(words, 47))
    fill_palette(words, 8, cycles, palette)
    canvas = np.zeros((size * size + 1, 4), np.float32)
    system = (ends, affine, post, kinds, weights, hues)
    no_camera = np.empty((0, 6), np.float32)
    lanes, other = play(lanes, other, cells, BURN_IN, 1000, words, system, (no_camera, palette, canvas, size))
    cameras = np.empty((_symmetry(words, is_flame), 6), np.float32)
    if not _aim(lanes, words, size, cameras) or not _is_filled(lanes, cells, cameras, palette, size):
        return False
    steps = int(density * size * size / LANES / (0.5 + 0.5 * cameras.shape[0])) + 1
    play(lanes, other, cells, steps, 2000, words, system, (cameras, palette, canvas, size))
    fill_background(words, 48, cycles, palette, out)
    map_tones(canvas, 1.8 + 1.8 * draw(words, 6), out)
    return True


@kernel(error_model="numpy")
def _draw_system(words, is_flame, affine, post, kinds, weights):  # type: ignore[no-untyped-def]
    """Fill the maps of a system: arrays of zeros, as for `step_lanes`."""
    if is_flame:
        if draw(words, 1) < 0.5:
            draw_coefficients(words, affine)
        else:
            draw_contractive(words, affine)
        draw_variations(words, kinds, weights, post)
    else:
        draw_contractive(words, affine)
        for m in range(affine.shape[0]):
            weights[m, 0], post[m, 0], post[m, 4] = 1.0, 1.0, 1.0


@kernel(error_model="numpy")
def _symmetry(words, is_flame):  # type: ignore[no-untyped-def]
    """Return the number of turned copies, 1 to 6."""
    u = draw(words, 2)
    if not is_flame or u < 0.55:
        return 1
    return 2 + int((u - 0.55) / 0.45 * 5)


@kernel(error_model="numpy")
def _aim(lanes, words, size, cameras):  # type: ignore[no-untyped-def]
    """Point the cameras at the middle 90 % of the points, turned and zoomed at random; False if there is no such box.

    `lanes` and `cameras`, (Q, 6) float32 and written, are as for `splat_lanes`; `size` is the image's side in pixels.
    """
    xs, ys = np.sort(lanes[0]), np.sort(lanes[1])
    low, high = LANES // 20, LANES - 1 - LANES // 20
    cx, cy = 0.5 * (xs[low] + xs[high]), 0.5 * (ys[low] + ys[high])
    hx, hy = 0.5 * (xs[high] - xs[low]), 0.5 * (ys[high] - ys[low])
    num = cameras.shape[0]
    if num > 1:  # copies turn around the origin
        hx = hy = 0.75 * max(abs(xs[low]), abs(xs[high]), abs(ys[low]), abs(ys[high]))
        cx, cy = np.float32(0.0), np.float32(0.0)
    if not (min(hx, hy) > 1e-3 and max(hx, hy) < 50.0):
        return False
    scale = size / (2.0 * np.sqrt(hx * hy)) * (0.7 + 0.7 * draw(words, 7))
    if scale * min(hx, hy) < 0.2 * size:
        return False
    base = 2.0 * np.pi * draw(words, 46)
    for q in range(num):
        turn = base + 2.0 * np.pi * q / num
        c, s = scale * np.cos(turn), scale * np.sin(turn)
        cameras[q, 0], cameras[q, 1], cameras[q, 2] = c, -s, size / 2.0 - (c * cx - s * cy)
        cameras[q, 3], cameras[q, 4], cameras[q, 5] = s, c, size / 2.0 - (s * cx + c * cy)
    return True


@kernel(error_model="numpy")
def _is_filled(lanes, cells, cameras, palette, size):  # type: ignore[no-untyped-def]
    """Return whether one round of points on a coarse grid is neither a few spots nor mostly outside; see `splat_lanes`."""
    canvas = np.zeros((GRID * GRID + 1, 4), np.float32)
    coarse = cameras * np.float32(GRID / size)
    splat_lanes(lanes, cells, coarse, palette, canvas, GRID)
    hits = canvas[: GRID * GRID, 3]
    total = hits.sum()
    lit = 0
    for cell in range(GRID * GRID):
        lit += hits[cell] > 0
    return total > 0.3 * LANES * cameras.shape[0] and lit > 0.42 * GRID * GRID and hits.max() < 0.1 * total


@kernel(error_model="numpy")
def map_tones(canvas, gamma, out):  # type: ignore[no-untyped-def]
    """Lay the mean colour of each pixel over the background, as opaque as the logarithm of its hits.

    Args:
        canvas: Sums of red, green, blue and hits, (S * S + 1, 4) float32.
        gamma: Exponent 1 / gamma of the opacity.
        out: Background in, image out, (S, S, 3) float32.
    """
    size = out.shape[0]
    lit, total = 0, 0.0
    for i in range(size * size):
        lit += canvas[i, 3] > 0
        total += canvas[i, 3]
    mean = total / max(lit, 1)
    table = np.full(TABLE, np.float32(-1.0))
    step = FULL / TABLE * mean
    sums = np.empty(4 * size, np.float32)
    for row in range(size):
        gather_row(canvas.reshape(-1), size, row, 0.6 * mean, sums)
        _tone_row(sums, table, step, mean, gamma, out[row].reshape(-1))


@kernel(error_model="numpy")
def _tone_row(sums, table, step, mean, gamma, out):  # type: ignore[no-untyped-def]
    """Lay a row's mean colours over the background: sums (S * 4,), out (S * 3,), both float32.

    `table`, (4096,) float32, keeps the opacity for `step` hits an entry, negative where it was not needed yet: a logarithm and a
    power cost more than all the rest of a pixel.
    """
    for column in range(np.uint64(sums.shape[0] // 4)):
        hits = sums[np.uint64(4) * column + np.uint64(3)]
        if hits > 0:
            entry = np.uint64(min(int(hits / step), TABLE - 1))
            if table[entry] < 0:
                table[entry] = min(np.log1p(entry * step / mean) / np.log1p(FULL), 1.0) ** (1.0 / gamma)
            alpha = table[entry]
            glow = max(alpha - np.float32(0.85), np.float32(0.0))
            for channel in range(np.uint64(3)):
                colour = sums[np.uint64(4) * column + channel] / hits
                colour += glow * (1 - colour)
                at = np.uint64(3) * column + channel
                out[at] += alpha * (colour - out[at])


@kernel(error_model="numpy")
def gather_row(flat, size, row, enough, sums):  # type: ignore[no-untyped-def]
    """Copy a row's sums, or where a pixel's hits are few the mean sums of its 3 x 3 surroundings.

    Args:
        flat: The canvas, (S * S * 4 + 4,) float32.
        size: S.
        row: Row.
        enough: Hits above which a pixel counts by itself.
        sums: Written, (S * 4,) float32.
    """
    stride = 4 * size
    here = flat[row * stride : (row + 1) * stride]
    sums[:] = here
    if row == 0 or row == size - 1:
        return
    above, below = flat[(row - 1) * stride : row * stride], flat[(row + 1) * stride : (row + 2) * stride]
    for at in range(np.uint64(4), np.uint64(stride - 4)):  # a flat loop without a branch vectorises
        left, right = at - np.uint64(4), at + np.uint64(4)
        near = here[left] + here[right] + above[at] + below[at]
        far = above[left] + above[right] + below[left] + below[right]
        sums[at] = np.float32(0.25) * here[at] + np.float32(0.125) * near + np.float32(0.0625) * far
    for column in range(np.uint64(1), np.uint64(size - 1)):
        if here[np.uint64(4) * column + np.uint64(3)] >= enough:
            for at in range(np.uint64(4) * column, np.uint64(4) * column + np.uint64(4)):
                sums[at] = here[at]


def _warm_up() -> None:
    out = np.zeros((16, 16, 3), np.float32)
    render_flame(np.zeros(5, np.uint64), True, 1.0, out)


WARM_UP = (_warm_up,)

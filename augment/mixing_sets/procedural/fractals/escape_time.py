"""Escape-time fractals: Julia sets, Mandelbrot zooms and Burning Ships with smooth colouring and orbit traps.

Sixteen pixels iterate side by side so that the loop vectorises; a pixel's orbit is frozen once it has escaped.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from augment.kernels.compiled import kernel
from augment.mixing_sets.procedural.fractals.flame_genomes import draw
from augment.mixing_sets.procedural.lane_math import log2_lanes
from augment.mixing_sets.procedural.palettes import fill_palette

WIDTH: Final = 16
ESCAPE: Final = np.float32(256.0)  # squared radius: large, so that the smooth index is smooth
PREVIEW: Final = 32
STAGE_ITERATIONS: Final = 8
GLOW_TABLE: Final = 1024


@kernel(error_model="numpy")
def render_escape(words, out):  # type: ignore[no-untyped-def]
    """Render one escape-time image.

    Args:
        words: (key0, key1, stream, epoch, index) of the image's random numbers, (5,) uint64.
        out: Receives red, green, blue in [0, 1], (S, S, 3) float32.

    Returns:
        Whether the view has enough structure; if not, `out` is untouched.
    """
    view = np.empty(8)
    limit = draw_view(words, view)
    power = 2 if draw(words, 40) < 0.7 else 3 + int(2 * draw(words, 41))
    is_ship = draw(words, 42) < 0.15
    preview, traps = np.empty((PREVIEW, PREVIEW), np.float32), np.empty((PREVIEW, PREVIEW), np.float32)
    iterate_view(view, power, is_ship, limit, preview, traps)
    if not _has_structure(preview):
        return False
    size = out.shape[0]
    index, trap = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    iterate_view(view, power, is_ship, limit, index, trap)
    _colour(words, preview, index, trap, out)
    return True


@kernel(error_model="numpy")
def draw_view(words, view):  # type: ignore[no-untyped-def]
    """Draw a view, (8,) float64, and return the iteration limit.

    Its values: centre x and y, half-width, constant x and y, 1 for a Julia set (else 0), turn and offset of the trap line.
    Constants and zoom centres are found near the edge of the Mandelbrot set by bisection along a random ray.
    """
    is_julia = draw(words, 43) < 0.55
    turn = 2.0 * np.pi * draw(words, 44)
    inner, outer = 0.0, 2.0
    for _ in range(14):
        middle = 0.5 * (inner + outer)
        if _stays(middle * np.cos(turn) - 0.3, middle * np.sin(turn)):
            inner = middle
        else:
            outer = middle
    radius = outer + 0.02 * (draw(words, 45) - 0.3) if is_julia else outer
    edge_x, edge_y = radius * np.cos(turn) - 0.3, radius * np.sin(turn)
    view[5] = 1.0 if is_julia else 0.0
    view[3], view[4] = edge_x, edge_y
    if is_julia:
        width = 0.25 + 1.1 * draw(words, 46)
        view[0], view[1] = 1.2 * (draw(words, 47) - 0.5), 1.2 * (draw(words, 48) - 0.5)
    else:
        width = 10.0 ** (-0.3 - 2.2 * draw(words, 46))
        view[0] = edge_x + width * (draw(words, 47) - 0.5)
        view[1] = edge_y + width * (draw(words, 48) - 0.5)
    view[2] = width
    view[6], view[7] = np.pi * draw(words, 49), draw(words, 50) - 0.5
    return 120 if is_julia else 160


@kernel(error_model="numpy")
def _stays(cx, cy):  # type: ignore[no-untyped-def]
    """Return whether the orbit of 0 under z**2 + c, in float64, stays within radius 2 for 200 steps."""
    x, y = 0.0, 0.0
    for _ in range(200):
        x, y = x * x - y * y + cx, 2.0 * x * y + cy
        if x * x + y * y > 4.0:
            return False
    return True


@kernel(error_model="numpy")
def iterate_view(view, power, is_ship, limit, index, trap):  # type: ignore[no-untyped-def]
    """Fill log2(2 + smooth escape index) of every pixel (-1 inside) and the least distance of its orbit to the trap line.

    Args:
        view: As `draw_view` fills it.
        power: Exponent of z, 2 to 4.
        is_ship: Whether z is folded into the first quadrant before every step.
        limit: Steps after which a pixel counts as inside.
        index: (S, S) float32, written.
        trap: (S, S) float32, written.
    """
    size = index.shape[0]
    lanes, level = np.empty(6 * WIDTH, np.float32), np.empty(WIDTH, np.float32)
    zx, zy, cx, cy = lanes[:WIDTH], lanes[WIDTH : 2 * WIDTH], lanes[2 * WIDTH : 3 * WIDTH], lanes[3 * WIDTH : 4 * WIDTH]
    count, near = lanes[4 * WIDTH : 5 * WIDTH], lanes[5 * WIDTH :]
    cos, sin, offset = np.float32(np.cos(view[6])), np.float32(np.sin(view[6])), np.float32(view[7])
    step = 2.0 * view[2] / size
    for row in range(size):
        dy = (row + 0.5) * step - view[2]
        for left in range(0, size, WIDTH):
            for i in range(WIDTH):
                dx = (left + i + 0.5) * step - view[2]
                zx[i], zy[i] = view[0] + cos * dx - sin * dy, view[1] + sin * dx + cos * dy
                cx[i] = view[3] if view[5] > 0 else zx[i]
                cy[i] = view[4] if view[5] > 0 else zy[i]
                count[i], near[i] = 0.0, 1e9
            done, running = 0, WIDTH
            while done < limit and running > 0:
                _iterate_lanes(lanes, power, is_ship, cos, sin, offset)
                done += STAGE_ITERATIONS
                running = 0
                for i in range(WIDTH):
                    running += zx[i] * zx[i] + zy[i] * zy[i] < ESCAPE
            _smooth(zx, zy, count, power, level)
            for i in range(min(WIDTH, size - left)):
                index[row, left + i] = level[i]
                trap[row, left + i] = near[i]


@kernel(error_model="numpy")
def _iterate_lanes(lanes, power, is_ship, trap_x, trap_y, trap_offset):  # type: ignore[no-untyped-def]
    """Step sixteen orbits on: x, y, constant, count of steps and distance to the trap are one after the other in one array,
    (6 * 16,) float32; the trap line is x * trap_x + y * trap_y = trap_offset.

    Constant distances inside one array spare the loop its tests for overlap, which cost more than the step itself.
    """
    one, zero, two = np.float32(1.0), np.float32(0.0), np.float32(2.0)
    for _ in range(STAGE_ITERATIONS):
        for i in range(np.uint64(WIDTH)):
            x, y = lanes[i], lanes[i + np.uint64(WIDTH)]
            alive = x * x + y * y < ESCAPE
            ax = abs(x) if is_ship else x
            ay = abs(y) if is_ship else y
            px, py = ax * ax - ay * ay, two * ax * ay
            if power > 2:
                px, py = px * ax - py * ay, px * ay + py * ax
            if power > 3:
                px, py = px * ax - py * ay, px * ay + py * ax
            px, py = px + lanes[i + np.uint64(2 * WIDTH)], py + lanes[i + np.uint64(3 * WIDTH)]
            distance = abs(px * trap_x + py * trap_y - trap_offset)
            lanes[i] = px if alive else x
            lanes[i + np.uint64(WIDTH)] = py if alive else y
            lanes[i + np.uint64(4 * WIDTH)] += one if alive else zero
            near = lanes[i + np.uint64(5 * WIDTH)]
            lanes[i + np.uint64(5 * WIDTH)] = distance if alive & (distance < near) else near


@kernel(error_model="numpy")
def _smooth(zx, zy, count, power, level):  # type: ignore[no-untyped-def]
    """Write log2(2 + n + 1 - log_power(log|z|^2 / log ESCAPE)), or -1 for lanes that have not escaped; all (16,) float32."""
    values, scale = np.empty(WIDTH, np.float32), np.float32(1.0 / np.log2(power))
    bits = values.view(np.int32)
    for i in range(WIDTH):
        values[i] = min(zx[i] * zx[i] + zy[i] * zy[i], np.float32(1e30))
    log2_lanes(values, bits, level)
    for i in range(WIDTH):
        values[i] = max(level[i], np.float32(1.0)) * np.float32(1.0 / 8.0)  # log2(ESCAPE) = 8
    log2_lanes(values, bits, level)
    for i in range(WIDTH):
        values[i] = max(np.float32(3.0) + count[i] - scale * level[i], np.float32(1.0))
    log2_lanes(values, bits, level)
    for i in range(WIDTH):
        level[i] = np.float32(-1.0) if zx[i] * zx[i] + zy[i] * zy[i] < ESCAPE else level[i]


@kernel(error_model="numpy")
def _has_structure(preview):  # type: ignore[no-untyped-def]
    """Return whether under half of a preview, (32, 32) float32, is inside and the index varies in enough places."""
    inside, edges = 0, 0
    for row in range(PREVIEW):
        for column in range(1, PREVIEW):
            inside += preview[row, column] < 0
            edges += abs(preview[row, column] - preview[row, column - 1]) > 0.12
    return inside < 0.5 * PREVIEW * PREVIEW and edges > 0.25 * PREVIEW * PREVIEW


@kernel(error_model="numpy")
def _colour(words, preview, index, trap, out):  # type: ignore[no-untyped-def]
    """Colour an image, (S, S, 3) float32 and written, by escape index and distance to the trap, both (S, S) float32.

    The range of colours is that of the preview, (32, 32) float32, so that it does not depend on the image's side.
    """
    palette, glow_at = np.empty((256, 4), np.float32), np.empty(GLOW_TABLE, np.float32)
    fill_palette(words, 8, 1, palette)
    glow, dim = 0.75 * draw(words, 52), np.float32(0.35 + 0.65 * draw(words, 53))
    for k in range(GLOW_TABLE):
        glow_at[k] = glow * np.exp(-12.0 * k / GLOW_TABLE)
    low, high = np.float32(1e9), np.float32(-1e9)
    for row in range(PREVIEW):
        for column in range(PREVIEW):
            level = preview[row, column]
            if level >= 0:
                low, high = min(low, level), max(high, level)
    cycles = np.float32((0.8 + 2.2 * draw(words, 51)) * 256.0 / max(high - low, 0.2))
    size = out.shape[0]
    for row in range(size):
        for column in range(size):
            level, near = index[row, column], trap[row, column]
            light = glow_at[min(np.uint32(near * GLOW_TABLE), np.uint32(GLOW_TABLE - 1))]
            is_outside = level >= 0
            shade = cycles * (level - low) if is_outside else np.float32(128.0) + np.float32(700.0) * near
            scale = np.float32(1.0) if is_outside else dim
            floor = np.floor(shade)
            mix = shade - floor
            below = np.int32(floor)
            first, second = np.uint32(below & 255), np.uint32((below + 1) & 255)
            for channel in range(3):
                tone = scale * (palette[first, channel] + mix * (palette[second, channel] - palette[first, channel]))
                out[row, column, channel] = tone + light * (np.float32(1.0) - tone)


def _warm_up() -> None:
    render_escape(np.zeros(5, np.uint64), np.zeros((16, 16, 3), np.float32))


WARM_UP = (_warm_up,)

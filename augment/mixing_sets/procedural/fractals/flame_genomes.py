"""Random systems for the chaos game: maps, variations, shares of the points, colours, symmetry.

Contractive affine systems are sampled by the sigma factor of Anderson and Farrell, "Improving Fractal Pre-training" (WACV 2022);
flames combine such maps, or coefficients uniform in [-1, 1], with the variations of Draves and Reckase (2003).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from augment.kernels.compiled import kernel
from augment.kernels.counters import uniform_at
from augment.mixing_sets.procedural.fractals.flame_lanes import LANES, NUM_VARIATIONS

SLOT_MAPS: Final = 64
SLOTS_PER_MAP: Final = 32
LEAST_SHARE: Final = 0.25


@kernel(error_model="numpy")
def draw(words, slot):  # type: ignore[no-untyped-def]
    """Return the image's uniform number of a slot, in [0, 1); `words` is (key0, key1, stream, epoch, index), (5,) uint64."""
    return uniform_at(slot, words[4], words[3], words[2], words[0], words[1])


@kernel(error_model="numpy")
def draw_contractive(words, affine):  # type: ignore[no-untyped-def]
    """Fill affine maps, (K, 6) float32, whose singular values s1 >= s2 in [0, 1] have s1 + 2 s2 sum to a well-filled range."""
    num = affine.shape[0]
    total = (5.0 + num + draw(words, 3)) / 2.0
    p, q = total, total - 3.0 * num + 3.0
    for m in range(num):
        slot = SLOT_MAPS + SLOTS_PER_MAP * m
        u, v = draw(words, slot), draw(words, slot + 1)
        if m < num - 1:
            low, high = max(0.0, q / 3.0), min(1.0, p)
            s1 = low + (high - low) * u
            p, q = p - s1, q - s1
            low, high = max(0.0, q / 2.0), min(s1, p / 2.0)
            s2 = low + (high - low) * v
            p, q = p - 2.0 * s2, q - 2.0 * s2 + 3.0
        else:
            low, high = max(0.0, (p - 1.0) / 2.0), p / 3.0
            s2 = low + (high - low) * v
            s1 = p - 2.0 * s2
        _compose(words, slot + 2, s1, s2, affine[m])


@kernel(error_model="numpy")
def _compose(words, slot, s1, s2, out):  # type: ignore[no-untyped-def]
    """Write rotation * diag(+-s1, +-s2) * rotation and a translation in [-1, 1]^2, from six slots; `out` is (6,) float32."""
    left, right = 2.0 * np.pi * draw(words, slot), 2.0 * np.pi * draw(words, slot + 1)
    if draw(words, slot + 2) < 0.5:
        s1 = -s1
    if draw(words, slot + 3) < 0.5:
        s2 = -s2
    cl, sl, cr, sr = np.cos(left), np.sin(left), np.cos(right), np.sin(right)
    out[0] = cl * s1 * cr - sl * s2 * sr
    out[1] = -cl * s1 * sr - sl * s2 * cr
    out[2] = 2.0 * draw(words, slot + 4) - 1.0
    out[3] = sl * s1 * cr + cl * s2 * sr
    out[4] = -sl * s1 * sr + cl * s2 * cr
    out[5] = 2.0 * draw(words, slot + 5) - 1.0


@kernel(error_model="numpy")
def draw_coefficients(words, affine):  # type: ignore[no-untyped-def]
    """Fill affine maps, (K, 6) float32, with coefficients uniform in [-1, 1]."""
    for m in range(affine.shape[0]):
        for i in range(6):
            affine[m, i] = 2.0 * draw(words, SLOT_MAPS + SLOTS_PER_MAP * m + 9 + i) - 1.0


@kernel(error_model="numpy")
def draw_variations(words, kinds, weights, post):  # type: ignore[no-untyped-def]
    """Give each map one or two variations, mostly of two that the whole image shares, and a map after them; see `step_lanes`."""
    others = NUM_VARIATIONS - 1  # all but the first, which is linear
    shared_a, shared_b = 1 + int(others * draw(words, 4)), 1 + int(others * draw(words, 5))
    for m in range(kinds.shape[0]):
        slot = SLOT_MAPS + SLOTS_PER_MAP * m + 15
        u, v, w, t = draw(words, slot), draw(words, slot + 1), draw(words, slot + 2), draw(words, slot + 3)
        kinds[m, 0] = shared_a if u < 0.5 else (shared_b if u < 0.8 else int(NUM_VARIATIONS * v))
        kinds[m, 1] = 0 if t < 0.5 else shared_b
        weights[m, 0] = 0.6 + 0.5 * w
        weights[m, 1] = 0.5 * t if t < 0.7 else 0.0
        post[m, 0], post[m, 4] = 1.0, 1.0
        if draw(words, slot + 4) < 0.4:
            turn, scale = 2.0 * np.pi * draw(words, slot + 5), 0.6 + 0.6 * draw(words, slot + 6)
            post[m, 0], post[m, 1] = scale * np.cos(turn), -scale * np.sin(turn)
            post[m, 3], post[m, 4] = scale * np.sin(turn), scale * np.cos(turn)
            post[m, 2], post[m, 5] = draw(words, slot + 7) - 0.5, draw(words, slot + 8) - 0.5


@kernel(error_model="numpy")
def share_lanes(words, affine, by_area, ends, hues):  # type: ignore[no-untyped-def]
    """Give each map a range of lanes, by the area it fills or at random, and a colour; `ends` and `hues` as for `step_lanes`."""
    num = affine.shape[0]
    shares = np.empty(num)
    for m in range(num):
        area = abs(affine[m, 0] * affine[m, 4] - affine[m, 1] * affine[m, 3])
        shares[m] = area + 0.02 if by_area else LEAST_SHARE + draw(words, SLOT_MAPS + SLOTS_PER_MAP * m + 24)
        hues[m] = (m + draw(words, SLOT_MAPS + SLOTS_PER_MAP * m + 25)) / num
    total, running = shares.sum(), 0.0
    for m in range(num):
        running += shares[m]
        ends[m] = int(LANES * running / total + 0.5)
    ends[num - 1] = LANES

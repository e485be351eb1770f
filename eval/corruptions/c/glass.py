"""Frosted glass: pixels trade places with neighbours between two Gaussian blurs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel
from augment.kernels.counters import philox
from eval.corruptions.contract import Draws, Setting, corruption
from eval.corruptions.filters.gaussian import gaussian_filter
from eval.corruptions.levels import to_uint8


@corruption(
    group="blur",
    semantics=2,
    parameters={
        32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    },
    is_thresholded=True,
)
def glass_blur(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Blur, displace pixels by up to `delta` some times over, and blur again.

    The published exchange of two pixels acts on views of a colour image, so that both end up with the second one's value:
    pixels are copied and content is lost. The published colour files carry this, and so do ours. In a grey image the exchange
    is a true one.
    """
    sigma, delta, passes = setting.parameters
    levels = to_uint8(gaussian_filter(images / 255.0, sigma))
    displaced = displace(levels, setting.draws, int(delta), int(passes), likelihood=1.0, copies=images.shape[3] == 3)
    return to_uint8(gaussian_filter(displaced / 255.0, sigma))


def displace(
    levels: NDArray[np.uint8], draws: Draws, delta: int, passes: int, *, likelihood: float, copies: bool
) -> NDArray[np.uint8]:
    """Return images whose pixels were moved by -delta..delta - 1 along each axis, each with this likelihood.

    With `copies`, a pixel takes the other's value and the other keeps it; without, they swap.
    """
    moved = np.array(levels, order="C")
    _displace(moved, *draws.address("displace"), delta, passes, likelihood, copies)
    return moved


@kernel()
def _displace(images, low, high, stream, level, indices, delta, passes, likelihood, copies):  # type: ignore[no-untyped-def]
    """Exchange pixels with near ones, in place.

    Args:
        images: (N, H, W, C).
        low: Low word of the key; low to indices are the words of `philox`, one index an image.
        delta: Largest displacement in pixels.
        passes: Times that all pixels are gone through, in the published order, from the lower right.
        likelihood: Share of the pixels that move.
        copies: Whether the other pixel keeps its value.
    """
    count, height, width, channels = images.shape
    for n in range(count):
        for turn in range(passes):
            for y in range(height - delta, delta, -1):
                for x in range(width - delta, delta, -1):
                    slot = (turn * height + y) * width + x
                    w0, w1, w2, _ = philox(slot, indices[n], level, stream, low, high)
                    if w2 >= likelihood * 4294967296.0:
                        continue
                    other_x = x + np.int64((w0 * np.uint64(2 * delta)) >> np.uint64(32)) - delta
                    other_y = y + np.int64((w1 * np.uint64(2 * delta)) >> np.uint64(32)) - delta
                    for c in range(channels):
                        here = images[n, y, x, c]
                        images[n, y, x, c] = images[n, other_y, other_x, c]
                        if not copies:
                            images[n, other_y, other_x, c] = here


def _warm_up() -> None:
    draws = Draws(0, "warm", 1, np.zeros(1, dtype=np.int64))
    displace(np.zeros((1, 8, 8, 3), dtype=np.uint8), draws, 1, 1, likelihood=1.0, copies=True)


WARM_UP = (_warm_up,)

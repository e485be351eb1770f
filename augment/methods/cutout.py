"""Cutout: one square hole per image, filled with the mean colour.

DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017), as in
uoguelph-mlrg/Cutout: the centre is uniform over the pixels, the hole is clipped at the borders, and the filling is zero after
normalisation, which is the context's mean before it. Half the image's side is the size in the PixMix paper's tables.
"""

# mypy: no-check-untyped-defs
# (kernels are typed by Numba)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel, read_only
from augment.kernels.counters import SampleKeys, integers
from augment.kernels.mixings import to_unit
from augment.method import Method, require_fraction
from augment.treatment import Treatment, TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutConfig:
    """Hyper-parameters of Cutout.

    Attributes:
        side_fraction: Side of the square hole as a fraction of the image's side.
    """

    side_fraction: float = 0.5

    def __post_init__(self) -> None:
        require_fraction(self, "side_fraction")


def cut_out(
    images: NDArray[Any], centres: NDArray[np.int64], *, length: int, fill: tuple[float, ...]
) -> NDArray[np.float32]:
    """Return images with a square hole each.

    Args:
        images: (N, H, W, C) uint8, or float32 in [0, 1]; not written to.
        centres: Row and column of each hole's centre, (N, 2) int64.
        length: Side of the hole in pixels; it reaches length // 2 to both sides of the centre.
        fill: Value of each channel in the hole, C values in [0, 1].

    Returns:
        (N, H, W, C) float32 in [0, 1].
    """
    out = np.empty(images.shape, dtype=np.float32)
    if images.dtype != np.uint8:
        np.copyto(out, images)
    if out.size:
        source = read_only(images if images.dtype == np.uint8 else np.empty((len(images), 0, 0, 0), dtype=np.uint8))
        _cut_out(source, centres, length // 2, np.array(fill, dtype=np.float32), out)
    return out


@kernel()
def _cut_out(images, centres, half, fill, out):  # type: ignore[no-untyped-def]
    """Fill the holes of `out`; bytes are converted into it first, and empty `images` mean that it has the pixels already."""
    height, width, channels = out.shape[1:]
    for index in range(out.shape[0]):
        if images.size:
            to_unit(images[index].reshape(-1), out[index].reshape(-1))
        top, bottom = max(centres[index, 0] - half, 0), min(centres[index, 0] + half, height)
        left, right = max(centres[index, 1] - half, 0), min(centres[index, 1] + half, width)
        for row in range(top, bottom):
            for column in range(left, right):
                for channel in range(channels):
                    out[index, row, column, channel] = fill[channel]


class Cutout(Treatment):
    """Cutout as a sample stage; takes uint8 or, after another method, float32 images."""

    def __init__(self, config: CutoutConfig, context: TreatmentContext) -> None:
        self._side_fraction = config.side_fraction
        self._fill = context.mean

    def sample(self, images: NDArray[Any], keys: SampleKeys) -> NDArray[np.float32]:
        """Cut a hole into every image: (N, H, W, C) -> (N, H, W, C) float32 in [0, 1]."""
        height, width = images.shape[1:3]
        rows = integers(keys, 1, height, stream="cutout-row")
        columns = integers(keys, 1, width, stream="cutout-column")
        length = int(min(height, width) * self._side_fraction)
        return cut_out(images, np.concatenate([rows, columns], axis=1), length=length, fill=self._fill)


def _warm_up() -> None:
    cut_out(np.zeros((1, 2, 2, 1), dtype=np.uint8), np.zeros((1, 2), dtype=np.int64), length=2, fill=(0.0,))


WARM_UP = (_warm_up,)


METHOD: Final = Method(
    name="cutout",
    title="Cutout",
    semantics=1,
    config=CutoutConfig,
    stages=frozenset({"sample"}),
    build=Cutout,
    kernels=WARM_UP,
    accepts_float=True,
    returns_float=True,
    what="Fill one square of half the side, at a random place, with the mean colour.",
    source="DeVries and Taylor, Cutout (2017); uoguelph-mlrg/Cutout",
    unstated="Cutout's size (half the side here)",
)

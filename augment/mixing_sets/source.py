"""What a mixing set's builder is given and what it returns. Light to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from augment.errors import AugmentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MixingSetError(AugmentError):
    """A mixing set that cannot be named, configured, built or read."""


ModelProvider = Callable[[str], Any]
"""Gives the trained network (`torch.nn.Module`, pixels in [0, 1] as input) of a train key."""

Progress = Callable[[int, int], None]
"""Is told (images done, images in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequest:
    """What a builder may know of the array it has to fill.

    Attributes:
        num_pictures: Images M.
        image_size: Side S in pixels.
        num_channels: 1 (grey) or 3 (RGB).
        seed: Seed of everything random.
        data_root: Folder of downloaded data.
        cache_dir: Folder of generated files; parts of a composed set are built there.
        models: Gives trained networks by train key, or None.
        progress: Told of parts that are built on the way.
    """

    num_pictures: int
    image_size: int
    num_channels: int
    seed: int
    data_root: Path
    cache_dir: Path
    models: ModelProvider | None = None
    progress: Progress | None = None


class ImageSource(Protocol):
    """Renders images by index; image i never depends on which others are asked for."""

    @property
    def chunk(self) -> int:
        """Images that are rendered, written and recorded together."""

    @property
    def is_threaded(self) -> bool:
        """Whether several threads may render at once and gain by it."""

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""

"""What a mixing set is: a description, what its source of images is given, and what that renders. Light to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from augment.errors import AugmentError, NoSpaceError
from augment.files.published import Identified
from augment.kernels.compiled import WarmUp

Origin = Literal["procedural", "files", "trained"]

ModelProvider = Callable[[str], Any]
"""Gives the trained network (`torch.nn.Module`, pixels in [0, 1] as input) of a train key."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


class MixingSetError(AugmentError):
    """A mixing set that cannot be named, configured, built or read."""


class NoSpaceForSet(MixingSetError, NoSpaceError):
    """A mixing set that the disk has no room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequest:
    """What a source may know of the array that it has to fill.

    Attributes:
        num_images: Images M.
        image_size: Side S in pixels.
        num_channels: 1 (grey) or 3 (RGB).
        seed: Seed of everything random.
        data_root: Folder of downloaded data.
        cache_dir: Folder of generated files.
        models: Gives trained networks by train key, or None.
        progress: Called as images are done.
    """

    num_images: int
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


def stored_side_with_crop(training_side: int) -> int:
    """Return 8/7 of a side, rounded down: 32 -> 36, 28 -> 32, 224 -> 256, the published resize before the random crop."""
    return training_side * 8 // 7


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingSet:
    """A mixing set, described.

    Attributes:
        name: Key in `MIXING_SETS`, as written in sweeps.
        title: Row label in tables.
        semantics: Raised by hand whenever the images for the same request change.
        config: Frozen dataclass of the parameters, with the published values as defaults.
        origin: "procedural" (rendered from numbers), "files" (read from disk) or "trained" (needs trained networks).
        num_images: Images of the published set.
        build: Makes the source of images from a config and a request.
        what: One sentence.
        source: Paper and reference code; for files, how to get them.
        stored_side: Side of the stored images for a side of training images.
        content: More plain values of the identity: the hash of files, the semantics of parts.
        identified: What identifies its files, or None for a set that is made from none.
        hidden: Fields of the config that are no part of the identity (paths).
        files: Names of the files and folders in the data root that it is made from.
        look: Looks at the names of those files while planning and raises what building would raise; None where it is enough
            that they are there.
        unstated: What the published sources leave unstated about it, and what was chosen here; "" for nothing.
        kernels: Warm-up calls of the kernels that its source uses.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    title: str
    semantics: int
    config: type
    origin: Origin
    num_images: int
    build: Callable[[Any, SetRequest], ImageSource]
    what: str
    source: str
    stored_side: Callable[[int], int] = stored_side_with_crop
    content: Callable[[Any, Path | None], Mapping[str, Any]] = lambda config, data_root: {}
    identified: Callable[[Any, Path | None], Identified | None] = lambda config, data_root: None
    hidden: frozenset[str] = frozenset()
    files: Callable[[Any], tuple[str, ...]] = lambda config: ()
    look: Callable[[Any, Path], object] | None = None
    unstated: str = ""
    kernels: tuple[WarmUp, ...] = ()
    code: Mapping[str, str] | None = None

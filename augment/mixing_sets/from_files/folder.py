"""Any folder of images as a mixing set.

Images are resized by their shorter side (bilinear with antialiasing, as Pillow does it) and cropped to the middle square; the
published pipeline crops at random along the longer side too. All pixels are decoded, unless the option `fast_jpeg` is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.files.content import content_of
from augment.files.decode import middle_square
from augment.files.published import Identified, absent
from augment.files.reading import WholeImages
from augment.files.trial import tried_images_in
from augment.files.walk import ImageFolder, ImageFolderError
from augment.kernels.counters import permutation
from augment.mixing_sets.contract import MixingSet, MixingSetError, SetRequest
from augment.mixing_sets.images import to_channels

FAST_JPEG_SEMANTICS: Final = 1
"""Version of the pixels of `fast_jpeg`; raise it when they change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderConfig:
    """Any folder of images.

    Attributes:
        folder: Name of a folder in the data root, for example "paintings" or "art/oil"; searched recursively.
        fast_jpeg: Decode JPEG at the smallest of the scales 1/2, 1/4 and 1/8 that is at least twice the stored side: several
            times faster for large images, and a few grey levels off (up to 8 on smooth ones).
    """

    folder: str = "pictures"
    fast_jpeg: bool = False

    def __post_init__(self) -> None:
        if not self.folder or Path(self.folder).is_absolute() or ".." in Path(self.folder).parts:
            raise ValueError(
                f"folder must be a relative name in the data root, but is {self.folder!r}; move or link it there"
            )


class FolderSource:
    """Reads image files; the order is a permutation by the seed, repeated where more images are asked than there are.

    The next file of the walk replaces one that cannot be decoded; more than one in a hundred are refused.
    """

    chunk = 256
    is_threaded = True

    def __init__(self, files: WholeImages, request: SetRequest, *, fast_jpeg: bool) -> None:
        self._files, self._request = files, request
        self._at_least = 2 * request.image_size if fast_jpeg else None
        self._order = permutation(request.seed, 0, len(self._files), stream="mixing-set/files")

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8.

        Raises:
            MixingSetError: If too many files cannot be decoded, or one cannot be read.
        """
        size = self._request.image_size
        rgb = np.empty((len(indices), size, size, 3), np.uint8)
        try:
            for row, index in zip(rgb, indices, strict=True):
                number = int(self._order[index % len(self._files)])
                row[:] = middle_square(self._files.image(number, at_least=self._at_least)[0], size)
        except ImageFolderError as error:
            raise MixingSetError(str(error)) from error
        except OSError as error:
            raise MixingSetError(f"{error.filename} must be readable, but is not: {error.strerror}") from error
        return to_channels(rgb, self._request.num_channels)


def fast_jpeg_content(is_fast: bool) -> Mapping[str, Any]:
    """Return the version of fast decoding as part of the identity, where it is on."""
    return {"fast_jpeg": FAST_JPEG_SEMANTICS} if is_fast else {}


def folder_files(config: FolderConfig, data_root: Path | None) -> Identified:
    """Return what identifies the images of the folder, "pending" while it cannot be seen or is empty."""
    content = "" if data_root is None else content_of(data_root, config.folder)
    return Identified(key=content, state="given", content=content) if content else absent("")


def folder_content(config: FolderConfig, data_root: Path | None) -> Mapping[str, Any]:
    """Return the content hash of the folder as part of the identity."""
    return {"content": folder_files(config, data_root).key, **fast_jpeg_content(config.fast_jpeg)}


def folder_images(config: FolderConfig, data_root: Path) -> ImageFolder:
    """Return the images of the folder, after trying whether they can be decoded.

    Raises:
        MixingSetError: If the folder is absent, has no image, or too many that cannot be read.
    """
    try:
        return tried_images_in(data_root / config.folder, "mixing set 'folder'")
    except ImageFolderError as error:
        raise MixingSetError(f"{error}; or set folder=NAME") from error


def build_folder(config: FolderConfig, request: SetRequest) -> FolderSource:
    """Return the source of a folder's images; raises as `folder_images`."""
    found = folder_images(config, request.data_root)
    return FolderSource(WholeImages(found.root, found.names, found.unread), request, fast_jpeg=config.fast_jpeg)


FOLDER: Final = MixingSet(
    name="folder",
    title="Image folder",
    semantics=2,
    config=FolderConfig,
    origin="files",
    num_images=14_230,
    build=build_folder,
    what="The images of any folder, identified by their content.",
    source="put images there, or set folder=NAME",
    content=folder_content,
    identified=folder_files,
    files=lambda config: (config.folder,),
    look=folder_images,
)

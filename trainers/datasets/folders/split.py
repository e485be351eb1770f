"""Any folder of images, one sub-folder per class: decoded in parallel once, kept as one uint8 array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment.files.arrays import decoded_images
from augment.files.walk import images_in
from trainers.datasets.folders.crops import centre_crop
from trainers.datasets.folders.listing import Listing, listing_of
from trainers.datasets.user_folder import content_identity
from trainers.errors import as_data_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageArrays:
    """A decoded folder.

    Attributes:
        images: (N, S, S, 3) uint8: shorter side resized, centre cropped; mapped from a file.
        labels: Index of the sub-folder in sorted order, (N,) int64.
        classes: Names of the sub-folders.
        broken: Files that could not be decoded and were left out.
        fingerprint: Identity of the files and of how they were decoded.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    broken: tuple[str, ...]
    fingerprint: str


def read_folder(folder: Path, *, image_size: int, cache_dir: Path) -> ImageArrays:
    """Decode a folder of images, or open the array that an earlier call kept.

    Args:
        folder: Images, directly inside or one sub-folder per class.
        image_size: Side of the square results in pixels.
        cache_dir: Folder for the decoded array; its name follows names and content of the files.

    Raises:
        MissingData: If there is no such folder, or no image in it.
        CorruptData: If too many images cannot be decoded; names the first.
    """
    with as_data_errors():
        found = images_in(folder, "a stream of outliers")
        identity = content_identity(found)
    return decoded(listing_of(found), identity=identity, resize=image_size, size=image_size, cache_dir=cache_dir)


def decoded(listing: Listing, *, identity: str, resize: int, size: int, cache_dir: Path) -> ImageArrays:
    """Return the decoded images of a listing; one process of the node decodes, the others wait and share.

    Args:
        listing: Which images.
        identity: Content of the images.
        resize: Length of the shorter side before the crop.
        size: Side of the centre crop.
        cache_dir: Folder for the decoded array.

    Raises:
        CorruptData: If too many images cannot be decoded; names the first.
    """
    with as_data_errors():
        made = decoded_images(
            listing.root,
            listing.names,
            identity=f"{identity} {listing.fingerprint} {resize} {size}",
            shape=(size, size, 3),
            fit=partial(centre_crop, resize=resize, size=size),
            cache_dir=cache_dir,
            unread=listing.unread,
        )
    return ImageArrays(
        images=made.images,
        labels=listing.labels[made.whole],
        classes=listing.classes,
        broken=made.broken,
        fingerprint=made.fingerprint,
    )

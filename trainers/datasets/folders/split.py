"""Any folder of images, one sub-folder per class: decoded in parallel once, kept as one uint8 array."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from augment.files.arrays import decoded_images
from augment.files.walk import images_in
from trainers.datasets.contract import Split
from trainers.datasets.folders.crops import centre_crop
from trainers.datasets.folders.listing import Listing, listing_of
from trainers.datasets.user_folder import content_identity
from trainers.errors import as_data_errors


def read_folder(folder: Path, *, image_size: int, cache_dir: Path) -> Split:
    """Decode a folder of images, or open the array that an earlier call kept.

    Args:
        folder: Images, directly inside or one sub-folder per class.
        image_size: Side of the square results in pixels.
        cache_dir: Folder for the decoded array; its name follows names and content of the files.
    """
    with as_data_errors():
        found = images_in(folder, "a stream of outliers")
        identity = content_identity(found)
    return decoded(listing_of(found), identity=identity, resize=image_size, size=image_size, cache_dir=cache_dir)


def decoded(listing: Listing, *, identity: str, resize: int, size: int, cache_dir: Path) -> Split:
    """Return the decoded images of a listing; one process of the node decodes, the others wait and share.

    Args:
        resize: Length of the shorter side before the crop.
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
    labels = listing.labels[made.whole]
    return Split(images=made.images, labels=labels, fingerprint=made.fingerprint, broken=made.broken)

"""A copy of the training images that was changed beforehand (stylised, distorted), shown in place of some of them.

The published methods train on the clean set and its copy together, in epochs of twice the length. Here an image is shown either
clean or from the copy, by a coin of its own whose side turns from one epoch to the next: with a share of one half, two epochs
show every image once in each form, which is one epoch of the published union.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from augment.files.walk import named
from augment.kernels.counters import SampleKeys, uniforms
from trainers.errors import CorruptData

if TYPE_CHECKING:
    from augment.treatment import StoredCopy
    from trainers.config import RecipeConfig
    from trainers.datasets.contract import DatasetSpec
    from trainers.datasets.folders.listing import Listing
    from trainers.job import JobPaths
    from trainers.training.loader import ImageSource

STREAM: Final = "stored-copy"


class WithStoredCopy:
    """Training images of which some come from a copy; classes are always those of the clean images."""

    def __init__(self, clean: ImageSource, copy: ImageSource, *, share: float) -> None:
        """Join two sources of equally many images.

        Args:
            clean: The training images.
            copy: Their copy, in the same order, under the same crop and flip.
            share: Share of the images that come from the copy.
        """
        self._clean, self._copy, self._share = clean, copy, share
        self.num_images = clean.num_images
        self.fingerprint = f"{clean.fingerprint}+{copy.fingerprint}"

    def load(self, keys: SampleKeys) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the images of the keys, (n, H, W, C) uint8, and their classes, (n,) int64."""
        is_copy = self.from_copy(keys)
        if not is_copy.any():
            return self._clean.load(keys)
        if is_copy.all():
            return self._copy.load(keys)
        clean, labels = self._clean.load(_some(keys, ~is_copy))
        changed, changed_labels = self._copy.load(_some(keys, is_copy))
        images = np.empty((len(keys), *clean.shape[1:]), dtype=np.uint8)
        classes = np.empty(len(keys), dtype=np.int64)
        images[~is_copy], images[is_copy] = clean, changed
        classes[~is_copy], classes[is_copy] = labels, changed_labels
        return images, classes

    def plain(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return clean images as test images are shown, (n, H, W, C) uint8, and their classes, (n,)."""
        return self._clean.plain(indices)

    def from_copy(self, keys: SampleKeys) -> NDArray[np.bool_]:
        """Return which images come from the copy, (n,): a draw per pair of epochs, turned by half in the second of them."""
        pair = SampleKeys(keys.seed, keys.epoch // 2, keys.indices)
        draws = uniforms(pair, 1, stream=STREAM)[:, 0]
        turned: NDArray[np.bool_] = (draws + 0.5 * (keys.epoch % 2)) % 1.0 < self._share
        return turned


def with_stored_copy(
    clean: ImageSource, stored: StoredCopy, dataset: DatasetSpec, recipe: RecipeConfig, paths: JobPaths
) -> WithStoredCopy:
    """Return the training images of a dataset joined with a copy in a folder.

    The copy of a dataset in folders has the same names (suffixes may differ); that of any other dataset has as many files as
    there are training images, in the order of their names.

    Args:
        clean: The training images.
        stored: Where the copy lies, and its share.
        dataset: The dataset.
        recipe: Its crop and flip are done with the copy too.
        paths: Where datasets and listings lie.

    Raises:
        CorruptData: If the copy does not hold one decodable image for each of the training images.
    """
    from augment.files.walk import walk_images
    from trainers.datasets.folders.listing import listing_of
    from trainers.errors import as_data_errors

    with as_data_errors():
        listing = listing_of(walk_images(stored.folder))
    if len(listing) != clean.num_images:
        raise CorruptData(
            f"a stored copy of {dataset.name!r} must have one image for each of its {clean.num_images} training images, but "
            f"{stored.folder} has {len(listing)}; make the copy again"
        )
    if not dataset.is_resident:
        from trainers.datasets.folders.listing import list_split
        from trainers.training.images import ImageFiles

        whole = list_split(dataset, "train", Path(paths.data_root), Path(paths.cache_dir))
        _check_names(listing.names, whole.names, stored.folder)
        copy: ImageSource = ImageFiles(listing, image_size=dataset.image_size, flip=recipe.flip)
    else:
        copy = _resident_copy(clean, listing, dataset, recipe)
    return WithStoredCopy(clean, copy, share=stored.share)


def _resident_copy(clean: ImageSource, listing: Listing, dataset: DatasetSpec, recipe: RecipeConfig) -> ImageSource:
    from augment.files.decode import UndecodableImage, decode_image
    from trainers.datasets.folders.crops import centre_crop
    from trainers.datasets.load import fingerprint
    from trainers.errors import as_data_errors
    from trainers.training.images import ResidentImages

    size = dataset.image_size
    images = np.empty((len(listing), size, size, dataset.num_channels), dtype=np.uint8)
    broken = list(listing.unread)
    for row, name in zip(images, listing.names, strict=True):
        try:
            with as_data_errors():
                image = decode_image(listing.root / name)
        except UndecodableImage:
            broken.append(name)
            continue
        shown = image if dataset.num_channels == 3 else image.convert("L")
        row[:] = centre_crop(shown, resize=size, size=size).reshape(row.shape)
    if broken:
        raise CorruptData(
            f"every image of a stored copy must be whole, but {len(broken)} in {listing.root} are not: {named(broken)}; "
            "make them again"
        )
    labels = _labels_of(clean)
    return ResidentImages(
        images,
        labels,
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        resized_crop=recipe.crop == "resized",
        fingerprint=fingerprint(images, labels),
    )


def _labels_of(clean: ImageSource) -> NDArray[np.int64]:
    return clean.plain(np.arange(clean.num_images, dtype=np.int64))[1]


def _check_names(copied: tuple[str, ...], clean: tuple[str, ...], folder: Path) -> None:
    wrong = [
        name
        for name, origin in zip(copied, clean, strict=True)
        if Path(name).with_suffix("") != Path(origin).with_suffix("")
    ]
    if wrong:
        raise CorruptData(
            f"a stored copy must have the names of the training images, but {len(wrong)} in {folder} differ: "
            f"{named(wrong)}; keep the names when the copy is made"
        )


def _some(keys: SampleKeys, chosen: NDArray[np.bool_]) -> SampleKeys:
    return SampleKeys(keys.seed, keys.epoch, keys.indices[chosen])

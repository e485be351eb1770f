"""Training images: resident arrays that are gathered, files that are decoded when needed, or either joined with a stored copy.

A stored copy is the training images changed beforehand (stylised, distorted). The published methods train on the clean set and
its copy together, in epochs of twice the length. Here an image is shown either clean or from the copy, by a coin whose side turns
from one epoch to the next: with a share of one half, two epochs show every image once in each form, which is one epoch of the
published union.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.files.decode import UndecodableImage, decode_image
from augment.files.reading import WholeImages
from augment.files.walk import named, walk_images
from augment.kernels.counters import SampleKeys, uniforms
from augment.kernels.geometry import gather_crop_flip
from augment.treatment import StoredCopy
from trainers.config import RecipeConfig
from trainers.datasets.contract import Arrays, DatasetSpec
from trainers.datasets.folders.crops import CROP_SLOTS, centre_crop, random_resized_crop
from trainers.datasets.folders.listing import Listing, list_split, listing_of
from trainers.datasets.load import fingerprint, shared_split
from trainers.errors import CorruptData, as_data_errors

CROP_STREAM: Final = "resized-crop"
COPY_STREAM: Final = "stored-copy"


class ImageSource(Protocol):
    """Training images, of whichever kind."""

    @property
    def num_images(self) -> int:
        """Images of the split."""

    @property
    def fingerprint(self) -> str:
        """Identity of the split's content."""

    def load(self, keys: SampleKeys) -> Arrays:
        """Return images after the recipe's crop and flip, (n, H, W, C) uint8, and their classes, (n,) int64."""

    def plain(self, indices: NDArray[np.int64]) -> Arrays:
        """Return images as test images are, (n, H, W, C) uint8, and their classes, (n,) int64."""


def training_images(dataset: DatasetSpec, recipe: RecipeConfig, data_root: Path, cache_dir: Path) -> ImageSource:
    """Return the training images of a dataset under a recipe's crop and flip.

    Raises:
        DataError: If data is missing or corrupt.
    """
    if not dataset.is_resident:
        listing = list_split(dataset, "train", data_root, cache_dir)
        resize = max(dataset.resize, dataset.image_size)
        return ImageFiles(listing, image_size=dataset.image_size, flip=recipe.flip, resize=resize)
    split = shared_split(dataset.name, "train", data_root, cache_dir)
    return _resident(split.images, split.labels, recipe, split.fingerprint)


def _resident(
    images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: RecipeConfig, identity: str
) -> ResidentImages:
    return ResidentImages(
        images,
        labels,
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        resized_crop=recipe.crop == "resized",
        fingerprint=identity,
    )


class ResidentImages:
    """A split in memory; the random crop and the flip are done while gathering."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        *,
        crop_padding: int,
        flip: bool,
        resized_crop: bool = False,
        fingerprint: str = "",
    ) -> None:
        """Describe a split.

        Args:
            images: (N, H, W, C) uint8, never written to.
            labels: (N,) int64.
            crop_padding: Zero padding of the random crop in pixels; 0 for none.
            flip: Horizontal flip with probability 1/2, before the crop.
            resized_crop: Cut a random area and resize it, instead of the crop of the padded image.
        """
        self._images = images
        self._labels = labels
        self._crop_padding = crop_padding
        self._flip = flip
        self._resized_crop = resized_crop
        self.num_images = len(labels)
        self.fingerprint = fingerprint

    def load(self, keys: SampleKeys) -> Arrays:
        """Return the images of the keys, flipped and cropped, (n, H, W, C), and their classes, (n,)."""
        labels = self._labels[keys.indices]
        if self._resized_crop:
            return self._cut(keys), labels
        rows = keys.indices
        return gather_crop_flip(self._images, rows, keys, padding=self._crop_padding, flip=self._flip), labels

    def plain(self, indices: NDArray[np.int64]) -> Arrays:
        """Return images as they are, (n, H, W, C) uint8, and their classes, (n,): for validation."""
        return self._images[indices], self._labels[indices]

    def _cut(self, keys: SampleKeys) -> NDArray[np.uint8]:
        chosen = self._images[keys.indices]
        draws = crop_draws(keys, flip=self._flip)
        planes = chosen[..., 0] if chosen.shape[3] == 1 else chosen
        cut = [
            random_resized_crop(Image.fromarray(image), draw, chosen.shape[1])
            for image, draw in zip(planes, draws, strict=True)
        ]
        return np.stack(cut)


class ImageFiles:
    """Images in files, decoded when they are needed: a random area of a random ratio, resized, perhaps flipped.

    The next file of the listing replaces one that cannot be decoded, on every worker alike; the files are counted and named, and
    above one in a hundred the folder is refused.
    """

    def __init__(self, listing: Listing, *, image_size: int, flip: bool, resize: int = 0) -> None:
        """Describe the files.

        Args:
            image_size: Side of the images in pixels.
            flip: Horizontal flip with probability 1/2.
            resize: Length that the shorter side of an image for validation is resized to; 0 for `image_size`.
        """
        self._resize = resize or image_size
        self._files = WholeImages(listing.root, listing.names, listing.unread)
        self._listing = listing
        self._image_size = image_size
        self._flip = flip
        self.num_images = len(listing)
        self.fingerprint = listing.fingerprint

    def load(self, keys: SampleKeys) -> Arrays:
        """Return the images of the keys, cut, resized and flipped, (n, S, S, 3), and their classes, (n,)."""
        draws = crop_draws(keys, flip=self._flip)
        images = np.empty((len(keys), self._image_size, self._image_size, 3), dtype=np.uint8)
        labels = np.empty(len(keys), dtype=np.int64)
        for row, index in enumerate(keys.indices.tolist()):
            image, whole = self._whole(index)
            images[row] = random_resized_crop(image, draws[row], self._image_size)
            labels[row] = self._listing.labels[whole]
        return images, labels

    @property
    def broken(self) -> set[int]:
        """Indices of the files that could not be decoded so far."""
        return self._files.broken

    def plain(self, indices: NDArray[np.int64]) -> Arrays:
        """Return images as test images are, centre cropped, (n, S, S, 3) uint8, and their classes, (n,)."""
        found = [self._whole(index) for index in indices.tolist()]
        cut = [centre_crop(image, resize=self._resize, size=self._image_size) for image, _ in found]
        return np.stack(cut), self._listing.labels[np.array([whole for _, whole in found])]

    def _whole(self, index: int) -> tuple[Image.Image, int]:
        """Return the image of an index, or of the next whole file after it, and the index of that one."""
        with as_data_errors():
            return self._files.image(index)


class WithStoredCopy:
    """Training images of which some come from a copy; classes are always those of the clean images."""

    def __init__(self, clean: ImageSource, copy: ImageSource, *, share: float) -> None:
        """Join two sources of equally many images.

        Args:
            copy: Their copy, in the same order, under the same crop and flip.
            share: Share of the images that come from the copy.
        """
        self._clean, self._copy, self._share = clean, copy, share
        self.num_images = clean.num_images
        self.fingerprint = f"{clean.fingerprint}+{copy.fingerprint}"

    def load(self, keys: SampleKeys) -> Arrays:
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

    def plain(self, indices: NDArray[np.int64]) -> Arrays:
        """Return clean images as test images are, (n, H, W, C) uint8, and their classes, (n,)."""
        return self._clean.plain(indices)

    def from_copy(self, keys: SampleKeys) -> NDArray[np.bool_]:
        """Return which images come from the copy, (n,): a draw per pair of epochs, turned by half in the second of them."""
        pair = SampleKeys(keys.seed, keys.epoch // 2, keys.indices)
        draws = uniforms(pair, 1, stream=COPY_STREAM)[:, 0]
        turned: NDArray[np.bool_] = (draws + 0.5 * (keys.epoch % 2)) % 1.0 < self._share
        return turned


def with_stored_copy(
    clean: ImageSource, stored: StoredCopy, dataset: DatasetSpec, recipe: RecipeConfig, data_root: Path, cache_dir: Path
) -> WithStoredCopy:
    """Return the training images of a dataset joined with a copy in a folder, under the same crop and flip.

    The copy of a dataset in folders has the same names (suffixes may differ); that of any other dataset has as many files as
    there are training images, in the order of their names.
    """
    with as_data_errors():
        listing = listing_of(walk_images(stored.folder))
    if len(listing) != clean.num_images:
        raise CorruptData(
            f"a stored copy of {dataset.name!r} must have one image for each of its {clean.num_images} training images, but "
            f"{stored.folder} has {len(listing)}; make the copy again"
        )
    if dataset.is_resident:
        return WithStoredCopy(clean, _resident_copy(clean, listing, dataset, recipe), share=stored.share)
    whole = list_split(dataset, "train", data_root, cache_dir)
    _check_names(listing.names, whole.names, stored.folder)
    copy = ImageFiles(listing, image_size=dataset.image_size, flip=recipe.flip)
    return WithStoredCopy(clean, copy, share=stored.share)


def _resident_copy(clean: ImageSource, listing: Listing, dataset: DatasetSpec, recipe: RecipeConfig) -> ImageSource:
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
        converted = image if dataset.num_channels == 3 else image.convert("L")
        row[:] = centre_crop(converted, resize=size, size=size).reshape(row.shape)
    if broken:
        raise CorruptData(
            f"every image of a stored copy must be whole, but {len(broken)} in {listing.root} are not: {named(broken)}; "
            "make them again"
        )
    labels = clean.plain(np.arange(clean.num_images, dtype=np.int64))[1]
    return _resident(images, labels, recipe, fingerprint(images, labels))


def _check_names(copied: tuple[str, ...], clean: tuple[str, ...], folder: Path) -> None:
    pairs = zip(copied, clean, strict=True)
    wrong = [name for name, origin in pairs if Path(name).with_suffix("") != Path(origin).with_suffix("")]
    if wrong:
        raise CorruptData(
            f"a stored copy must have the names of the training images, but {len(wrong)} in {folder} differ: "
            f"{named(wrong)}; keep the names when the copy is made"
        )


def crop_draws(keys: SampleKeys, *, flip: bool) -> NDArray[np.float64]:
    """Return the draws of `random_resized_crop` for each key, (n, CROP_SLOTS); without flips the last is 1."""
    draws = uniforms(keys, CROP_SLOTS, stream=CROP_STREAM)
    if not flip:
        draws[:, -1] = 1.0
    return draws


def _some(keys: SampleKeys, chosen: NDArray[np.bool_]) -> SampleKeys:
    return SampleKeys(keys.seed, keys.epoch, keys.indices[chosen])

"""Training images: resident arrays that are gathered, or files that are decoded when needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys, uniforms
from trainers.datasets.contract import DatasetSpec

if TYPE_CHECKING:
    from PIL.Image import Image

    from trainers.config import RecipeConfig
    from trainers.datasets.folders.listing import Listing
    from trainers.training.loader import ImageSource

CROP_STREAM: Final = "resized-crop"


def training_images(dataset: DatasetSpec, recipe: RecipeConfig, data_root: Path, cache_dir: Path) -> ImageSource:
    """Return the training images of a dataset under a recipe's crop and flip.

    Raises:
        DataError: If data is missing or corrupt.
    """
    from trainers.datasets.load import shared_split

    if not dataset.is_resident:
        from trainers.datasets.folders.listing import list_split

        listing = list_split(dataset, "train", data_root, cache_dir)
        return ImageFiles(
            listing, image_size=dataset.image_size, flip=recipe.flip, resize=max(dataset.resize, dataset.image_size)
        )
    split = shared_split(dataset.name, "train", data_root, cache_dir)
    return ResidentImages(
        split.images,
        split.labels,
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        resized_crop=recipe.crop == "resized",
        fingerprint=split.fingerprint,
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
        """Hold a split.

        Args:
            images: (N, H, W, C) uint8, never written to.
            labels: (N,) int64.
            crop_padding: Zero padding of the random crop in pixels; 0 for none.
            flip: Horizontal flip with probability 1/2, before the crop.
            resized_crop: Cut a random area and resize it, instead of the crop of the padded image.
            fingerprint: Identity of the split's content.
        """
        self._images = images
        self._labels = labels
        self._crop_padding = crop_padding
        self._flip = flip
        self._resized_crop = resized_crop
        self.num_images = len(labels)
        self.fingerprint = fingerprint

    def load(self, keys: SampleKeys) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the images of the keys, flipped and cropped, (n, H, W, C), and their classes, (n,)."""
        from augment.kernels.geometry import gather_crop_flip

        labels = self._labels[keys.indices]
        if self._resized_crop:
            return self._cut(keys), labels
        rows = keys.indices
        return gather_crop_flip(self._images, rows, keys, padding=self._crop_padding, flip=self._flip), labels

    def plain(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return images as they are, (n, H, W, C) uint8, and their classes, (n,): for validation."""
        return self._images[indices], self._labels[indices]

    def _cut(self, keys: SampleKeys) -> NDArray[np.uint8]:
        from PIL import Image

        from trainers.datasets.folders.crops import random_resized_crop

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

    The next file of the listing stands in for one that cannot be decoded, on every worker alike; the files are counted and
    named, and above one in a hundred the folder is refused.
    """

    def __init__(self, listing: Listing, *, image_size: int, flip: bool, resize: int = 0) -> None:
        """Hold the names and classes of the files.

        Args:
            listing: The files.
            image_size: Side of the images in pixels.
            flip: Horizontal flip with probability 1/2.
            resize: Length that the shorter side of an image for validation is resized to; 0 for `image_size`.
        """
        from augment.files.reading import WholeImages

        self._resize = resize or image_size
        self._files = WholeImages(listing.root, listing.names, listing.unread)
        self._listing = listing
        self._image_size = image_size
        self._flip = flip
        self.num_images = len(listing)
        self.fingerprint = listing.fingerprint

    def load(self, keys: SampleKeys) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the images of the keys, cut, resized and flipped, (n, S, S, 3), and their classes, (n,)."""
        from trainers.datasets.folders.crops import random_resized_crop

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

    def plain(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return images as test images are shown, centre cropped, (n, S, S, 3) uint8, and their classes, (n,)."""
        from trainers.datasets.folders.crops import centre_crop

        found = [self._whole(index) for index in indices.tolist()]
        cut = [centre_crop(image, resize=self._resize, size=self._image_size) for image, _ in found]
        return np.stack(cut), self._listing.labels[np.array([whole for _, whole in found])]

    def _whole(self, index: int) -> tuple[Image, int]:
        """Return the image of an index, or of the next whole file after it, and the index of that one."""
        from trainers.errors import as_data_errors

        with as_data_errors():
            return self._files.image(index)


def crop_draws(keys: SampleKeys, *, flip: bool) -> NDArray[np.float64]:
    """Return the draws of `random_resized_crop` for each key, (n, CROP_SLOTS); without flips the last is 1."""
    from trainers.datasets.folders.crops import CROP_SLOTS

    draws = uniforms(keys, CROP_SLOTS, stream=CROP_STREAM)
    if not flip:
        draws[:, -1] = 1.0
    return draws

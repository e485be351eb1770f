"""300K Random Images: the published array, each image kept with a border for the padded crop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from augment.files.content import file_hash
from augment.files.numpy_files import ArrayFileError, map_array
from augment.files.published import Identified, absent, own
from augment.kernels.counters import SampleKeys, permutation, uniforms
from augment.lookup.parameters import AtMost
from augment.mixing_sets.contract import MixingSet, MixingSetError, SetRequest
from augment.mixing_sets.images import resize_image, to_channels

RANDOM_IMAGES_FILE: Final = "300K_random_images.npy"
RANDOM_IMAGES_SHAPE: Final = (300_000, 32, 32, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomImagesConfig:
    """300K Random Images, stored with a border so that a random crop of the training side is a padded crop.

    Attributes:
        padding: Width of the black border in pixels.
        is_flipped: Whether every second image (at random) is mirrored.
    """

    padding: Annotated[int, AtMost(1_024)] = 4
    is_flipped: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.padding <= 64:
            raise ValueError(f"padding must be between 0 and 64 pixels, but got {self.padding}")


class RandomImagesSource:
    """Reads the published array; resized only where the stored side without border is not its own."""

    chunk = 1024
    is_threaded = True

    def __init__(self, config: RandomImagesConfig, array: NDArray[np.uint8], request: SetRequest) -> None:
        self._config, self._array, self._request = config, array, request
        self._order = permutation(request.seed, 0, len(array), stream="mixing-set/files")

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        size, pad = self._request.image_size, self._config.padding
        draws = uniforms(SampleKeys(self._request.seed, 0, indices), 1, stream="mixing-set/flip")[:, 0]
        rgb = np.zeros((len(indices), size, size, 3), np.uint8)
        mirrored = draws < (0.5 if self._config.is_flipped else 0.0)
        for image, index, is_mirrored in zip(rgb, indices, mirrored, strict=True):
            stored = resize_image(self._array[self._order[index % len(self._array)]], size - 2 * pad)
            image[pad : size - pad, pad : size - pad] = stored[:, ::-1] if is_mirrored else stored
        return to_channels(rgb, self._request.num_channels)


def random_images_file(data_root: Path | None) -> Identified:
    """Return what identifies 300K Random Images: their content, since no checksum was published."""
    path = None if data_root is None else data_root / RANDOM_IMAGES_FILE
    if path is None or not path.is_file():
        return absent(f"{RANDOM_IMAGES_FILE} {RANDOM_IMAGES_SHAPE}")
    return own(file_hash(path), f"no checksum of {RANDOM_IMAGES_FILE} is published")


def build_random_images(config: RandomImagesConfig, request: SetRequest) -> RandomImagesSource:
    """Return the source of 300K Random Images.

    Raises:
        MixingSetError: If the array is absent, is no array of RGB images, or the border leaves no room.
    """
    path = request.data_root / RANDOM_IMAGES_FILE
    if not path.is_file():
        raise MixingSetError(
            f"mixing set 'random-images-300k' needs {path}, which does not exist; put the published file there"
        )
    try:
        array = map_array(path)
    except ArrayFileError as error:
        raise MixingSetError(f"{path} must be an array of images, but {error}; download it again") from error
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3:
        raise MixingSetError(
            f"{path} must be an (M, H, W, 3) uint8 array, but is {array.dtype} {array.shape}; download it again"
        )
    if request.image_size <= 2 * config.padding:
        raise MixingSetError(
            f"image_size must exceed twice the padding of {config.padding} pixels, but is {request.image_size}; lower padding"
        )
    return RandomImagesSource(config, array, request)


RANDOM_IMAGES: Final = MixingSet(
    name="random-images-300k",
    title="300K Random Images",
    semantics=1,
    config=RandomImagesConfig,
    origin="files",
    num_images=300_000,
    build=build_random_images,
    what="Real images scraped from the web, 32 x 32, kept with a border for the padded crop.",
    source="hendrycks/outlier-exposure README; andyzoujm/pixmix cifar.py for the crop and flip",
    stored_side=lambda training_side: training_side + 8,  # four pixels of border on each side
    content=lambda config, data_root: {"content": random_images_file(data_root).key},
    identified=lambda config, data_root: random_images_file(data_root),
    files=lambda config: (RANDOM_IMAGES_FILE,),
)

"""Reading outlier streams (`trainers.datasets.streams` names them) in the size and channels of the training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from augment.files.numpy_files import ArrayFileError, map_array
from augment.mixing_sets.build import ensure_mixing_set, open_mixing_set
from augment.mixing_sets.registry import mixing_set_for
from trainers.datasets.folders.split import read_folder
from trainers.datasets.load import load_split
from trainers.datasets.registry import DATASETS
from trainers.datasets.streams import (
    FOLDER,
    GENERATED_SEED,
    NUM_GENERATED,
    RANDOM_IMAGES,
    RANDOM_IMAGES_FILE,
    generated_set,
    missing_random_images,
    stream_folder,
)
from trainers.errors import CorruptData, MissingData, unknown_name


def load_outliers(
    name: str, *, image_size: int, num_channels: int, data_root: Path, cache_dir: Path
) -> NDArray[np.uint8]:
    """Return the images of an outlier stream in the size and channels of the training images.

    Args:
        name: "random-images-300k", a key of `DATASETS` (its training split), "generated:SET" or "folder:PATH".
        image_size: Side of the result in pixels.
        num_channels: 1 (grey, by luma) or 3 (RGB).
        cache_dir: Folder for resized arrays.

    Returns:
        (M, image_size, image_size, num_channels) uint8; memory-mapped where it is stored in a file.

    Raises:
        UnknownName: If there is no such stream.
        DataError: If its data is missing or corrupt.
    """
    if name == RANDOM_IMAGES:
        images = random_images(data_root)
    elif name in DATASETS:
        images = load_split(name, "train", data_root).images
    elif (generator := generated_set(name)) is not None:
        images = _generated(generator, image_size, num_channels, data_root, cache_dir)
    elif name.startswith(FOLDER):
        images = read_folder(stream_folder(name, data_root), image_size=image_size, cache_dir=cache_dir).images
    else:
        raise unknown_name("outlier stream", name, [RANDOM_IMAGES, "generated:SET", "folder:PATH", *DATASETS])
    return fit_images(images, image_size=image_size, num_channels=num_channels)


def fit_images(images: NDArray[np.uint8], *, image_size: int, num_channels: int) -> NDArray[np.uint8]:
    """Bring images to a size (bilinear, antialiased) and to one or three channels (luma; copies).

    Args:
        images: (M, H, W, C) uint8.
        image_size: Side of the result in pixels.
        num_channels: 1 or 3.
    """
    if images.shape[3] != num_channels:
        images = _grey(images) if num_channels == 1 else np.repeat(images, 3, axis=3)
    if images.shape[1:3] != (image_size, image_size):
        images = _resized(images, image_size)
    return images


def _grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of ITU-R 601-2 with 16 fractional bits, as Pillow's "L"."""
    weights = np.array([19595, 38470, 7471], dtype=np.int64)
    grey = np.empty((*images.shape[:3], 1), dtype=np.uint8)
    for start in range(0, len(images), 4096):
        chunk = images[start : start + 4096].astype(np.int64)
        grey[start : start + 4096, ..., 0] = (chunk @ weights + 32768) >> 16
    return grey


def _resized(images: NDArray[np.uint8], image_size: int) -> NDArray[np.uint8]:
    out = np.empty((len(images), image_size, image_size, images.shape[3]), dtype=np.uint8)
    for start in range(0, len(images), 1024):
        chunk = torch.from_numpy(np.array(images[start : start + 1024])).permute(0, 3, 1, 2).to(torch.float32)
        large = functional.interpolate(chunk, size=(image_size, image_size), mode="bilinear", antialias=True)
        out[start : start + 1024] = large.round_().clamp_(0, 255).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    return out


def _generated(
    generator: str, image_size: int, num_channels: int, data_root: Path, cache_dir: Path
) -> NDArray[np.uint8]:
    file = ensure_mixing_set(
        mixing_set_for(generator),
        num_images=NUM_GENERATED,
        image_size=image_size,
        num_channels=num_channels,
        seed=GENERATED_SEED,
        params={},
        cache_dir=cache_dir,
        data_root=data_root,
    )
    return open_mixing_set(file)


def random_images(data_root: Path) -> NDArray[np.uint8]:
    """Return the published file of random images, (M, 32, 32, 3) uint8, mapped into memory.

    Raises:
        MissingData: If it is not there.
        CorruptData: If it is no such array.
    """
    path = data_root / RANDOM_IMAGES_FILE
    if not path.is_file():
        raise MissingData(missing_random_images(data_root))
    try:
        images = map_array(path)
    except ArrayFileError as error:
        raise CorruptData(f"{path} must be an array of images, but {error}; download it again") from error
    if images.ndim != 4 or images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
        raise CorruptData(
            f"{path} must be (M, 32, 32, 3) uint8, but is {images.shape} {images.dtype}; download it again"
        )
    return np.asarray(images)

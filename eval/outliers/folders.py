"""Outlier sets that are folders of images: brought to the size and channels of the test images, and kept in the cache."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.files.arrays import DecodedImages, decoded_images
from augment.files.content import folder_hash
from augment.files.walk import ImageFolderError
from eval.errors import EvalError
from eval.outliers.fit import fit_images
from eval.outliers.sets import UnreadableSetError, outlier_files

SEMANTICS: Final = 2
"""Version of `fit_image`."""

SMALL_SIDE: Final = 64
"""Up to this side images are resized to the side itself; larger ones to 8/7 of it (256 for 224) before the crop."""


def folder_images(name: str, shape: tuple[int, int, int], *, data_root: Path, cache_dir: Path) -> DecodedImages:
    """Return the images in the folder of an outlier set, sorted by path, (N, H, W, C) uint8, and the names of undecodable ones.

    The shorter side is resized (bilinear) and the middle cut out, as published: Resize(32) and CenterCrop(32) for small images,
    Resize(256) and CenterCrop(224) for large ones.

    Args:
        name: Key of `IMAGE_SETS`, or "folder:PATH".
        shape: The other (H, W, C).
        data_root: Folder that relative ones are in.
        cache_dir: Where the array is kept, under the content of the folder.

    Raises:
        UnreadableSetError: If too many of its images cannot be read.
        EvalError: If the folder is missing or has no images, or a file cannot be read.
    """
    found = outlier_files(name, data_root)
    try:
        return decoded_images(
            found.root,
            found.names,
            identity=f"outliers {SEMANTICS} {folder_hash(found)} {shape}",
            shape=shape,
            fit=partial(fit_image, shape=shape),
            cache_dir=cache_dir,
            unread=found.unread,
        )
    except ImageFolderError as error:
        raise UnreadableSetError(f"outlier set {name!r}: {error}") from error
    except OSError as error:
        raise EvalError(
            f"outlier set {name!r}: {error.filename} must be readable, but is not: {error.strerror}"
        ) from error


def fit_image(image: Image.Image, *, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return an RGB image in the shape (H, W, C) of the test images, uint8, as torchvision's Resize and CenterCrop do."""
    resized_side = shape[0] if shape[0] <= SMALL_SIDE else round(shape[0] * 8 / 7)
    shorter = min(image.size)
    width, height = (resized_side if side == shorter else resized_side * side // shorter for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - shape[1]) / 2), round((height - shape[0]) / 2)
    cut = np.asarray(resized.crop((left, top, left + shape[1], top + shape[0])), dtype=np.uint8)
    fitted: NDArray[np.uint8] = fit_images(cut[None], shape)[0]
    return fitted

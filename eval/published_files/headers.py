"""What the heads of arrays and the class folders of trees say: enough to refuse misfits before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from augment.files.walk import class_folders
from eval.published_files.layout import CLASSES_PER_SET

TEST_IMAGES: Final = 10_000
"""Test images of CIFAR and MNIST, which every array has one image or sequence of, or five for five severities."""

_SHAPES: Final = {"mnist_c": (1, (28, 28, 1)), "CIFAR-10-P": (1, (32, 32, 3)), "CIFAR-100-P": (1, (32, 32, 3))}
_OTHERS: Final = (5, (32, 32, 3))
"""Images for each test image, and the shape of one."""


def misfits(folder: Path, parts: Sequence[str]) -> list[str]:
    """Return a line for each part that cannot be one of a collection.

    Those are arrays that are not whole, or of another type or shape, and trees with another number of classes.

    Args:
        folder: Folder of the collection, named as published.
        parts: Its files and folders.
    """
    classes = CLASSES_PER_SET.get(folder.name)
    lines = []
    for part in parts:
        if part.endswith(".npy"):
            lines.append(_misfit(folder / part, folder.name))
        elif classes is not None and (found := len(class_folders(folder / part))) != classes:
            lines.append(f"{folder / part} must have {classes} class folders, but has {found}")
    return [line for line in lines if line]


def _misfit(path: Path, collection: str) -> str:
    import numpy as np  # a plan without such files needs none

    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        return f"{path} is truncated or no array ({error})"
    number, image = _SHAPES.get(collection, _OTHERS)
    number *= TEST_IMAGES
    if path.stem.endswith("labels"):
        is_fit = array.size == number and np.issubdtype(array.dtype, np.integer)
        wanted = f"{number} whole numbers"
    else:
        is_fit = array.dtype == np.uint8 and array.shape[:1] == (number,) and array.shape[-3:] == image
        wanted = f"uint8 of {number} times {image}"
    return "" if is_fit else f"{path} must hold {wanted}, but holds {array.dtype} of {array.shape}"

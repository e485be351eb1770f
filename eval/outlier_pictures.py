"""Outlier sets that are folders of pictures: brought to the size and channels of the test pictures, and kept in the cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from eval.errors import EvalError
from eval.fit import fit_pictures
from eval.outlier_sets import IMAGE_SETS, outlier_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SEMANTICS: Final = 1
SMALL_SIDE: Final = 64
"""Up to this side pictures are resized to the side itself; larger ones to 8/7 of it (256 for 224) before the crop."""


def folder_pictures(name: str, shape: tuple[int, int, int], *, data_root: Path, cache_dir: Path) -> NDArray[np.uint8]:
    """Return all pictures below the folder of an outlier set, sorted by path, as a read-only memory map (N, H, W, C) uint8.

    The shorter side is resized (bilinear) and the middle cut out, as published: Resize(32) and CenterCrop(32) for small pictures,
    Resize(256) and CenterCrop(224) for large ones.

    Args:
        name: Key of `IMAGE_SETS`, or "folder:PATH".
        shape: Wanted (H, W, C).
        data_root: Where the folder lies.
        cache_dir: Where the array is kept; a changed file gives another array.

    Raises:
        EvalError: If the folder is missing, holds no pictures, or one of them cannot be read.
    """
    from eval.corruptions.cache import SetKey, cached_array

    folder = outlier_folder(name, data_root)
    if folder is None:
        where = IMAGE_SETS[name].folders[0] if name in IMAGE_SETS else name.partition(":")[2]
        raise EvalError(f"it needs the folder '{data_root / where}', which does not exist; place its pictures there")
    paths, listing = _pictures_below(folder)
    if not paths:
        raise EvalError(f"'{folder}' holds no picture ({', '.join(SUFFIXES)}); unpack the set there")
    key = SetKey(
        family="outliers",
        kind=hashlib.sha256(name.encode()).hexdigest()[:8] if ":" in name else name,
        severity=0,
        semantics=SEMANTICS,
        fingerprint=listing,
        seed=0,
        shape=(len(paths), *shape),
    )
    return cached_array(key, lambda rows: np.stack([_picture(path, shape) for path in paths[rows]]), cache_dir)


def _pictures_below(folder: Path) -> tuple[list[Path], str]:
    """Return the picture files below a folder, and a digest of their names, sizes and times of change."""
    found = sorted(
        Path(where, name) for where, _, names in os.walk(folder) for name in names if name.lower().endswith(SUFFIXES)
    )
    digest = hashlib.sha256()
    for path in found:
        facts = path.stat()
        digest.update(f"{path.relative_to(folder)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return found, digest.hexdigest()


def _picture(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path) as stored:
            image = stored.convert("RGB")
    except OSError as error:
        raise EvalError(f"'{path}' is truncated or no picture: {error}; unpack the set again") from error
    shorter = shape[0] if shape[0] <= SMALL_SIDE else round(shape[0] * 8 / 7)
    scale = shorter / min(image.size)
    size = (max(shorter, round(image.width * scale)), max(shorter, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (size[0] - shape[1]) // 2, (size[1] - shape[0]) // 2
    cut = np.asarray(image.crop((left, top, left + shape[1], top + shape[0])), dtype=np.uint8)
    fitted: NDArray[np.uint8] = fit_pictures(cut[None], shape)[0]
    return fitted

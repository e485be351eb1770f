"""Any folder of pictures, one sub-folder per class: decoded in parallel once, kept as one uint8 array.

Pictures that cannot be decoded are left out and named; above a stated share of them the folder is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainers.errors import CorruptData, MissingData

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff"})
LARGEST_BROKEN_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFolder:
    """A decoded folder.

    Attributes:
        images: (N, S, S, 3) uint8: shorter side resized to S, centre cropped.
        labels: Index of the sub-folder in sorted order, (N,) int64; all 0 without sub-folders.
        classes: Names of the sub-folders.
        broken: Files that could not be decoded and were left out.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    broken: tuple[str, ...]


def read_folder(
    folder: Path, *, image_size: int, cache_dir: Path, largest_broken_share: float = LARGEST_BROKEN_SHARE
) -> PictureFolder:
    """Decode a folder of pictures, or open the array that an earlier call kept.

    Args:
        folder: Pictures, directly inside or one sub-folder per class.
        image_size: Side of the square results in pixels.
        cache_dir: Folder for the decoded array; its name follows names, sizes and times of the files.
        largest_broken_share: Share of undecodable files above which the folder is refused.

    Raises:
        MissingData: If there is no such folder, or no picture in it.
        CorruptData: If too many pictures cannot be decoded; names the first.
    """
    if not folder.is_dir():
        raise MissingData(f"a picture folder must exist, but {folder} does not; check the path")
    files, classes = _listing(folder)
    if not files:
        raise MissingData(
            f"{folder} must hold pictures ({', '.join(sorted(SUFFIXES))}), but holds none; check the path"
        )
    kept = cache_dir / "folders" / _content_name(folder, files, image_size)
    if not (kept / "facts.json").is_file():
        _decode_all(folder, files, image_size, kept, largest_broken_share)
    facts = json.loads((kept / "facts.json").read_text())
    images = np.load(kept / "images.npy", mmap_mode="r", allow_pickle=False)
    broken = set(facts["broken"])
    index = {name: number for number, name in enumerate(classes)}
    labels = [index.get(Path(name).parent.as_posix(), 0) for name in files if name not in broken]
    return PictureFolder(
        images=images, labels=np.array(labels, dtype=np.int64), classes=classes, broken=tuple(sorted(broken))
    )


def _listing(folder: Path) -> tuple[list[str], tuple[str, ...]]:
    files = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    return files, tuple(sorted({Path(name).parent.as_posix() for name in files} - {"."}))


def _content_name(folder: Path, files: Sequence[str], image_size: int) -> str:
    digest = hashlib.sha256(f"{folder.resolve()} {image_size}\n".encode())
    for name in files:
        status = (folder / name).stat()
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _decode_all(folder: Path, files: Sequence[str], image_size: int, kept: Path, largest_broken_share: float) -> None:
    """Decode into a file of its own and rename: several processes may do this at once, and one result stands."""
    kept.mkdir(parents=True, exist_ok=True)
    partial = kept / f"images-{os.getpid()}.npy"
    images = np.lib.format.open_memmap(
        partial, mode="w+", dtype=np.uint8, shape=(len(files), image_size, image_size, 3)
    )
    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
        decoded = pool.map(lambda name: decode(folder / name, image_size), files)
        broken, good = [], 0
        for name, picture in zip(files, decoded, strict=True):
            if picture is None:
                broken.append(name)
                continue
            images[good] = picture
            good += 1
    if len(broken) > largest_broken_share * len(files):
        partial.unlink()
        raise CorruptData(
            f"at most {largest_broken_share:.1%} of the pictures in {folder} may be undecodable, but {len(broken)} of "
            f"{len(files)} are, the first is {broken[0]}; remove or replace them"
        )
    if broken:
        whole = np.array(images[:good])
        np.save(partial, whole)
    else:
        images.flush()
    partial.rename(kept / "images.npy")
    facts = kept / f"facts-{os.getpid()}.json"
    facts.write_text(json.dumps({"broken": broken, "count": good}))
    facts.rename(kept / "facts.json")


def decode(path: Path, image_size: int) -> NDArray[np.uint8] | None:
    """Return a picture as (S, S, 3) uint8, its shorter side resized and the centre cropped; None where it is broken."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (image_size, image_size))
            picture = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        return None
    scale = image_size / min(picture.size)
    width, height = (max(image_size, round(side * scale)) for side in picture.size)
    left, top = (width - image_size) // 2, (height - image_size) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + image_size, top + image_size)), dtype=np.uint8)

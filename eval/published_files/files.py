"""Whether the published files of a benchmark are there and whole, and what identifies them: their content.

Files are compared with the checksums that are published: of each file for CIFAR-10-C and CIFAR-100-C, of the archive for
ImageNet-C, ImageNet-R, Tiny-ImageNet-C and MNIST-C (`augment.files.published`), of nothing for the others. What does not match
has a key of its own and is called "own files".
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from augment.files.absent import absent_text
from augment.files.content import content_of, file_hash
from augment.files.numpy_files import ArrayFileError, map_array
from augment.files.published import Identified, absent, by_proof, joined, own, published
from augment.files.walk import class_folders, is_hidden
from eval.published_files.layout import ARCHIVE_MD5, FILE_MD5, Collection

TEST_IMAGES: Final = 10_000
"""Test images of CIFAR and MNIST, which every array has one image or sequence of, or five for five severities."""


def missing_parts(collection: Collection, parts: Sequence[str], data_root: Path) -> list[str]:
    """Return a line where a collection is not complete or does not fit, else nothing.

    Only names and the heads of arrays are looked at. Arrays that are not whole, or of another type or shape, and trees with
    another number of classes are as good as missing.

    Args:
        parts: Those that are read, by their names in the collection's folder.
    """
    folder, what = data_root / collection.name, f"benchmark {collection.family!r} of {collection.dataset!r}"
    missing = [name for name in parts if not is_there(folder / name)]
    if missing:
        names = [f"{collection.name}/{part}".removesuffix("/.") for part in missing]
        return [f"{what} is not complete in {data_root}: {absent_text(names)}; {collection.how_to_get(data_root)}"]
    wrong = [line for part in parts if (line := _misfit(collection, folder / part))]
    more = f", and {len(wrong) - 1} more do not fit" if len(wrong) > 1 else ""
    return [f"{what}: {wrong[0]}{more}; {collection.source}"] if wrong else []


def identity_of_parts(collection: Collection, parts: Sequence[str], data_root: Path | None) -> Identified:
    """Return what identifies parts of a collection (see `missing_parts`); nothing is looked at without a data root."""
    declared = _declared(collection, parts)
    if data_root is None or not all(is_there(data_root / collection.name / part) for part in parts):
        return absent(declared)
    if collection.name in FILE_MD5:
        return _by_md5(collection, parts, data_root, declared)
    contents = {part: content_of(data_root / collection.name, part) for part in parts}
    if "" in contents.values():
        return absent(declared)
    if collection.archives:
        return by_proof(declared, collection.name, contents, data_root)
    return own(joined(contents), f"no checksum of {collection.name} is published")


def is_there(path: Path) -> bool:
    """Return whether a file is there, or a folder with something in it."""
    if not path.is_dir():
        return path.is_file()
    with os.scandir(path) as entries:
        return any(not is_hidden(entry.name) for entry in entries)


def _by_md5(collection: Collection, parts: Sequence[str], data_root: Path, declared: str) -> Identified:
    folder, known = data_root / collection.name, FILE_MD5[collection.name]
    found = {part: file_hash(folder / part, algorithm="md5") for part in parts}
    wrong = [part for part in parts if found[part] != known.get(part.removesuffix(".npy"))]
    if not wrong:
        return published(declared, joined(found), "the MD5 of every file is the published one")
    contents = {part: content_of(folder, part) for part in parts}
    more = f" and of {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return own(joined(contents), f"the MD5 of {wrong[0]}{more} is not the published one")


def _declared(collection: Collection, parts: Sequence[str]) -> str:
    """Return what represents published files in keys: their checksums, or "" where there are none."""
    if collection.name in FILE_MD5:
        known = FILE_MD5[collection.name]
        return "md5:" + _digest([f"{part} {known[part.removesuffix('.npy')]}" for part in sorted(parts)])
    if collection.archives:
        return "md5-of-archives:" + _digest([f"{each} {ARCHIVE_MD5[each]}" for each in collection.archives])
    return ""


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _misfit(collection: Collection, path: Path) -> str:
    """Return why a part cannot be one of a collection, or ""."""
    if path.suffix != ".npy":
        if collection.classes is None or (found := len(class_folders(path))) == collection.classes:
            return ""
        return f"{path} must have {collection.classes} class folders, but has {found}"
    try:
        array = map_array(path)
    except ArrayFileError as error:
        return f"{path} {error}"
    number = collection.per_image * TEST_IMAGES
    if path.stem.endswith("labels"):
        is_fit = array.size == number and np.issubdtype(array.dtype, np.integer)
        needed = f"{number} whole numbers"
    else:
        is_fit = array.dtype == np.uint8 and array.shape[:1] == (number,) and array.shape[-3:] == collection.image
        needed = f"uint8 of {number} times {collection.image}"
    return "" if is_fit else f"{path} must contain {needed}, but contains {array.dtype} of {array.shape}"

"""Published files that are folders of images: ImageNet-C, ImageNet-C-bar, Tiny-ImageNet-C and ImageNet-R."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.files.decode import UndecodableImage, decode_image
from augment.files.walk import ImageFolderError, class_folders, walk_images
from augment.lookup.wording import count
from eval.published_files.layout import RENDITION_CLASSES, images_per_set
from eval.published_files.sets import PublishedFilesError, PublishedSet, need_folder

Preprocessing = Literal["as-stored", "reference"]
"""`as-stored` crops the middle out of the stored image; `reference` first resizes its shorter side to 8/7 of the crop (256 for
224), which the published PixMix script does to images that already measure 224 px."""


def corrupted_folders(
    folder: Path,
    classes: Sequence[str],
    *,
    kinds: Sequence[str],
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    side: int = 224,
    preprocessing: Preprocessing = "as-stored",
) -> list[PublishedSet]:
    """Return one set per corruption and severity of a tree `<kind>/<severity>/<class>/*.JPEG`.

    Args:
        classes: Folder names (wnids) in the order of the network's classes.
        kinds: Corruptions to read; other folders are ignored.
        side: Side of the images that are returned, in pixels.

    Raises:
        PublishedFilesError: If folders are missing, the classes differ, or a set holds another number of images than published.
    """
    need_folder(folder, "corrupted images")
    size = images_per_set(folder)
    missing = [f"{kind}/{level}" for kind in kinds for level in severities if not (folder / kind / str(level)).is_dir()]
    if missing:
        raise PublishedFilesError(
            f"'{folder}' lacks {count(len(missing), 'folder')} of corrupted images: {', '.join(missing[:20])}"
        )
    return [
        _class_folders(
            folder / kind / str(level), classes, {"corruption": kind, "severity": level}, size, side, preprocessing
        )
        for kind in kinds
        for level in severities
    ]


def rendition_folders(folder: Path, wnids: Sequence[str], *, side: int = 224) -> PublishedSet:
    """Return ImageNet-R; labels count its 200 classes, in the order of `RENDITION_CLASSES`.

    Keep only the logits at `RENDITION_CLASSES` before the softmax.

    Args:
        folder: With one folder of images per class.
        wnids: Folder names of all 1000 classes in the network's order, or of the 200 alone.
        side: Side of the images that are returned, after resizing the shorter side to 8/7 of it.

    Raises:
        PublishedFilesError: If the classes differ or the number of images does.
    """
    need_folder(folder, "renditions")
    classes = [wnids[number] for number in RENDITION_CLASSES] if len(wnids) == 1000 else list(wnids)
    size = images_per_set(folder)
    return _class_folders(folder, classes, {}, size, side, "reference")


def _class_folders(
    folder: Path,
    classes: Sequence[str],
    fields: dict[str, str | int],
    size: int | None,
    side: int,
    preprocessing: Preprocessing,
) -> PublishedSet:
    try:
        images = walk_images(folder)
    except ImageFolderError as error:
        raise PublishedFilesError(str(error)) from error
    by_class: dict[str, list[str]] = {name: [] for name in classes}
    strange = sorted({*class_folders(folder)} - {*classes})
    lacking = [name for name in classes if not (folder / name).is_dir()]
    if lacking or strange or images.stray:
        raise PublishedFilesError(
            f"'{folder}' must contain one folder for each of the {len(classes)} classes, but lacks {lacking[:5]} "
            f"({len(lacking)}) and has unknown {[*strange, *images.stray][:5]} ({len(strange) + len(images.stray)})"
        )
    for name in images.names:
        by_class[name.partition("/")[0]].append(name)
    # Names, not paths: ImageNet-C has 3.75 million of them, and a path takes three times the memory.
    names = [name for label in classes for name in by_class[label]]
    labels = [label for label, name in enumerate(classes) for _ in by_class[name]]
    if size is not None and len(names) != size:
        raise PublishedFilesError(
            f"'{folder}' must contain {size} images, but contains {len(names)}; unpack the archive again"
        )
    load = _decoded(folder, names, side, preprocessing)
    return PublishedSet(fields=fields, labels=np.asarray(labels, dtype=np.int64), load=load)


def _decoded(
    folder: Path, names: Sequence[str], side: int, preprocessing: Preprocessing
) -> Callable[[int, int], NDArray[np.uint8]]:
    def load(start: int, stop: int) -> NDArray[np.uint8]:
        return np.stack([read_image(folder / name, side, preprocessing) for name in names[start:stop]])

    return load


def read_image(path: Path, side: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return a stored image as (side, side, 3) uint8: resized if asked for, then cut out of the middle."""
    try:
        image = decode_image(path)
    except (OSError, UndecodableImage) as error:
        raise PublishedFilesError(f"{error}, or unpack the archive again") from error
    if preprocessing == "reference":
        shorter, resized = min(image.size), round(side * 8 / 7)
        size = tuple(resized if edge == shorter else int(resized * edge / shorter) for edge in image.size)
        image = image.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    width, height = image.size
    if min(width, height) < side:
        raise PublishedFilesError(f"'{path}' measures {width} x {height} px, smaller than the crop of {side} px")
    if (width, height) == (side, side):
        return np.asarray(image, dtype=np.uint8)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.uint8)

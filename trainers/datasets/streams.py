"""Outlier streams: images without labels that Outlier Exposure learns to be unsure of; light to import.

random-images-300k    the published file of the Outlier Exposure release
<dataset>             the training split of any dataset
generated:<set>       images of a generator of mixing sets, from a seed of their own
folder:<path>         any folder of images, with or without sub-folders; a relative path is one in the data root

Sets that anomalies are tested on must not be used for it, which the planning of a sweep checks.
`trainers.datasets.outliers` reads them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from augment.files.published import Identified, absent
from augment.files.trial import tried_images_in
from augment.files.walk import ImageFolderError, walk_images
from augment.mixing_sets.from_files.random_images import RANDOM_IMAGES_FILE as RANDOM_IMAGES_FILE
from augment.mixing_sets.from_files.random_images import random_images_file
from augment.mixing_sets.registry import MIXING_SETS
from trainers.datasets.content import dataset_content
from trainers.datasets.registry import dataset_for, missing_data
from trainers.datasets.user_folder import content_identity
from trainers.errors import UnknownName, as_data_errors, unknown_name

RANDOM_IMAGES: Final = "random-images-300k"
GENERATED: Final = "generated:"
FOLDER: Final = "folder:"
PENDING: Final = "pending"
NUM_GENERATED: Final = 4096
GENERATED_SEED: Final = 101
"""No mixing set of a sweep has this seed by default, so that outliers and mixed-in images differ."""


def generated_set(name: str) -> str | None:
    """Return the generator that a stream "generated:<set>" names, or None for other streams."""
    if not name.startswith(GENERATED):
        return None
    wanted = name.removeprefix(GENERATED)
    known = sorted(key for key, mixing_set in MIXING_SETS.items() if mixing_set.origin == "procedural")
    if wanted not in known:
        raise unknown_name("generator of outliers", wanted, known)
    return wanted


def stream_folder(name: str, data_root: Path | None) -> Path:
    """Return the folder of a stream "folder:PATH"; a relative path is one in the data root."""
    folder = Path(os.path.expanduser(name.removeprefix(FOLDER)))
    return folder if data_root is None else data_root / folder


def stream_files(name: str, data_root: Path | None = None) -> Identified:
    """Return what identifies a stream's images in train keys.

    A dataset's files; the content of the one published file; a generator's name, version and numbers; the content hash of a
    folder, or "pending" while it is absent or empty.

    Args:
        data_root: Folder of datasets, which relative folders are looked up in.

    Raises:
        UnknownName: If there is no such stream.
        CorruptData: If an image of a folder cannot be read.
    """
    if name == RANDOM_IMAGES:
        found = random_images_file(data_root)
        return absent(name) if found.state == "absent" else found
    generator = generated_set(name)
    if generator is not None:
        made = f"{name}:{MIXING_SETS[generator].semantics}:{NUM_GENERATED}:{GENERATED_SEED}"
        return Identified(key=made, state="given", content=made)
    if name.startswith(FOLDER):
        found_there = _folder_identity(stream_folder(name, data_root))
        is_there = found_there != PENDING
        return Identified(key=found_there, state="given", content=found_there) if is_there else absent("")
    try:
        return dataset_content(dataset_for(name), data_root)
    except UnknownName as error:
        raise UnknownName(
            f"{error}; an outlier stream may also be {RANDOM_IMAGES}, generated:SET or folder:PATH"
        ) from None


def missing_stream(name: str, data_root: Path) -> list[str]:
    """Return a line where the images of a stream are not there, or are not what can be read.

    Raises:
        UnknownName: If there is no such stream.
    """
    if name == RANDOM_IMAGES:
        return [] if (data_root / RANDOM_IMAGES_FILE).is_file() else [missing_random_images(data_root)]
    if generated_set(name) is not None:
        return []
    if not name.startswith(FOLDER):
        return missing_data([name], data_root)
    try:
        tried_images_in(stream_folder(name, data_root), f"outlier stream {name!r}")
    except ImageFolderError as error:
        return [str(error)]
    return []


def missing_random_images(data_root: Path) -> str:
    """Return the line for an absent file of random images."""
    return (
        f"outlier stream {RANDOM_IMAGES!r} needs {data_root / RANDOM_IMAGES_FILE}, which is missing; place the published file of "
        "the Outlier Exposure release there, or choose another stream (train.outliers)"
    )


def _folder_identity(folder: Path) -> str:
    if not folder.is_dir():
        return PENDING
    with as_data_errors():
        found = walk_images(folder)
        return content_identity(found) if found.files else PENDING

"""Outlier streams by name, and what identifies their pictures; light to import.

random-images-300k    the published file of the Outlier Exposure release
<dataset>             the training split of any dataset
generated:<set>       pictures of a generator of mixing sets, from a seed of their own
folder:<path>         any folder of pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trainers.datasets.registry import dataset_for
from trainers.datasets.user_folder import content_identity
from trainers.errors import UnknownName, unknown_name

RANDOM_IMAGES: Final = "random-images-300k"
RANDOM_IMAGES_FILE: Final = "300K_random_images.npy"
GENERATED: Final = "generated:"
FOLDER: Final = "folder:"
NUM_GENERATED: Final = 4096
GENERATED_SEED: Final = 101
"""No mixing set of a sweep has this seed by default, so that outliers and mixed-in pictures differ."""


def generated_set(name: str) -> str | None:
    """Return the generator that a stream "generated:<set>" names, or None for other streams.

    Raises:
        UnknownName: If the set does not exist, or its pictures do not come from a generator alone.
    """
    if not name.startswith(GENERATED):
        return None
    from augment.mixing_sets.registry import MIXING_SETS

    wanted = name.removeprefix(GENERATED)
    known = sorted(key for key, mixing_set in MIXING_SETS.items() if mixing_set.origin == "procedural")
    if wanted not in known:
        raise unknown_name("generator of outliers", wanted, known)
    return wanted


def stream_identity(name: str, data_root: Path | None = None) -> str:
    """Return what identifies a stream's pictures in train keys.

    A dataset's declared checksum; the name of the one published file; a generator's name, version and numbers; the content
    hash of a folder, or "pending" while it is absent.

    Args:
        name: An outlier stream.
        data_root: Folder of datasets, which relative folders are looked up in.

    Raises:
        UnknownName: If there is no such stream.
    """
    if name == RANDOM_IMAGES:
        return name
    generator = generated_set(name)
    if generator is not None:
        from augment.mixing_sets.registry import MIXING_SETS

        return f"{name}:{MIXING_SETS[generator].semantics}:{NUM_GENERATED}:{GENERATED_SEED}"
    if name.startswith(FOLDER):
        folder = Path(name.removeprefix(FOLDER)).expanduser()
        return content_identity(folder if data_root is None else data_root / folder)
    try:
        return dataset_for(name).identity
    except UnknownName as error:
        raise UnknownName(
            f"{error}; an outlier stream may also be {RANDOM_IMAGES}, generated:SET or folder:PATH"
        ) from None

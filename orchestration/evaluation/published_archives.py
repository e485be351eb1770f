"""The published archives of collections whose single files have no published checksums, and comparing what is unpacked with them.

What was compared is noted by its content (`augment.files.published`), so that it counts as published from then on, archive or
not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from torchvision.datasets.imagenet import load_meta_file, parse_devkit_archive

from augment.files.archives import Archive, ArchiveError, compare_with_archive, contents_of, find_archive
from augment.files.content import content_of, file_hash
from augment.files.published import prove
from augment.files.walk import walk_images
from augment.mixing_sets.from_files.published import PIXMIX_FOLDER, PIXMIX_FOLDERS, PIXMIX_TAR_MD5
from clusters.temporary.own import temporary_folder
from eval.published_files.layout import ARCHIVE_MD5
from eval.published_files.layout import COLLECTIONS as PUBLISHED
from trainers.datasets.content import ANNOTATIONS

DEVKIT: Final = "ILSVRC2012_devkit_t12.tar.gz"
DEVKIT_MD5: Final = "fa75699e90414af021442c21a62c3abf"
VALIDATION_IMAGE: Final = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection that is published as archives.

    Attributes:
        name: What it is called in notes of content.
        folder: Folder in the data root that its parts are named in.
        parts: Gives those of its parts that are there: files, or folders of images.
        archives: Gives the archives, some of which a person may have kept.
    """

    name: str
    folder: str
    parts: Callable[[Path], list[str]]
    archives: Callable[[Path], tuple[Archive, ...]]


def compare_collection(name: str, data_root: Path) -> str:
    """Compare a collection with those of its archives that are kept, and note the parts that are the published ones.

    Returns:
        What was compared, or "" where no archive is kept.
    """
    collection = COLLECTIONS.get(name)
    kept = (
        [] if collection is None else [each for each in collection.archives(data_root) if find_archive(each, data_root)]
    )
    if collection is None or not kept:
        return ""
    same: set[str] = set()
    for archive in kept:
        path = find_archive(archive, data_root)
        same |= compare_with_archive(archive, path, data_root) if path is not None else set()
    folder = data_root / collection.folder
    parts = {part: frozenset(_files(collection.folder, folder, part)) for part in collection.parts(folder)}
    proven = contents_of(frozenset(same), parts)
    prove(data_root, name, {part: content_of(folder, part) for part in proven})
    names = " and ".join(archive.name for archive in kept)
    return f"{len(proven)} of {len(parts)} parts compared with {names}"


def _files(prefix: str, folder: Path, part: str) -> Iterator[str]:
    path = folder / part
    names = [""] if path.is_file() else [f"/{name}" for name in walk_images(path).names]
    for name in names:
        yield (Path(prefix) / f"{part}{name}").as_posix()


def _as_unpacked(names: tuple[str, ...], into: str) -> Callable[[Path], tuple[Archive, ...]]:
    return lambda data_root: tuple(Archive(name=name, md5=ARCHIVE_MD5[name], into=into) for name in names)


def _sets(folder: Path) -> list[str]:
    """Return the folders `<kind>/<severity>`, or the files of arrays, that are in a folder of harder images."""
    found = [*folder.glob("*/test_images.npy"), *folder.glob("*/test_labels.npy")] or [
        path for path in folder.glob("*/[1-5]") if path.is_dir()
    ]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _folders(*names: str) -> Callable[[Path], list[str]]:
    def there(folder: Path) -> list[str]:
        known = [each for name in names for each in (name, f"{name}/{ANNOTATIONS}")]
        return [name for name in known if (folder / name).exists()]

    return there


def _imagenet(data_root: Path) -> tuple[Archive, ...]:
    train = Archive(name="ILSVRC2012_img_train.tar", md5="1d675b47d978889d74fa0da5fadfb00e", into="imagenet/train")
    classes = _validation_classes(_devkit(data_root)) if _devkit(data_root) is not None else ()

    def place(member: str) -> str:
        number = VALIDATION_IMAGE.fullmatch(member)
        return f"{classes[int(number[1]) - 1]}/{member}" if number is not None and classes else ""

    val = Archive(
        name="ILSVRC2012_img_val.tar", md5="29b22e2961454d5413ddabcf34fc5622", into="imagenet/val", place=place
    )
    return train, val


def _devkit(data_root: Path) -> Path | None:
    return find_archive(Archive(name=DEVKIT, md5=DEVKIT_MD5, into="imagenet"), data_root)


@lru_cache(maxsize=1)
def _validation_classes(devkit: Path | None) -> tuple[str, ...]:
    """Return the class folder of each validation image, in the order of their numbers, from the published development kit."""
    assert devkit is not None
    found = file_hash(devkit, algorithm="md5")
    if found != DEVKIT_MD5:
        raise ArchiveError(f"{devkit} must have the published MD5 {DEVKIT_MD5}, but has {found}; download it again")
    with temporary_folder("devkit") as folder:
        (folder / DEVKIT).symlink_to(devkit.resolve())
        parse_devkit_archive(str(folder))
        return tuple(load_meta_file(str(folder))[1])


COLLECTIONS: Final[Mapping[str, Collection]] = {
    **{
        name: Collection(
            name=name,
            folder=name,
            parts=(lambda folder: ["."]) if name == "imagenet-r" else _sets,
            archives=_as_unpacked(each.archives, "ImageNet-C" if name == "ImageNet-C" else "."),
        )
        for name, each in PUBLISHED.items()
        if each.archives
    },
    PIXMIX_FOLDER: Collection(
        name=PIXMIX_FOLDER,
        folder=PIXMIX_FOLDER,
        parts=_folders(*PIXMIX_FOLDERS),
        archives=lambda data_root: (Archive(name=f"{PIXMIX_FOLDER}.tar", md5=PIXMIX_TAR_MD5),),
    ),
    "tiny-imagenet": Collection(
        name="tiny-imagenet",
        folder=".",
        parts=_folders("tiny-imagenet-200/train", "tiny-imagenet-200/val"),
        archives=lambda data_root: (Archive(name="tiny-imagenet-200.zip", md5="90528d7ca1a48142e341f4ef8d21d0de"),),
    ),
    "imagenet": Collection(
        name="imagenet", folder=".", parts=_folders("imagenet/train", "imagenet/val"), archives=_imagenet
    ),
}
"""Collection -> its archives. Those of Places365 with a published checksum are laid out otherwise than its folder."""

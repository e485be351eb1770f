"""What identifies the files of a dataset: their content, whatever the folder is called. Light: reads files only to hash them.

Files with published checksums are compared with them: MNIST, Fashion-MNIST (SHA-256 of the unpacked files), CIFAR and SVHN (MD5).
KMNIST is published packed: its files are compared with the packed ones next to them. ImageNet, Tiny ImageNet and Places365 are
published as archives (`augment.files.published`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from augment.files.content import content_of, file_hash
from augment.files.published import Identified, absent, by_proof, joined, own, published
from augment.files.walk import class_folders
from trainers.datasets.contract import DataFile, DatasetSpec
from trainers.datasets.registry import DATASETS, dataset_for
from trainers.datasets.user_folder import PREFIX
from trainers.errors import UnknownName, as_data_errors

ANNOTATIONS: Final = "val_annotations.txt"
"""File of a flat split of a published dataset that names the class of each image."""

KNOWN: Final = {file.sha256: spec.name for spec in DATASETS.values() for file in spec.files if file.sha256}
"""SHA-256 of a published file -> its dataset."""


def dataset_content(spec: DatasetSpec, data_root: Path | None) -> Identified:
    """Return what identifies the files of a dataset; where only some are there, as for one split, those count.

    Args:
        data_root: Folder of datasets; None where nothing is looked at.

    Raises:
        CorruptData: If a file is there that cannot be read.
    """
    if spec.name.startswith(PREFIX):
        return Identified(key=spec.identity, state="given", content=spec.identity)
    if not spec.files and spec.folders is None:
        return published(spec.identity, spec.identity, "it is part of an installed package")
    if data_root is None:
        return absent(spec.identity)
    with as_data_errors():
        if spec.folders is None:
            return _of_files(spec, data_root)
        found = {path: content_of(data_root, path) for path in _paths_in_folders(spec, data_root)}
        there = {path: content for path, content in found.items() if content}
        return by_proof(spec.identity, spec.name, there, data_root) if there else absent(spec.identity)


def named_content(name: str, data_root: Path) -> Identified:
    """Return what identifies the files of a dataset by its name; an unknown one has none, which its reader reports."""
    try:
        return dataset_content(dataset_for(name), data_root)
    except UnknownName:
        return absent("")


def contradiction(spec: DatasetSpec, data_root: Path) -> str:
    """Return what is wrong with the files of a dataset: another content than the published one, or that of another dataset.

    Args:
        spec: The dataset; files that are absent have nothing wrong.

    Raises:
        CorruptData: If a file is there that cannot be read.
    """
    with as_data_errors():
        if spec.name in DATASETS and spec.folders is not None:
            return _class_fault(spec, data_root)
        files = _present(spec, data_root)
        return next((text for file in files if (text := file_contradiction(spec, file, data_root))), "")


def _class_fault(spec: DatasetSpec, data_root: Path) -> str:
    """Return which split has another number of class folders than the dataset has classes, or "" where none has."""
    for name in spec.folders or ():
        folder = data_root / name
        if not folder.is_dir() or (folder / ANNOTATIONS).is_file():
            continue
        found = len(class_folders(folder))
        if found != spec.num_classes:
            hint = spec.fetch_hint(data_root)
            return f"{folder} must have {spec.num_classes} class folders, but has {found}; {hint}"
    return ""


def file_contradiction(spec: DatasetSpec, file: DataFile, data_root: Path) -> str:
    """Return what is wrong with one file of a dataset, or ""."""
    path, packed = data_root / file.path, _packed(data_root / file.path)
    again = f"delete it and fetch it again with: {spec.fetch_hint(data_root)}"
    if file.sha256 or file.md5:
        algorithm, expected = ("sha256", file.sha256) if file.sha256 else ("md5", file.md5)
        found = file_hash(path, algorithm="sha256" if file.sha256 else "md5")
        is_right = found == expected
        return "" if is_right else f"{path} must have the published {algorithm} {expected}, but has {found}; {again}"
    owner = KNOWN.get(file_hash(path))
    if owner is not None and owner != spec.name:
        return f"{path} must be a file of {spec.name!r}, but is one of {owner!r}; {again}"
    if not file.packed_md5 or not packed.is_file():
        return ""
    found = file_hash(packed, algorithm="md5")
    if found != file.packed_md5:
        return f"{packed} must have the published md5 {file.packed_md5}, but has {found}; {again}"
    if file_hash(packed, algorithm="sha256-unzipped") != file_hash(path):
        return f"{path} must match its copy in {packed.name}, but does not; {again}"
    return ""


def _of_files(spec: DatasetSpec, data_root: Path) -> Identified:
    files = _present(spec, data_root)
    if not files:
        return absent(spec.identity)
    hashes = {file.path: file_hash(data_root / file.path) for file in files}
    content = joined(hashes)
    if spec.layout == "entry-point":  # its files have no published name of ours
        return Identified(key=f"{spec.identity}+{content}", state="given", content=content)
    wrong = [text for file in files if (text := file_contradiction(spec, file, data_root))]
    if wrong:
        return own(content, wrong[0])
    if all(file.sha256 or file.md5 or _is_packed_there(file, data_root) for file in files):
        return published(spec.identity, content, "all checksums are the published ones")
    return by_proof(spec.identity, spec.name, hashes, data_root)


def _present(spec: DatasetSpec, data_root: Path) -> list[DataFile]:
    return [file for file in spec.files if (data_root / file.path).is_file()]


def _is_packed_there(file: DataFile, data_root: Path) -> bool:
    return bool(file.packed_md5) and _packed(data_root / file.path).is_file()


def _packed(path: Path) -> Path:
    return path.with_name(path.name + ".gz")


def _paths_in_folders(spec: DatasetSpec, data_root: Path) -> Iterator[str]:
    for folder in spec.folders or ():
        yield folder
        if (data_root / folder / ANNOTATIONS).is_file():
            yield f"{folder}/{ANNOTATIONS}"

"""Getting data by name: datasets, released networks, and the archives of published benchmarks, checked and unpacked."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from augment.files.archives import ArchiveError
from augment.lookup.parameters import nearest
from eval.benchmarks.suite.files import missing_files
from eval.outliers.sets import IMAGE_SETS
from eval.published_files.layout import ARCHIVE_MD5, COLLECTIONS, Collection
from orchestration.errors import InputError, Mistake
from orchestration.evaluation.published_archives import compare_collection
from trainers.datasets.download import download
from trainers.datasets.fetch import fetch as fetch_dataset
from trainers.datasets.registry import DATASETS
from trainers.errors import DataError
from trainers.models.released.fetch import fetch as fetch_network
from trainers.models.released.registry import CHECKPOINTS

Progress = Callable[[str, int, int | None], None]
"""Called with the file that is downloaded, the bytes that are there, and all of them or None."""


def check_names(names: list[str], data_root: Path) -> None:
    """Check that each name can be fetched, before anything is downloaded.

    Raises:
        InputError: With a mistake for each unknown name, and for each that a person has to get, with how.
    """
    known = [*DATASETS, *CHECKPOINTS, *COLLECTIONS, *IMAGE_SETS]
    mistakes = []
    for name in names:
        if name not in known:
            mistakes.append(Mistake(where=name, text=f"no data of this name are known{nearest(name, known)}"))
        elif reason := _by_hand(name, data_root):
            mistakes.append(Mistake(where=name, text=f"cannot be downloaded by a command; {reason}"))
    if mistakes:
        raise InputError("data", mistakes)


def fetch_by_name(name: str, data_root: Path, *, mirror: str | None, progress: Progress) -> str:
    """Get data by name, check them, and return where they are; what is there and whole is left alone.

    Args:
        name: As `check_names` accepts it.
        mirror: Address of a folder that has the archives of published benchmarks, instead of their published addresses.

    Raises:
        DataError: If a download fails, or what came is not the published data.
    """
    if name in DATASETS:
        fetch_dataset(name, data_root)
        return str(data_root)
    if name in CHECKPOINTS:
        return str(fetch_network(CHECKPOINTS[name], data_root))
    return str(_fetch_collection(COLLECTIONS[name], data_root, mirror, progress))


def _by_hand(name: str, data_root: Path) -> str:
    """Return what a person does to get the data, or "" where a command gets them."""
    if name in DATASETS:
        return DATASETS[name].how_to_get.replace("DIR", str(data_root))
    if name in CHECKPOINTS:
        found = CHECKPOINTS[name]
        return "" if found.is_direct or found.path(data_root).is_file() else found.how_to_get(data_root)
    if name in COLLECTIONS:
        each = COLLECTIONS[name]
        return "" if each.address else f"{data_root / name}: {each.source}"
    return f"{data_root / IMAGE_SETS[name].folders[0]}: {IMAGE_SETS[name].what}"


def _fetch_collection(collection: Collection, data_root: Path, mirror: str | None, progress: Progress) -> Path:
    folder = data_root / collection.name
    if not missing_files(collection.family, {}, collection.dataset, data_root):
        return folder
    base = (mirror or collection.address).rstrip("/")
    paths = [data_root / name for name in collection.packed]
    for path in paths:

        def report(done: int, total: int | None, name: str = path.name) -> None:
            progress(name, done, total)

        download(f"{base}/{path.name}", path, md5=ARCHIVE_MD5[path.name], report=report)
        _unpack(path, collection.name, data_root)
    try:
        compare_collection(collection.name, data_root)
    except ArchiveError as error:
        raise DataError(str(error)) from error
    for line in missing_files(collection.family, {}, collection.dataset, data_root):
        raise DataError(f"{line}, although its archives were unpacked")
    for path in paths:
        path.unlink()
    return folder


def _unpack(path: Path, name: str, data_root: Path) -> None:
    """Unpack an archive, as plain files alone, where the collection's files belong."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                folder = _into(packed.namelist(), name, data_root)
                for member in packed.infolist():
                    packed.extract(member, folder)  # leaves out what would lead out of the folder, and makes no links
            return
        with tarfile.open(path) as tar:
            tar.extractall(_into([next(iter(tar)).name], name, data_root), filter="data")
    except (OSError, tarfile.TarError, zipfile.BadZipFile, StopIteration) as error:
        raise DataError(f"{path} could not be unpacked ({error}); delete it and run the same command again") from error


def _into(members: list[str], name: str, data_root: Path) -> Path:
    """Return the folder to unpack in: some archives have the folder of the collection in them, others what belongs in it."""
    is_whole = all(member.removeprefix("./").split("/")[0] == name for member in members)
    return data_root if is_whole else data_root / name

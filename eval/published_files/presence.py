"""Which published files a benchmark reads, whether they are there, and which ones they are. Light: looks, never reads whole.

The identity of files with published checksums is those checksums, so that a key needs no data; of others it is a digest of
names, sizes and samples of their bytes, or "pending" while they are absent.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from eval.benchmarks import benchmark_for
from eval.corruptions.cbar import cbar_kinds
from eval.outlier_sets import FOLDER_PREFIX, IMAGE_SETS, OUTLIER_SETS, outlier_folder
from eval.params import build_config
from eval.perturbations.registry import perturbation_named
from eval.published_files.layout import ARCHIVE_MD5, FILE_MD5, FOLDERS

PENDING: Final = "pending"
CIFAR: Final = ("cifar-10", "cifar-100")
READERS: Final = frozenset({"ood", *(family for _, family in FOLDERS)})
"""The benchmarks that read files beside the dataset."""

SAMPLES: Final = 8
SAMPLE_BYTES: Final = 4096

SOURCES: Final[Mapping[str, str]] = {
    "CIFAR-10-C": "unpack CIFAR-10-C.tar of Zenodo record 2535967 there",
    "CIFAR-100-C": "unpack CIFAR-100-C.tar of Zenodo record 3555552 there",
    "CIFAR-10-C-Bar": "write them with make_cifar10_c_bar.py of facebookresearch/augmentation-corruption",
    "CIFAR-100-C-Bar": "no files of it are published; use the benchmark 'cbar-generated'",
    "CIFAR-10-P": "get the folder that the README of hendrycks/robustness links to",
    "CIFAR-100-P": "get the folder that the README of hendrycks/robustness links to",
    "mnist_c": "unpack mnist_c.zip of Zenodo record 3239543 there",
    "ImageNet-C": "unpack blur, digital, noise and weather.tar of Zenodo record 2235448 there",
    "ImageNet-C-Bar": "unpack dl.fbaipublicfiles.com/inc_bar/imagenet_c_bar.tar.gz there",
    "ImageNet-P": "unpack the archives of Zenodo record 3565846 there",
    "imagenet-r": "unpack people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar there",
    "Tiny-ImageNet-C": "unpack Tiny-ImageNet-C.tar of Zenodo record 2536630 there",
}
"""Folder below the data root -> how a person gets it."""

_PACKED: Final[Mapping[str, tuple[str, ...]]] = {
    "ImageNet-C": ("blur.tar", "digital.tar", "noise.tar", "weather.tar"),
    "Tiny-ImageNet-C": ("Tiny-ImageNet-C.tar",),
    "imagenet-r": ("imagenet-r.tar",),
    "mnist_c": ("mnist_c.zip",),
}
"""Folder -> archives with published checksums that it is unpacked from."""


def missing_files(benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path) -> list[str]:
    """Return one line per collection of published files that a benchmark needs and that is not complete below a data root.

    Args:
        benchmark: Name of the benchmark; one that reads no published files needs none.
        params: Its parameters that differ from the defaults, or all of them.
        dataset: The dataset whose networks are judged.
        data_root: Folder of datasets and published benchmarks.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if benchmark not in READERS:
        return []
    config: Any = build_config(benchmark_for(benchmark).config, params, owner=f"benchmark {benchmark!r}")
    if benchmark == "ood":
        return [
            _missing_set(name, data_root) for name in _folder_sets(config) if outlier_folder(name, data_root) is None
        ]
    folder = FOLDERS.get((dataset, benchmark))
    if folder is None:
        return []
    absent = [name for name in _needed(benchmark, config, dataset) if not (data_root / folder / name).exists()]
    if not absent:
        return []
    more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
    shown = f"{folder}/{absent[0]}".removesuffix("/.")
    return [
        f"benchmark {benchmark!r} of {dataset!r} is not complete below {data_root}: {shown}{more} is missing; "
        f"{SOURCES[folder]}"
    ]


def needed_datasets(benchmark: str, params: Mapping[str, object]) -> tuple[str, ...]:
    """Return the datasets whose test pictures a benchmark needs beside those that are judged: outlier sets.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if benchmark != "ood":
        return ()
    config: Any = build_config(benchmark_for(benchmark).config, params, owner=f"benchmark {benchmark!r}")
    drawn_or_folders = {*OUTLIER_SETS, *_folder_sets(config)}
    return tuple(name for name in config.sets if name not in drawn_or_folders)


def files_identity(
    benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path | None
) -> dict[str, str] | None:
    """Return the identity of the published files that a benchmark reads, by folder, or None where it reads none.

    It is the published checksums where there are any; else a digest of names, sizes and samples of the bytes below the data
    root; else "pending", while they are not there or no data root is given.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if benchmark not in READERS:
        return None
    config: Any = build_config(benchmark_for(benchmark).config, params, owner=f"benchmark {benchmark!r}")
    if benchmark == "ood":
        found = {name: _set_identity(name, data_root) for name in _folder_sets(config)}
        return found or None
    folder = FOLDERS.get((dataset, benchmark))
    if folder is None:
        return None
    needed = _needed(benchmark, config, dataset)
    declared = _declared(folder, needed)
    if declared is not None:
        return {folder: declared}
    if data_root is None or any(not (data_root / folder / name).exists() for name in needed):
        return {folder: PENDING}
    return {folder: _sampled(data_root / folder, needed)}


def _folder_sets(config: Any) -> list[str]:
    return [name for name in config.sets if name in IMAGE_SETS or name.startswith(FOLDER_PREFIX)]


def _missing_set(name: str, data_root: Path) -> str:
    if name.startswith(FOLDER_PREFIX):
        return f"outlier set {name!r} needs the folder {data_root / name.removeprefix(FOLDER_PREFIX)}, which is missing"
    known = IMAGE_SETS[name]
    return (
        f"outlier set {name!r} is not below {data_root}: it needs the folder {known.folders[0]}, which is missing; place its "
        f"pictures there ({known.what})"
    )


def _set_identity(name: str, data_root: Path | None) -> str:
    folder = None if data_root is None else outlier_folder(name, data_root)
    return PENDING if folder is None else _sampled(folder, ["."], is_whole=True)


def _needed(benchmark: str, config: Any, dataset: str) -> list[str]:
    """Return files and folders below the benchmark's folder."""
    if benchmark == "r":
        return ["."]
    if benchmark == "mnist-c":
        return [f"{kind}/test_{part}.npy" for kind in config.kinds for part in ("images", "labels")]
    if benchmark == "p":
        stems = [_stem(kind, config.difficulty) for kind in config.chosen]
        return [f"{stem}.npy" for stem in stems] if dataset in CIFAR else stems
    kinds = config.kinds or cbar_kinds(32 if dataset in CIFAR else 224)
    if dataset in CIFAR:
        return [f"{name}.npy" for name in (*kinds, "labels")]
    return [f"{kind}/{severity}" for kind in kinds for severity in config.severities]


def _stem(kind: str, difficulty: int) -> str:
    return f"{kind}_{difficulty}" if perturbation_named(kind).is_noise and difficulty > 1 else kind


def _declared(folder: str, needed: list[str]) -> str | None:
    if folder in FILE_MD5:
        known = FILE_MD5[folder]
        return "md5:" + _digest(f"{name} {known[name.removesuffix('.npy')]}" for name in sorted(needed))
    if folder in _PACKED:
        return "md5-of-packed:" + _digest(ARCHIVE_MD5[name] for name in _PACKED[folder])
    return None


def _sampled(folder: Path, names: list[str], *, is_whole: bool = False) -> str:
    """Return a digest of files and folders: names, sizes, and blocks of the files' bytes, evenly spread."""
    return "sampled:" + _digest(
        line for name in sorted(names) for line in _facts(folder / name, folder, is_whole=is_whole)
    )


def _facts(path: Path, folder: Path, *, is_whole: bool) -> Iterator[str]:
    name = path.relative_to(folder).as_posix()
    if path.is_file():
        yield f"{name} {path.stat().st_size} {_sample(path)}"
        return
    children = sorted(os.scandir(path), key=lambda entry: entry.name)
    for number, entry in enumerate(children):
        if entry.is_dir():
            yield f"{name}/{entry.name}/"
            if is_whole or number == 0:  # a tree of a million pictures is told from another by its first class
                yield from _facts(Path(entry.path), folder, is_whole=is_whole)
        else:
            yield f"{name}/{entry.name} {entry.stat().st_size}"


def _sample(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        for number in range(SAMPLES):
            handle.seek(max(0, size - SAMPLE_BYTES) * number // (SAMPLES - 1))
            digest.update(handle.read(SAMPLE_BYTES))
    return digest.hexdigest()


def _digest(lines: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""Which published files a benchmark reads, and whether they are there. Light: looks at names and at the heads of arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from augment.files.trial import refuse_undecodable
from augment.files.walk import ImageFolderError, is_hidden
from eval.benchmarks.registry import benchmark_for
from eval.corruptions.cbar.registry import cbar_kinds
from eval.errors import EvalError
from eval.outliers.sets import FOLDER_PREFIX, IMAGE_SETS, OUTLIER_SETS, UnreadableSetError, outlier_files
from eval.perturbations.p.registry import perturbation_named
from eval.published_files.headers import misfits
from eval.published_files.layout import FOLDERS

CIFAR: Final = ("cifar-10", "cifar-100")
READERS: Final = frozenset({"ood", *(family for _, family in FOLDERS)})
"""The benchmarks that read files beside the dataset."""

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


def missing_files(benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path) -> list[str]:
    """Return a line for each collection of published files that a benchmark needs and that is not complete in a data root.

    Arrays that are not whole, or of another type or shape, are as good as missing.

    Args:
        benchmark: Name of the benchmark; one that reads no published files needs none.
        params: Its parameters that differ from the defaults, or all of them.
        dataset: The dataset whose networks are evaluated.
        data_root: Folder of datasets and published benchmarks.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if benchmark not in READERS:
        return []
    config: Any = benchmark_for(benchmark).config_of(params)
    if benchmark == "ood":
        return _unusable_sets(folder_sets(config), data_root)
    folder = FOLDERS.get((dataset, benchmark))
    if folder is None:
        return []
    parts = needed_parts(benchmark, config, dataset)
    absent = [name for name in parts if not is_there(data_root / folder / name)]
    if not absent:
        wrong = misfits(data_root / folder, parts)
        more = f", and {len(wrong) - 1} more do not fit" if len(wrong) > 1 else ""
        return [f"benchmark {benchmark!r} of {dataset!r}: {wrong[0]}{more}; {SOURCES[folder]}"] if wrong else []
    more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
    shown = f"{folder}/{absent[0]}".removesuffix("/.")
    return [
        f"benchmark {benchmark!r} of {dataset!r} is not complete below {data_root}: {shown}{more} is missing; "
        f"{SOURCES[folder]}"
    ]


def unusable_files(benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path) -> list[str]:
    """Return why a benchmark cannot run on its files at all: as `missing_files`, without outlier sets that are refused alone.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if benchmark != "ood":
        return missing_files(benchmark, params, dataset, data_root)
    config: Any = benchmark_for(benchmark).config_of(params)
    folders, absent = folder_sets(config), []
    for name in folders:
        try:
            outlier_files(name, data_root)
        except UnreadableSetError:
            continue
        except EvalError as error:
            absent.append(str(error))
    refused = _unusable_sets(folders, data_root)
    return absent or (refused if len(refused) == len(config.sets) else [])


def needed_datasets(benchmark: str, params: Mapping[str, object]) -> tuple[str, ...]:
    """Return the datasets whose test images a benchmark needs beside those that are evaluated: outlier sets.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if benchmark != "ood":
        return ()
    config: Any = benchmark_for(benchmark).config_of(params)
    drawn_or_folders = {*OUTLIER_SETS, *folder_sets(config)}
    return tuple(name for name in config.sets if name not in drawn_or_folders)


def is_there(path: Path) -> bool:
    """Return whether a file is there, or a folder with something in it."""
    if not path.is_dir():
        return path.is_file()
    with os.scandir(path) as entries:
        return any(not is_hidden(entry.name) for entry in entries)


def folder_sets(config: Any) -> list[str]:
    """Return the outlier sets of a configuration that are folders of images."""
    return [name for name in config.sets if name in IMAGE_SETS or name.startswith(FOLDER_PREFIX)]


def _unusable_sets(names: list[str], data_root: Path) -> list[str]:
    """Return a line for each folder of outliers that is missing, empty, or has too many images that cannot be read."""
    lines = []
    for name in names:
        try:
            refuse_undecodable(outlier_files(name, data_root))
        except EvalError as error:
            lines.append(str(error))
        except ImageFolderError as error:
            lines.append(f"outlier set {name!r}: {error}")
    return lines


def needed_parts(benchmark: str, config: Any, dataset: str) -> list[str]:
    """Return the files and folders that a benchmark reads, by their names in its folder."""
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

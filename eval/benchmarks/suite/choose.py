"""Suites: which benchmarks together evaluate a network on every safety axis, for a dataset and the files that are there.

Published files are preferred where they are in the data root; else the generated stand-in is chosen, under its own name, and a
note lists the missing files and where they belong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

from augment.lookup.parameters import nearest
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.files import missing_files
from eval.errors import EvalError
from eval.outliers.generated import OUTLIER_SETS
from eval.outliers.sets import IMAGE_SETS, outlier_folder
from eval.published_files.files import is_there
from eval.published_files.layout import collection_of

SuiteName = Literal["full", "generated", "published", "quick"]
SUITES: Final[tuple[str, ...]] = get_args(SuiteName)
QUICK_IMAGES: Final = 500
QUICK_SEQUENCES: Final = 100
"""Images of `p-generated` in the quick suite: each is shown in 31 frames of ten perturbations, as many passes as all of C."""

GREY_DIGITS_SIDE: Final = 28
"""MNIST-C is made for images of this side."""

CROSS_SETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cifar-10": ("textures", "svhn", "lsun", "places69", "isun", "cifar-100"),
        "cifar-100": ("textures", "svhn", "lsun", "places69", "isun", "cifar-10"),
        "mnist": ("fashion-mnist", "kmnist", "notmnist"),
        "fashion-mnist": ("mnist", "kmnist", "notmnist"),
        "kmnist": ("mnist", "fashion-mnist", "notmnist"),
        "imagenet": ("textures", "places69", "places365", "imagenet-o"),
        "tiny-imagenet": ("textures", "svhn", "lsun", "places69", "isun"),
    }
)
"""Dataset -> its usual outlier sets, where they are in the data root."""

_FAMILIES: Final = ("c", "cbar", "p")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteChoice:
    """The benchmarks of a suite.

    Attributes:
        benchmarks: Benchmark -> parameters that differ from the defaults, in the order in which they run.
        notes: What is not as published: missing files with where they belong, stand-ins, limits.
    """

    benchmarks: Mapping[str, Mapping[str, object]]
    notes: tuple[str, ...]


def check_suite(name: str) -> None:
    """Refuse a suite that does not exist.

    Raises:
        EvalError: If it is none of `SUITES`.
    """
    if name not in SUITES:
        raise EvalError(f"unknown suite {name!r}{nearest(name, SUITES)}")


def choose_suite(
    name: str, *, dataset: str, side: int, channels: int, data_root: Path, has_dataset: Callable[[str], bool]
) -> SuiteChoice:
    """Return the benchmarks of a suite for a dataset.

    "full" takes published files where they are and generated stand-ins where not, "published" and "generated" one kind only, and
    "quick" is "generated" on the first 500 images of the limit's order, in p-generated the first 100.

    Args:
        name: One of `SUITES`.
        dataset: The dataset that the network was trained on.
        side: Shorter side of its images in pixels.
        channels: 1 (grey) or 3 (RGB).
        has_dataset: Whether a dataset is in the data root.

    Raises:
        EvalError: If the suite is unknown.
    """
    check_suite(name)
    families = [*_FAMILIES, *(["mnist-c"] if channels == 1 and side == GREY_DIGITS_SIDE else [])]
    benchmarks: dict[str, Mapping[str, object]] = {"clean": {}, "clean-scaled": {}}
    notes: list[str] = []
    for family in families:
        chosen = _of_family(family, name, dataset, data_root, notes)
        benchmarks |= {chosen: {}} if chosen else {}
    if dataset == "imagenet" and name in ("full", "published"):
        benchmarks |= _renditions(dataset, data_root, notes)
    benchmarks |= {"pgd": {}, "pgd-reference": {}}
    benchmarks |= _outliers(name, dataset, data_root, has_dataset, notes)
    if name == "quick":
        limits = {"p-generated": QUICK_SEQUENCES}
        benchmarks = {
            each: {**params, "max_images": limits.get(each, QUICK_IMAGES)} for each, params in benchmarks.items()
        }
        notes.append(f"at most {QUICK_IMAGES} test images, {QUICK_SEQUENCES} in p-generated")
    return SuiteChoice(benchmarks=benchmarks, notes=tuple(notes))


def axes_of(benchmarks: Sequence[str]) -> tuple[str, ...]:
    """Return the safety axes that some benchmarks evaluate, in the order of the literature."""
    evaluated = {benchmark_for(name).axis for name in benchmarks}
    if any("rms" in benchmark_for(name).metrics for name in benchmarks):
        evaluated.add("calibration")
    order = ("accuracy", "corruption", "consistency", "adversaries", "calibration", "anomaly")
    return tuple(axis for axis in order if axis in evaluated)


def _of_family(family: str, suite: str, dataset: str, data_root: Path, notes: list[str]) -> str | None:
    stand_in = f"{family}-generated"
    if suite in ("generated", "quick"):
        return stand_in
    if collection_of(dataset, family) is None:
        if suite == "published":
            notes.append(f"{family}: there are no published files for {dataset}")
            return None
        return stand_in
    lacking = missing_files(family, {}, dataset, data_root)
    if not lacking:
        return family
    instead = f"; {stand_in} is used instead" if suite == "full" else ""
    notes.extend(f"{line}{instead}" for line in lacking)
    return stand_in if suite == "full" else None


def _renditions(dataset: str, data_root: Path, notes: list[str]) -> dict[str, Mapping[str, object]]:
    lacking = missing_files("r", {}, dataset, data_root)
    notes.extend(lacking)
    return {} if lacking else {"r": {}}


def _outliers(
    suite: str, dataset: str, data_root: Path, has_dataset: Callable[[str], bool], notes: list[str]
) -> dict[str, Mapping[str, object]]:
    if suite in ("generated", "quick"):
        return {"ood-generated": {}}
    usual = CROSS_SETS.get(dataset, ())
    there = [name for name in usual if _is_there(name, data_root, has_dataset)]
    absent = [name for name in usual if name not in there]
    if absent:
        notes.append(f"ood: not in {data_root} and left out: {', '.join(absent)}")
    return {"ood": {"sets": [*OUTLIER_SETS, *there]}} if there else {"ood-generated": {}}


def _is_there(name: str, data_root: Path, has_dataset: Callable[[str], bool]) -> bool:
    if name not in IMAGE_SETS:
        return has_dataset(name)
    folder = outlier_folder(name, data_root)
    return folder is not None and is_there(folder)

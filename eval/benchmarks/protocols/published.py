"""The published files of harder images as sets to evaluate on, as their archives unpack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.files.published import Identified
from augment.files.walk import class_folders
from eval.benchmarks.contract import EvaluationData, FileSource
from eval.benchmarks.protocols.corruption import evaluate_corruptions
from eval.errors import EvalError
from eval.inference.image_sets import ImageSet
from eval.inference.sampling import chosen_of
from eval.inference.subject import Subject
from eval.published_files.arrays import CIFAR, cifar_corruptions
from eval.published_files.files import identity_of_parts, missing_parts
from eval.published_files.folders import Preprocessing, corrupted_folders
from eval.published_files.layout import Collection, collection_of, published_collection
from eval.published_files.sets import PublishedSet
from eval.report import BenchmarkOutcome


def evaluate_published(
    subject: Subject,
    family: str,
    kinds: Sequence[str],
    severities: Sequence[int],
    *,
    preprocessing: Preprocessing,
    max_images: int | None,
    baseline: str | None = None,
) -> BenchmarkOutcome:
    """Evaluate a subject on published files of corrupted images: arrays of CIFAR, folders of images otherwise."""
    folder = folder_of(subject, family)
    notes: dict[str, Any] = {}
    if subject.dataset in CIFAR:
        sets = cifar_corruptions(folder, subject.labels, kinds=kinds, severities=severities, check="checksums")
    else:
        sets = corrupted_folders(
            folder,
            classes_in(folder / kinds[0] / str(severities[0]), subject),
            kinds=kinds,
            severities=severities,
            side=subject.images.shape[1],
            preprocessing=preprocessing,
        )
        notes["preprocessing"] = preprocessing
    outcome = evaluate_corruptions(subject, limited(sets, max_images, subject), baseline=baseline)
    return replace(outcome, notes={**outcome.notes, **notes, **set_limit_notes(sets, max_images)})


def folder_of(subject: Subject, family: str) -> Path:
    """Return the folder of the published files of a subject's dataset."""
    return subject.data_root / published_collection(subject.dataset, family).name


def classes_in(folder: Path, subject: Subject) -> tuple[str, ...]:
    """Return the names of the class folders, sorted: the order of the network's classes."""
    if not folder.is_dir():
        raise EvalError(
            f"published images are read from the folder '{folder}', which does not exist; unpack them there"
        )
    names = class_folders(folder)
    if len(names) != subject.num_classes:
        raise EvalError(f"'{folder}' must contain {subject.num_classes} class folders, but contains {len(names)}")
    return names


def limited(
    sets: Sequence[PublishedSet],
    max_images: int | None,
    subject: Subject,
    *,
    names: tuple[str, ...] = ("corruption", "severity"),
) -> list[ImageSet]:
    """Return published sets as image sets with these fields; a limit takes the same images (or sequences) of each."""
    return [
        ImageSet(
            fields={name: images.fields[name] for name in names if name in images.fields},
            labels=np.repeat(images.labels[indices], images.frames),
            load=_loader(images, indices),
            group=images.frames,
        )
        for images in sets
        for indices in [chosen_of(len(images), max_images, subject.seed)]
    ]


def set_limit_notes(sets: Sequence[PublishedSet], max_images: int | None) -> dict[str, Any]:
    """Return the note that a limited benchmark must carry, or nothing for a full one."""
    total = max(len(images) for images in sets)
    return {} if max_images is None or max_images >= total else {"limited": {"used": max_images, "of": total}}


def corruption_parts(dataset: str, kinds: Sequence[str], severities: Sequence[int]) -> list[str]:
    """Return the files or folders of corrupted images, by their names in the collection's folder."""
    if dataset in CIFAR:
        return [f"{name}.npy" for name in (*kinds, "labels")]
    return [f"{kind}/{severity}" for kind in kinds for severity in severities]


def published_source(family: str, dataset: str, parts: Sequence[str]) -> list[FileSource]:
    """Return the published files that a benchmark reads; none where none are published for the dataset."""
    collection = collection_of(dataset, family)
    if collection is None:
        return []
    identities = partial(_identities, collection, parts)
    return [FileSource(identities=identities, missing=partial(missing_parts, collection, parts))]


def published_problem(family: str, data: EvaluationData) -> str | None:
    """Return that no files are published for a dataset, or None."""
    try:
        published_collection(data.dataset, family)
    except EvalError as error:
        return str(error)
    return None


def _identities(collection: Collection, parts: Sequence[str], data_root: Path | None) -> dict[str, Identified]:
    return {collection.name: identity_of_parts(collection, parts, data_root)}


def _loader(images: PublishedSet, indices: NDArray[np.int64]) -> Callable[[int, int], NDArray[np.uint8]]:
    frames, is_whole = images.frames, len(indices) == len(images)

    def load(start: int, stop: int) -> NDArray[np.uint8]:
        first, last = start // frames, stop // frames
        if is_whole:
            loaded = images.load(first, last)
        else:
            loaded = np.concatenate([images.load(int(row), int(row) + 1) for row in indices[first:last]])
        return loaded.reshape(-1, *loaded.shape[-3:])

    return load

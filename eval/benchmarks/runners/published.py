"""The published files of harder images as benchmarks: C, C-bar, R, P and MNIST-C, as their archives unpack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.files.walk import class_folders
from eval.benchmarks.baselines import baseline_name
from eval.benchmarks.runners.clean import calibration_values, missing_calibration
from eval.benchmarks.runners.consistency import evaluate_perturbations
from eval.benchmarks.runners.corruption import CALIBRATION, errors_only, evaluate_corruptions
from eval.errors import EvalError
from eval.inference.predict import ImageSet, predict
from eval.inference.sampling import chosen_of
from eval.published_files.layout import RENDITION_CLASSES, published_folder
from eval.published_files.sets import PublishedSet
from eval.report import BenchmarkOutcome, MetricValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.benchmarks.configs import (
        MnistCorruptionConfig,
        PerturbationConfig,
        PublishedBarConfig,
        PublishedCorruptionConfig,
        RenditionConfig,
    )
    from eval.inference.subject import Subject

CIFAR = ("cifar-10", "cifar-100")


def run_corruptions(config: PublishedCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published files of C.

    Raises:
        EvalError: If files are missing, broken or of other images, or a logit is not finite.
    """
    sets = _corrupted(subject, "c", config.kinds, config.severities, config.preprocessing)
    baseline = baseline_name("c", config, subject.dataset, subject.data_root)
    outcome = evaluate_corruptions(subject, _limited(sets, config.max_images, subject), baseline=baseline)
    notes = {**_preprocessing_notes(subject, config.preprocessing), **_limit_notes(sets, config.max_images)}
    return replace(outcome, notes={**outcome.notes, **notes})


def run_bar(config: PublishedBarConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published files of C-bar (for CIFAR: those that the published script writes).

    Raises:
        EvalError: If files are missing, broken or of other images, or a logit is not finite.
    """
    from eval.benchmarks.runners.generated import bar_kinds

    sets = _corrupted(subject, "cbar", config.kinds or bar_kinds(subject), config.severities, config.preprocessing)
    outcome = evaluate_corruptions(subject, _limited(sets, config.max_images, subject), baseline=None)
    notes = {**_preprocessing_notes(subject, config.preprocessing), **_limit_notes(sets, config.max_images)}
    return replace(outcome, notes={**outcome.notes, **notes})


def run_mnist_corruptions(config: MnistCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published files of MNIST-C.

    Raises:
        EvalError: If files are missing, broken or of other images, or a logit is not finite.
    """
    from eval.published_files.arrays import mnist_corruptions

    sets = mnist_corruptions(_folder(subject, "mnist-c"), subject.labels, kinds=config.kinds)
    outcome = errors_only(evaluate_corruptions(subject, _limited(sets, config.max_images, subject), baseline=None))
    return replace(outcome, notes={**outcome.notes, **_limit_notes(sets, config.max_images)})


def run_perturbations(config: PerturbationConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published sequences of P.

    Raises:
        EvalError: If files are missing or broken, or a logit is not finite.
    """
    folder = _folder(subject, "p")
    sets: Sequence[PublishedSet]
    if subject.dataset in CIFAR:
        from eval.published_files.arrays import cifar_perturbations

        sets = cifar_perturbations(folder, len(subject.images), kinds=config.chosen, difficulty=config.difficulty)
    else:
        from eval.published_files.videos import video_perturbations

        classes = _class_folders(folder / config.chosen[0], subject)
        sets = video_perturbations(folder, classes, kinds=config.chosen, difficulty=config.difficulty)
    baseline = baseline_name("p", config, subject.dataset, subject.data_root)
    chosen = _limited(sets, config.max_images, subject, names=("perturbation",))
    outcome = evaluate_perturbations(subject, chosen, replace(config, baseline=baseline))
    return replace(outcome, notes={**outcome.notes, **_limit_notes(sets, config.max_images)})


def run_renditions(config: RenditionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate an ImageNet network on ImageNet-R: the softmax runs over the logits of its 200 classes only.

    Raises:
        EvalError: If the network has not ImageNet's 1000 classes, files are missing or broken, or a logit is not finite.
    """
    from eval.published_files.folders import rendition_folders

    if subject.num_classes != 1000:
        raise EvalError(
            f"ImageNet-R needs a network of ImageNet's 1000 classes, but this one has {subject.num_classes}"
        )
    folder = _folder(subject, "r")
    sets = [rendition_folders(folder, class_folders(folder), side=subject.images.shape[1])]
    (chosen,) = _limited(sets, config.max_images, subject)
    predictions = predict(subject, replace(chosen, classes=np.array(RENDITION_CLASSES, dtype=np.int64)))
    calibration = calibration_values(predictions)
    values = {"error": predictions.error}
    values |= {name: calibration[name] for name in CALIBRATION if name in calibration}
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, len(predictions)) for name, value in values.items()},
        arrays=predictions.arrays("r"),
        notes={**missing_calibration(len(predictions), CALIBRATION), **_limit_notes(sets, config.max_images)},
    )


def _corrupted(
    subject: Subject, family: str, kinds: Sequence[str], severities: Sequence[int], preprocessing: Any
) -> list[PublishedSet]:
    folder = _folder(subject, family)
    if subject.dataset in CIFAR:
        from eval.published_files.arrays import cifar_corruptions

        return cifar_corruptions(folder, subject.labels, kinds=kinds, severities=severities, check="checksums")
    from eval.published_files.folders import corrupted_folders

    return corrupted_folders(
        folder,
        _class_folders(folder / kinds[0] / str(severities[0]), subject),
        kinds=kinds,
        severities=severities,
        side=subject.images.shape[1],
        preprocessing=preprocessing,
    )


def _preprocessing_notes(subject: Subject, preprocessing: str) -> dict[str, str]:
    """Say how stored images became the network's; files of CIFAR are arrays of its size."""
    return {} if subject.dataset in CIFAR else {"preprocessing": preprocessing}


def _folder(subject: Subject, family: str) -> Path:
    return subject.data_root / published_folder(subject.dataset, family)


def _class_folders(folder: Path, subject: Subject) -> tuple[str, ...]:
    """Return the names of the class folders, sorted: the order of the network's classes."""
    if not folder.is_dir():
        raise EvalError(
            f"published images are read from the folder '{folder}', which does not exist; unpack them there"
        )
    names = class_folders(folder)
    if len(names) != subject.num_classes:
        raise EvalError(f"'{folder}' must hold {subject.num_classes} class folders, but holds {len(names)}")
    return names


def _limited(
    sets: Sequence[PublishedSet],
    max_images: int | None,
    subject: Subject,
    *,
    names: tuple[str, ...] = ("corruption", "severity"),
) -> list[ImageSet]:
    """Return published sets as image sets; a limit takes the same images (or sequences) of each."""
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


def _limit_notes(sets: Sequence[PublishedSet], max_images: int | None) -> dict[str, Any]:
    total = max(len(images) for images in sets)
    return {} if max_images is None or max_images >= total else {"limited": {"used": max_images, "of": total}}

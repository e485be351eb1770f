"""P: sequences of slightly changing frames, from the published files or generated; flip rates and top-5 distances along them.

A sequence stays whole on one worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eval.benchmarks.contract import Arrays, Benchmark, EvaluationData, FileSource, Passes
from eval.benchmarks.protocols.baselines import Baseline, baseline_problem, default_baseline, own_baseline_source
from eval.benchmarks.protocols.checks import check_limit, check_names
from eval.benchmarks.protocols.consistency import RATES, consistency_outcome
from eval.benchmarks.protocols.published import (
    classes_in,
    folder_of,
    limited,
    published_problem,
    published_source,
    set_limit_notes,
)
from eval.corruptions.contract import check_side
from eval.errors import EvalError
from eval.inference.image_sets import ImageSet
from eval.inference.predict import predict_sets
from eval.inference.sampling import chosen_indices, limit_notes
from eval.inference.subject import Subject
from eval.perturbations.frames import perturb
from eval.perturbations.p.registry import PERTURBATIONS, Weather, benchmark_perturbations, num_frames, sequence_stem
from eval.published_files.arrays import CIFAR, cifar_perturbations
from eval.published_files.sets import PublishedSet
from eval.published_files.videos import video_perturbations
from eval.report import BenchmarkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationConfig:
    """P: sequences of slightly changing frames.

    Attributes:
        kinds: Perturbations, each weighing the same; None for the ten of the benchmark with the chosen weather.
        weather: "snow" as ImageNet-P and its tables have, or "spatter" as the published script for CIFAR-P has.
        difficulty: Frames between those compared, 1 to 3; for noises its level.
        baseline: Name of the baseline network whose rates normalise, or None for raw rates only.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] | None = None
    weather: Weather = "snow"
    difficulty: int = 1
    baseline: str | None = None
    max_images: int | None = None

    def __post_init__(self) -> None:
        if self.kinds is not None:
            check_names("perturbation", self.kinds, tuple(PERTURBATIONS))
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"difficulty must be 1, 2 or 3, but got {self.difficulty}")
        check_limit(self.max_images)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The perturbations that are run."""
        return self.kinds or benchmark_perturbations(self.weather)


def run_published(config: PerturbationConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published sequences of P."""
    folder, kinds = folder_of(subject, "p"), config.chosen
    sets: Sequence[PublishedSet]
    if subject.dataset in CIFAR:
        sets = cifar_perturbations(folder, len(subject.images), kinds=kinds, difficulty=config.difficulty)
    else:
        classes = classes_in(folder / kinds[0], subject)
        sets = video_perturbations(folder, classes, kinds=kinds, difficulty=config.difficulty)
    chosen = limited(sets, config.max_images, subject, names=("perturbation",))
    baseline = _published_baseline(config, subject.dataset, subject.data_root)
    outcome = _evaluate(subject, chosen, config, baseline)
    return replace(outcome, notes={**outcome.notes, **set_limit_notes(sets, config.max_images)})


def run_generated(config: PerturbationConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on sequences that are generated from its own test images, streamed."""
    indices = chosen_indices(subject, config.max_images)
    sets = [_generated(subject, kind, indices, config.difficulty) for kind in config.chosen]
    outcome = _evaluate(subject, sets, config, config.baseline)
    return replace(outcome, notes={**outcome.notes, "generated": True, **limit_notes(subject, len(indices))})


def _evaluate(
    subject: Subject, sets: Sequence[ImageSet], config: PerturbationConfig, baseline: str | None
) -> BenchmarkOutcome:
    """Evaluate a subject on sets of sequences with the field "perturbation".

    A set holds the frames of one sequence after those of another; its group is the number of frames.
    """
    predictions = predict_sets(subject, sets)
    ranked = {
        str(images.fields["perturbation"]): each.top_classes.reshape(-1, images.group, each.top_classes.shape[1])
        for images, each in zip(sets, predictions, strict=True)
    }
    return _outcome(ranked, config, baseline, subject.data_root)


def _outcome(
    ranked: Mapping[str, NDArray[np.unsignedinteger]],
    config: PerturbationConfig,
    baseline: str | None,
    data_root: Path | None,
) -> BenchmarkOutcome:
    notes = {"weather": config.weather}
    return consistency_outcome(
        ranked, difficulty=config.difficulty, baseline=baseline, notes=notes, data_root=data_root
    )


def _generated(subject: Subject, kind: str, indices: NDArray[np.int64], difficulty: int) -> ImageSet:
    frames = num_frames(kind, min(subject.images.shape[1:3]))

    def load(start: int, stop: int) -> NDArray[np.uint8]:
        own = indices[start // frames : stop // frames]
        made = perturb(
            subject.images[own],
            kind,
            fingerprint=subject.fingerprint,
            indices=own,
            seed=subject.seed,
            difficulty=difficulty,
        )
        return made.reshape(-1, *subject.images.shape[1:])

    labels = np.repeat(subject.labels[indices], frames)
    return ImageSet(fields={"perturbation": kind}, labels=labels, load=load, group=frames)


def _published_baseline(config: PerturbationConfig, dataset: str, data_root: Path | None) -> str | None:
    if config.baseline is not None:
        return config.baseline
    return default_baseline("p", dataset, config.chosen, data_root)


def _missing_baseline(config: PerturbationConfig, dataset: str, data_root: Path) -> str | None:
    if _published_baseline(config, dataset, data_root) is not None:
        return None
    return (
        f"'mfr-normalised' and 'mt5d-normalised' of {dataset!r} are divided by the numbers of a baseline network, which were "
        f"never published and are not in {data_root}; measure AlexNet's on your files: dreamgrid data baselines --model alexnet"
    )


def _published_problem(config: PerturbationConfig, data: EvaluationData) -> str | None:
    return published_problem("p", data) or _generated_problem(config, data)


def _generated_problem(config: PerturbationConfig, data: EvaluationData) -> str | None:
    def check(baseline: Baseline) -> None:
        for what, known in (("flip rates", baseline.flip_rates), ("top-5 distances", baseline.top5_distances)):
            lacking = [kind for kind in config.chosen if known.get(kind, 0.0) <= 0.0]
            if lacking:
                raise EvalError(f"baseline {config.baseline!r} has no {what} of {lacking} to divide by")

    return baseline_problem(config.baseline, data.data_root, check)


def _published_files(config: PerturbationConfig, dataset: str, data_root: Path | None) -> Sequence[FileSource]:
    stems = [sequence_stem(kind, config.difficulty) for kind in config.chosen]
    parts = [f"{stem}.npy" for stem in stems] if dataset in CIFAR else stems
    return [
        *published_source("p", dataset, parts),
        own_baseline_source(lambda root: _published_baseline(config, dataset, root)),
    ]


def _recompute(config: PerturbationConfig, arrays: Arrays, data_root: Path | None, seed: int) -> BenchmarkOutcome:
    suffix = "/top_classes"
    ranked: dict[str, NDArray[np.unsignedinteger[Any]]] = {
        name.removesuffix(suffix): np.asarray(values, dtype=values.dtype)
        for name, values in arrays.items()
        if name.endswith(suffix)
    }
    return _outcome(ranked, config, config.baseline, data_root)


P: Final = Benchmark(
    name="p",
    title="P",
    axis="consistency",
    origin="published",
    semantics=1,
    config=PerturbationConfig,
    metrics=(*RATES, *(f"{rate}-normalised" for rate in RATES)),
    run=run_published,
    source="Hendrycks and Dietterich, ICLR 2019; hendrycks/robustness, ImageNet-P",
    details="perturbation",
    fine_rows=lambda config, side: config.chosen,
    problem=_published_problem,
    passes=lambda config, data: Passes(
        forward=data.used(config) * sum(num_frames(kind, data.side) for kind in config.chosen)
    ),
    files=_published_files,
    baseline=_published_baseline,
    missing_baseline=_missing_baseline,
    recompute=_recompute,
)

P_GENERATED: Final = replace(
    P,
    name="p-generated",
    title="P (generated)",
    origin="generated",
    semantics=2,
    run=run_generated,
    check_images=lambda config, side, channels: check_side(side),
    problem=_generated_problem,
    files=lambda config, dataset, data_root: [own_baseline_source(lambda root: config.baseline)],
    baseline=lambda config, dataset, data_root: config.baseline,
    missing_baseline=None,
)

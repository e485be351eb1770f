"""C: common corruptions at several severities, from the published files or generated from the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from eval.benchmarks.contract import Benchmark, EvaluationData, FileSource, Passes
from eval.benchmarks.protocols.baselines import baseline_problem, default_baseline, own_baseline_source
from eval.benchmarks.protocols.checks import check_limit, check_names, check_severities
from eval.benchmarks.protocols.corruption import CALIBRATION, recompute_corruptions
from eval.benchmarks.protocols.generated import evaluate_family
from eval.benchmarks.protocols.published import (
    corruption_parts,
    evaluate_published,
    published_problem,
    published_source,
)
from eval.corruptions.c.registry import BENCHMARK_KINDS, EXTRA_KINDS
from eval.corruptions.contract import SEVERITIES
from eval.corruptions.families import check_effect
from eval.corruptions.ice import FROST, frost_from_folder, frost_identity
from eval.inference.subject import Subject
from eval.metrics.corruption import corruption_errors
from eval.published_files.folders import Preprocessing
from eval.report import BenchmarkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCorruptionConfig:
    """The published files of corrupted images.

    Attributes:
        kinds: Corruptions, each weighing the same.
        severities: Severities from 1 to 5.
        baseline: Name of the baseline network whose errors normalise mCE; None takes the published one of the dataset's files
            (ImageNet-C), and gives raw errors only where there is none (CIFAR-C).
        preprocessing: "as-stored", or "reference": shrink to 256 px and crop 224, as the published script does to ImageNet files.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] = BENCHMARK_KINDS
    severities: tuple[int, ...] = SEVERITIES
    baseline: str | None = None
    preprocessing: Preprocessing = "as-stored"
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check(self.kinds, self.severities, self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionConfig:
    """Corruptions at several severities, generated from the test images.

    Attributes:
        kinds: Corruptions, each weighing the same.
        severities: Severities from 1 to 5.
        frost: Ice for `frost`: "procedural" (no photographs), or "images" from the folder `frost` of the data root.
        baseline: Name of the baseline network whose errors normalise mCE, or None for raw errors only.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] = BENCHMARK_KINDS
    severities: tuple[int, ...] = SEVERITIES
    frost: Literal["procedural", "images"] = "procedural"
    baseline: str | None = None
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check(self.kinds, self.severities, self.max_images)


def _check(kinds: tuple[str, ...], severities: tuple[int, ...], max_images: int | None) -> None:
    check_names("corruption", kinds, (*BENCHMARK_KINDS, *EXTRA_KINDS))
    check_severities(severities)
    check_limit(max_images)


def run_published(config: PublishedCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published files of C."""
    return evaluate_published(
        subject,
        "c",
        config.kinds,
        config.severities,
        preprocessing=config.preprocessing,
        max_images=config.max_images,
        baseline=_published_baseline(config, subject.dataset, subject.data_root),
    )


def run_generated(config: CorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the corruptions of C, generated from its own test images."""
    frost = None if config.frost == "procedural" else frost_from_folder(subject.data_root / FROST)
    return evaluate_family(
        subject, "c", config.kinds, config.severities, config.max_images, baseline=config.baseline, frost=frost
    )


def _published_baseline(config: PublishedCorruptionConfig, dataset: str, data_root: Path | None) -> str | None:
    if config.baseline is not None:
        return config.baseline
    return default_baseline("c", dataset, config.kinds, data_root)


def _published_problem(config: PublishedCorruptionConfig, data: EvaluationData) -> str | None:
    return published_problem("c", data) or _generated_problem(config, data)


def _generated_problem(config: PublishedCorruptionConfig | CorruptionConfig, data: EvaluationData) -> str | None:
    zeros = {kind: dict.fromkeys(config.severities, 0.0) for kind in config.kinds}
    return baseline_problem(config.baseline, data.data_root, lambda each: corruption_errors(zeros, each.errors))


def _published_files(config: PublishedCorruptionConfig, dataset: str, data_root: Path | None) -> Sequence[FileSource]:
    parts = corruption_parts(dataset, config.kinds, config.severities)
    return [
        *published_source("c", dataset, parts),
        own_baseline_source(lambda root: _published_baseline(config, dataset, root)),
    ]


def _generated_files(config: CorruptionConfig, dataset: str, data_root: Path | None) -> Sequence[FileSource]:
    sources = [own_baseline_source(lambda root: config.baseline)]
    if config.frost == "images" and FROST in config.kinds:
        sources.append(FileSource(identities=lambda root: {FROST: frost_identity(root)}))
    return sources


C: Final = Benchmark(
    name="c",
    title="C",
    axis="corruption",
    origin="published",
    semantics=2,
    config=PublishedCorruptionConfig,
    metrics=("error", "mce", *CALIBRATION),
    run=run_published,
    source="Hendrycks and Dietterich, ICLR 2019; hendrycks/robustness, ImageNet-C/create_c",
    details="corruption",
    fine_rows=lambda config, side: config.kinds,
    problem=_published_problem,
    passes=lambda config, data: Passes(forward=data.used(config) * len(config.kinds) * len(config.severities)),
    files=_published_files,
    baseline=_published_baseline,
    recompute=lambda config, arrays, data_root, seed: recompute_corruptions(
        arrays, baseline=config.baseline, data_root=data_root
    ),
)

C_GENERATED: Final = replace(
    C,
    name="c-generated",
    title="C (generated)",
    origin="generated",
    semantics=3,
    config=CorruptionConfig,
    keeps_images=True,
    run=run_generated,
    check_images=lambda config, side, channels: check_effect(
        "c", config.kinds, config.severities, side=side, channels=channels
    ),
    problem=_generated_problem,
    files=_generated_files,
    baseline=lambda config, dataset, data_root: config.baseline,
)

"""C-bar: ten corruptions per scale, unlike those of C, from the published files or generated from the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from eval.benchmarks.contract import Benchmark, FileSource, Passes, no_problem
from eval.benchmarks.protocols.checks import check_limit, check_names, check_severities
from eval.benchmarks.protocols.corruption import CALIBRATION, recompute_corruptions
from eval.benchmarks.protocols.generated import evaluate_family
from eval.benchmarks.protocols.published import (
    corruption_parts,
    evaluate_published,
    published_problem,
    published_source,
)
from eval.corruptions.cbar.registry import CBAR_CORRUPTIONS, cbar_kinds
from eval.corruptions.contract import SEVERITIES
from eval.corruptions.families import check_effect
from eval.inference.subject import Subject
from eval.published_files.arrays import CIFAR
from eval.published_files.folders import Preprocessing
from eval.report import BenchmarkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BarConfig:
    """C-bar: ten corruptions per scale, unlike those of C.

    Attributes:
        kinds: Corruptions, each weighing the same; None for the ten of the images' scale.
        severities: Severities from 1 to 5.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] | None = None
    severities: tuple[int, ...] = SEVERITIES
    max_images: int | None = None

    def __post_init__(self) -> None:
        if self.kinds is not None:
            check_names("corruption", self.kinds, tuple(CBAR_CORRUPTIONS))
        check_severities(self.severities)
        check_limit(self.max_images)

    def chosen(self, side: int) -> tuple[str, ...]:
        """Return the corruptions that are run on images with this shorter side."""
        return self.kinds or cbar_kinds(side)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBarConfig(BarConfig):
    """The published files of C-bar.

    Attributes:
        preprocessing: As for the published files of C: "as-stored", or "reference": shrink to 256 px and crop 224, as the
            published script does to ImageNet files.
    """

    preprocessing: Preprocessing = "as-stored"


def run_published(config: PublishedBarConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published files of C-bar (for CIFAR: those that the published script writes)."""
    return evaluate_published(
        subject,
        "cbar",
        config.chosen(min(subject.images.shape[1:3])),
        config.severities,
        preprocessing=config.preprocessing,
        max_images=config.max_images,
    )


def run_generated(config: BarConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the corruptions of C-bar, generated from its own test images."""
    kinds = config.chosen(min(subject.images.shape[1:3]))
    return evaluate_family(subject, "cbar", kinds, config.severities, config.max_images)


def _published_files(config: PublishedBarConfig, dataset: str, data_root: Path | None) -> Sequence[FileSource]:
    kinds = config.chosen(32 if dataset in CIFAR else 224)
    return published_source("cbar", dataset, corruption_parts(dataset, kinds, config.severities))


CBAR: Final = Benchmark(
    name="cbar",
    title="C-bar",
    axis="corruption",
    origin="published",
    semantics=2,
    config=PublishedBarConfig,
    metrics=("error", *CALIBRATION),
    run=run_published,
    source="Mintun, Kirillov, Xie, NeurIPS 2021; facebookresearch/augmentation-corruption",
    details="corruption",
    fine_rows=BarConfig.chosen,
    problem=lambda config, data: published_problem("cbar", data),
    passes=lambda config, data: Passes(
        forward=data.used(config) * len(config.chosen(data.side)) * len(config.severities)
    ),
    files=_published_files,
    recompute=lambda config, arrays, data_root, seed: recompute_corruptions(arrays),
)

CBAR_GENERATED: Final = replace(
    CBAR,
    name="cbar-generated",
    title="C-bar (generated)",
    origin="generated",
    semantics=3,
    config=BarConfig,
    keeps_images=True,
    run=run_generated,
    check_images=lambda config, side, channels: check_effect(
        "cbar", config.chosen(side), config.severities, side=side, channels=channels
    ),
    problem=no_problem,
    files=None,
)

"""MNIST-C: fifteen corruptions of one severity, from the published files or generated from the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from eval.benchmarks.contract import Benchmark, FileSource, Passes, no_problem
from eval.benchmarks.protocols.checks import check_limit, check_names
from eval.benchmarks.protocols.corruption import CALIBRATION, evaluate_corruptions, recompute_corruptions
from eval.benchmarks.protocols.generated import evaluate_family
from eval.benchmarks.protocols.published import folder_of, limited, published_problem, published_source, set_limit_notes
from eval.corruptions.families import check_effect
from eval.corruptions.mnist.registry import MNIST_CORRUPTIONS
from eval.inference.subject import Subject
from eval.published_files.arrays import mnist_corruptions
from eval.report import BenchmarkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class MnistCorruptionConfig:
    """MNIST-C: fifteen corruptions of one severity.

    Attributes:
        kinds: Corruptions, each weighing the same (the identity is none of them).
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] = tuple(MNIST_CORRUPTIONS)
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_names("corruption", self.kinds, tuple(MNIST_CORRUPTIONS))
        check_limit(self.max_images)


def run_published(config: MnistCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the published files of MNIST-C."""
    sets = mnist_corruptions(folder_of(subject, "mnist-c"), subject.labels, kinds=config.kinds)
    outcome = evaluate_corruptions(subject, limited(sets, config.max_images, subject), baseline=None)
    return replace(outcome, notes={**outcome.notes, **set_limit_notes(sets, config.max_images)})


def run_generated(config: MnistCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on the corruptions of MNIST-C, generated from its own test images."""
    return evaluate_family(subject, "mnist-c", config.kinds, (1,), config.max_images)


def _published_files(config: MnistCorruptionConfig, dataset: str, data_root: Path | None) -> Sequence[FileSource]:
    parts = [f"{kind}/test_{part}.npy" for kind in config.kinds for part in ("images", "labels")]
    return published_source("mnist-c", dataset, parts)


MNIST_C: Final = Benchmark(
    name="mnist-c",
    title="MNIST-C",
    axis="corruption",
    origin="published",
    semantics=2,
    config=MnistCorruptionConfig,
    metrics=("error", *CALIBRATION),
    run=run_published,
    source="Mu and Gilmer, 2019; google-research/mnist-c",
    details="corruption",
    fine_rows=lambda config, side: config.kinds,
    problem=lambda config, data: published_problem("mnist-c", data),
    passes=lambda config, data: Passes(forward=data.used(config) * len(config.kinds)),
    files=_published_files,
    recompute=lambda config, arrays, data_root, seed: recompute_corruptions(arrays),
)

MNIST_C_GENERATED: Final = replace(
    MNIST_C,
    name="mnist-c-generated",
    title="MNIST-C (generated)",
    origin="generated",
    semantics=3,
    keeps_images=True,
    run=run_generated,
    check_images=lambda config, side, channels: check_effect(
        "mnist-c", config.kinds, (1,), side=side, channels=channels
    ),
    problem=no_problem,
    files=None,
)

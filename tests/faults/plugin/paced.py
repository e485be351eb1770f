"""A method and a benchmark that take a while without work, so that a cell can be hit in its middle on any machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from augment.heavy import Tensor, nn
from augment.kernels.counters import StepKeys
from augment.method import Method
from augment.treatment import Treatment, TreatmentContext
from eval.benchmarks.contract import Benchmark
from eval.inference.image_sets import of_array
from eval.inference.predict import predict
from eval.inference.sampling import chosen_indices, limit_notes
from eval.inference.subject import Subject
from eval.predictions import Predictions, predictions_from
from eval.report import BenchmarkOutcome, MetricValue


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedConfig:
    """How long each shard of a batch takes at least, in seconds."""

    seconds: float = 0.1


class Paced(Treatment):
    """Waits before each shard, and changes nothing."""

    def __init__(self, config: PacedConfig, context: TreatmentContext) -> None:
        self._seconds = config.seconds

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Return what it is given, after a while."""
        time.sleep(self._seconds)
        return images, targets


METHOD: Final = Method(
    name="paced",
    title="Paced",
    semantics=1,
    config=PacedConfig,
    stages=frozenset({"batch"}),
    build=Paced,
    what="Wait before each shard.",
    source="tests",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How long it takes at least, in seconds, and how many test images are used."""

    seconds: float = 2.0
    max_images: int | None = None


def run(config: EvaluationConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on darkened test images, after an image that says that the evaluation has begun."""
    indices = chosen_indices(subject, config.max_images)
    images, labels = subject.images[indices] // 2, subject.labels[indices]
    predict(subject, of_array(images[:8], labels[:8]))
    time.sleep(config.seconds)
    return _outcome(predict(subject, of_array(images, labels)), limit_notes(subject, len(indices)))


def _outcome(predictions: Predictions, notes: dict[str, Any]) -> BenchmarkOutcome:
    error = MetricValue(predictions.error, len(predictions))
    return BenchmarkOutcome(metrics={"error": error}, arrays=predictions.arrays("paced"), notes=notes)


BENCHMARK: Final = Benchmark(
    name="paced",
    title="Paced",
    axis="corruption",
    origin="none",
    semantics=1,
    config=EvaluationConfig,
    metrics=("error",),
    run=run,
    source="tests",
    recompute=lambda config, arrays, data_root, seed: _outcome(predictions_from(arrays, "paced"), {}),
)

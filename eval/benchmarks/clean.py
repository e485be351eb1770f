"""The dataset's own test split: error and calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from eval.benchmarks.contract import Benchmark, Passes
from eval.benchmarks.protocols.calibration import calibration_values, missing_calibration
from eval.benchmarks.protocols.checks import check_limit
from eval.inference.predict import clean_predictions, remember_logits
from eval.inference.sampling import chosen_indices, limit_notes
from eval.inference.subject import Subject
from eval.metrics.calibration import reliability_diagram
from eval.predictions import Predictions, predictions_from
from eval.report import BenchmarkOutcome, MetricValue

CALIBRATION: Final = ("rms", "rms-reference", "ece")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanConfig:
    """The dataset's own test split.

    Attributes:
        max_images: Use only so many test images, or None for all.
        keep_logits: Record the full logits too, not only the compact predictions.
    """

    max_images: int | None = None
    keep_logits: bool = False

    def __post_init__(self) -> None:
        check_limit(self.max_images)


def run(config: CleanConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject on its test split.

    Raises:
        EvalError: If a logit is not finite.
    """
    indices = chosen_indices(subject, config.max_images)
    if config.keep_logits:
        logits = remember_logits(subject, indices)
    outcome = clean_outcome(clean_predictions(subject, indices))
    arrays = {**outcome.arrays, "clean/logits": logits} if config.keep_logits else outcome.arrays
    return replace(outcome, arrays=arrays, notes={**outcome.notes, **limit_notes(subject, len(indices))})


def clean_outcome(predictions: Predictions) -> BenchmarkOutcome:
    """Return what predictions on a test split come to; the fine rows are the filled bins of its reliability diagram."""
    values = {"error": predictions.error, **calibration_values(predictions)}
    diagram = reliability_diagram(predictions.confidence, predictions.correct)
    rows = tuple(
        {
            "from": float(diagram.edges[bin_]),
            "to": float(diagram.edges[bin_ + 1]),
            "count": int(diagram.count[bin_]),
            "confidence": float(diagram.confidence[bin_]),
            "accuracy": float(diagram.accuracy[bin_]),
        }
        for bin_ in range(len(diagram.count))
        if diagram.count[bin_]
    )
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, len(predictions)) for name, value in values.items()},
        rows=rows,
        arrays=predictions.arrays("clean"),
        notes=missing_calibration(len(predictions), CALIBRATION),
    )


CLEAN: Final = Benchmark(
    name="clean",
    title="Clean",
    axis="accuracy",
    origin="none",
    semantics=2,
    config=CleanConfig,
    metrics=("error", *CALIBRATION),
    run=run,
    source="the dataset's test split; calibration as in andyzoujm/pixmix, calibration_tools.py",
    passes=lambda config, data: Passes(forward=0, clean=data.used(config)),
    recompute=lambda config, arrays, data_root, seed: clean_outcome(predictions_from(arrays, "clean")),
)

"""Calibration after temperature scaling: an extra, kept apart from the columns that the papers print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from augment.kernels.counters import permutation
from eval.benchmarks.contract import Benchmark, EvaluationData
from eval.benchmarks.protocols.checks import check_limit
from eval.errors import EvalError
from eval.inference.predict import remember_logits
from eval.inference.sampling import chosen_indices, limit_notes
from eval.inference.subject import Subject
from eval.metrics.calibration import BIN_SIZE, expected_calibration_error, rms_calibration_error
from eval.metrics.registry import METRICS
from eval.metrics.temperature import fit_temperature, softmax
from eval.report import BenchmarkOutcome, MetricValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledConfig:
    """The test split after temperature scaling: fitted on one half of the images, evaluated on the other.

    Attributes:
        max_images: Use only so many test images, or None for all.
        fitted_share: Share of the images that the temperature is fitted on.
    """

    max_images: int | None = None
    fitted_share: float = 0.5

    def __post_init__(self) -> None:
        check_limit(self.max_images)
        if not 0.0 < self.fitted_share < 1.0:
            raise ValueError(f"fitted_share must be between 0 and 1, but got {self.fitted_share}")


def run(config: ScaledConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate the calibration of a subject on one part of its test images after fitting a temperature on the other.

    Raises:
        EvalError: If a logit is not finite or either part is smaller than a bin.
    """
    indices = chosen_indices(subject, config.max_images)
    num_fitted = round(len(indices) * config.fitted_share)
    if min(num_fitted, len(indices) - num_fitted) < BIN_SIZE:
        raise EvalError(
            f"temperature scaling needs at least {BIN_SIZE} images to fit and as many to evaluate, but has {num_fitted} "
            f"and {len(indices) - num_fitted}"
        )
    logits, labels = remember_logits(subject, indices), subject.labels[indices]
    order = permutation(subject.seed, 0, len(indices), stream="eval-temperature-split")
    fitted, evaluated = order[:num_fitted], order[num_fitted:]
    temperature = fit_temperature(logits[fitted], labels[fitted])
    probabilities = softmax(logits[evaluated], temperature)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels[evaluated]
    values = {"rms": rms_calibration_error(confidence, correct), "ece": expected_calibration_error(confidence, correct)}
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, len(evaluated)) for name, value in values.items()},
        arrays={
            "evaluated/confidence": confidence,  # in float64, as the errors are computed from it
            "evaluated/correct": correct,
            "evaluated/positions": evaluated,
        },
        notes={"temperature": temperature, "fitted_on": num_fitted, **limit_notes(subject, len(indices))},
    )


def _problem(config: ScaledConfig, data: EvaluationData) -> str | None:
    used = data.used(config)
    fitted, least = round(used * config.fitted_share), METRICS["rms"].min_samples
    if min(fitted, used - fitted) >= least:
        return None
    return f"it needs {least} images to fit and as many to evaluate, but has {fitted} and {used - fitted}"


CLEAN_SCALED: Final = Benchmark(
    name="clean-scaled",
    title="Clean (scaled)",
    axis="calibration",
    origin="none",
    semantics=1,
    config=ScaledConfig,
    metrics=("rms", "ece"),
    run=run,
    source="Guo et al., ICML 2017: temperature scaling; an extra that no published table has",
    problem=_problem,
)

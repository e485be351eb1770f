"""ImageNet-R: renditions of 200 of ImageNet's classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from augment.files.walk import class_folders
from eval.benchmarks.contract import Benchmark, EvaluationData, Passes
from eval.benchmarks.protocols.calibration import calibration_values, missing_calibration
from eval.benchmarks.protocols.checks import check_limit
from eval.benchmarks.protocols.corruption import CALIBRATION
from eval.benchmarks.protocols.published import folder_of, limited, published_problem, published_source, set_limit_notes
from eval.errors import EvalError
from eval.inference.predict import predict
from eval.inference.subject import Subject
from eval.predictions import Predictions, predictions_from
from eval.published_files.folders import rendition_folders
from eval.published_files.layout import COLLECTIONS, RENDITION_CLASSES
from eval.report import BenchmarkOutcome, MetricValue

IMAGENET_CLASSES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionConfig:
    """ImageNet-R: renditions of 200 of ImageNet's classes.

    Attributes:
        max_images: Use only so many images, or None for all.
    """

    max_images: int | None = None

    def __post_init__(self) -> None:
        check_limit(self.max_images)


def run(config: RenditionConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate an ImageNet network on ImageNet-R: the softmax runs over the logits of its 200 classes only.

    Raises:
        EvalError: If the network has not ImageNet's 1000 classes, files are missing or broken, or a logit is not finite.
    """
    if subject.num_classes != IMAGENET_CLASSES:
        raise EvalError(
            f"ImageNet-R needs a network of ImageNet's 1000 classes, but this one has {subject.num_classes}"
        )
    folder = folder_of(subject, "r")
    sets = [rendition_folders(folder, class_folders(folder), side=subject.images.shape[1])]
    (chosen,) = limited(sets, config.max_images, subject)
    outcome = rendition_outcome(predict(subject, replace(chosen, classes=np.array(RENDITION_CLASSES, dtype=np.int64))))
    return replace(outcome, notes={**outcome.notes, **set_limit_notes(sets, config.max_images)})


def rendition_outcome(predictions: Predictions) -> BenchmarkOutcome:
    """Return what predictions on renditions come to."""
    calibration = calibration_values(predictions)
    values = {"error": predictions.error}
    values |= {name: calibration[name] for name in CALIBRATION if name in calibration}
    return BenchmarkOutcome(
        metrics={name: MetricValue(value, len(predictions)) for name, value in values.items()},
        arrays=predictions.arrays("r"),
        notes=missing_calibration(len(predictions), CALIBRATION),
    )


def _problem(config: RenditionConfig, data: EvaluationData) -> str | None:
    if data.num_classes == IMAGENET_CLASSES or published_problem("r", data):
        return published_problem("r", data)
    return f"ImageNet-R needs a network of {IMAGENET_CLASSES} classes, but {data.dataset!r} has {data.num_classes}"


def _passes(config: RenditionConfig, data: EvaluationData) -> Passes:
    total = COLLECTIONS["imagenet-r"].images_per_set or 0
    return Passes(forward=total if config.max_images is None else min(config.max_images, total))


R: Final = Benchmark(
    name="r",
    title="R",
    axis="corruption",
    origin="published",
    semantics=2,
    config=RenditionConfig,
    metrics=("error", *CALIBRATION),
    run=run,
    source="Hendrycks et al., ICCV 2021; hendrycks/imagenet-r, eval.py: 30,000 renditions of 200 classes",
    problem=_problem,
    passes=_passes,
    files=lambda config, dataset, data_root: published_source("r", dataset, ["."]),
    recompute=lambda config, arrays, data_root, seed: rendition_outcome(predictions_from(arrays, "r")),
)

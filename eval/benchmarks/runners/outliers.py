"""Anomaly detection: the test images against outliers, one outlier to five test images, per set and on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from augment.files.walk import named
from eval.benchmarks.configs import GENERATED_OUTLIERS
from eval.errors import EvalError
from eval.inference.agreement import describe
from eval.inference.predict import ImageSet, clean_predictions, of_array, predict_sets
from eval.inference.sampling import chosen_indices, limit_notes, outlier_subsets
from eval.metrics.anomaly import Detection, detection, outlier_count, subset_sizes
from eval.metrics.scores import OOD_SHARE, SCORES
from eval.outliers.fit import fit_images
from eval.outliers.folders import folder_images
from eval.outliers.sets import FOLDER_PREFIX, IMAGE_SETS, UnreadableSetError, outlier_files
from eval.report import LEFT_OUT, REFUSED_SETS, BenchmarkOutcome, MetricValue, small_sets_note

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.benchmarks.configs import GeneratedOutlierConfig, OutlierConfig
    from eval.inference.subject import Subject
    from eval.metrics.scores import ScoreName
    from eval.predictions import Predictions


LARGEST_OVERLAP: Final = 0.01
"""Share of an outlier set that may be found among the test images, byte by byte."""


def run_generated_outliers(config: GeneratedOutlierConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject against drawn outliers.

    Raises:
        EvalError: If a logit is not finite.
    """
    indices = chosen_indices(subject, config.max_images)
    sets = [_set(subject, name, len(indices), config.repeats, {}) for name in config.sets]
    return evaluate_outliers(subject, indices, sets, score=config.score, repeats=config.repeats)


def run_outliers(config: OutlierConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject against test images of other datasets, folders of images and drawn outliers.

    A folder with too many images that cannot be decoded is refused alone, and the notes say so: what is in it is part of the
    result's key, so that every network is evaluated on the same other sets.

    Raises:
        EvalError: If a logit is not finite, a set is missing or overlaps the test images (all such sets at once), or all sets
            are refused.
    """
    indices = chosen_indices(subject, config.max_images)
    sets, wrong, refused = [], [], {}
    left_out: dict[str, str] = {}
    for name in config.sets:
        try:
            sets.append(_set(subject, name, len(indices), config.repeats, left_out))
        except UnreadableSetError as error:
            refused[name] = str(error)
        except Exception as error:  # whatever a missing dataset raises: all of them are reported at once
            text, subject_of_it = describe(error), f"outlier set {name!r}"
            wrong.append(text if text.startswith(subject_of_it) else f"{subject_of_it}: {text}")
    if wrong or not sets:
        raise EvalError("; ".join([*wrong, *refused.values()]))
    outcome = evaluate_outliers(subject, indices, sets, score=config.score, repeats=config.repeats)
    return replace(outcome, notes={**outcome.notes, **_noted(LEFT_OUT, left_out), **_noted(REFUSED_SETS, refused)})


def _noted(name: str, reasons: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    return {name: reasons} if reasons else {}


def _set(subject: Subject, name: str, num_inside: int, repeats: int, left_out: dict[str, str]) -> ImageSet:
    """Return the images of a set; what of it is not read is added to `left_out`."""
    if name in GENERATED_OUTLIERS:
        from eval.benchmarks.runners.generated import outlier_set

        return outlier_set(subject, name, outlier_count(num_inside) * repeats)
    if name == subject.dataset:
        raise EvalError(f"it holds the classes that {subject.dataset!r} is trained on; name another set")
    images = _images(subject, name, left_out)
    check_overlap(images, subject.images)
    return of_array(images, set=name)


def _images(subject: Subject, name: str, left_out: dict[str, str]) -> NDArray[np.uint8]:
    """Return the images of a folder, or the test images of another dataset, in the shape of the subject's."""
    height, width, channels = subject.images.shape[1:]
    if name not in IMAGE_SETS and not name.startswith(FOLDER_PREFIX):
        return fit_images(subject.load_images(name), (height, width, channels))
    made = folder_images(name, (height, width, channels), data_root=subject.data_root, cache_dir=subject.cache_dir)
    others = outlier_files(name, subject.data_root).others
    total = len(made.images) + len(made.broken)
    reasons = [f"{len(made.broken)} of {total} images cannot be decoded: {named(made.broken)}"] if made.broken else []
    reasons += [f"{len(others)} files are no images by their suffix: {named(others)}"] if others else []
    if reasons:
        left_out[name] = "; ".join(reasons)
    return made.images


def check_overlap(outliers: NDArray[np.uint8], inside: NDArray[np.uint8]) -> None:
    """Refuse an outlier set that holds test images.

    Raises:
        EvalError: If more than 1 % of the outliers are test images, byte by byte.
    """
    known = {hash(image.tobytes()) for image in inside}
    shared = sum(hash(image.tobytes()) in known for image in outliers)
    if shared > LARGEST_OVERLAP * len(outliers):
        raise EvalError(f"{shared} of its {len(outliers)} images are test images; outliers must be of other classes")


def evaluate_outliers(
    subject: Subject, indices: NDArray[np.int64], sets: Sequence[ImageSet], *, score: ScoreName, repeats: int
) -> BenchmarkOutcome:
    """Evaluate a subject on outlier sets that are told apart by the field "set".

    Raises:
        EvalError: If a logit is not finite.
    """
    _check_ratio(len(indices))
    inside = clean_predictions(subject, indices)
    outside = predict_sets(subject, sets)
    named = {str(images.fields["set"]): each for images, each in zip(sets, outside, strict=True)}
    outcome = outlier_outcome(inside, named, score=score, repeats=repeats, seed=subject.seed)
    return replace(outcome, notes={**outcome.notes, **limit_notes(subject, len(indices))})


def _check_ratio(num_inside: int) -> None:
    if num_inside < OOD_SHARE:
        raise EvalError(
            f"outliers are compared one to {OOD_SHARE} test images, but there are {num_inside} test images; use more"
        )


def outlier_outcome(
    inside: Predictions, outside: Mapping[str, Predictions], *, score: ScoreName, repeats: int, seed: int
) -> BenchmarkOutcome:
    """Return what predictions on the test images and on outlier sets come to.

    Each set's value is the mean over random subsets of the published ratio (`eval.inference.sampling.outlier_subsets`); the
    metrics are the plain mean over sets. The notes say how many images of each set were taken, and which sets are small.

    Raises:
        EvalError: If there are fewer than five test images, so that no subset has the ratio.
    """
    _check_ratio(len(inside))
    rows: list[dict[str, Any]] = []
    taken: dict[str, dict[str, int]] = {}
    for label, predictions in outside.items():
        subsets = list(outlier_subsets(len(predictions), len(inside), repeats=repeats, seed=seed))
        num_outliers, num_inside = subset_sizes(len(predictions), len(inside))
        taken[label] = {
            "outliers": num_outliers,
            "of_outliers": len(predictions),
            "test_images": num_inside,
            "of_test_images": len(inside),
            "subsets": len(subsets),
        }
        for name in SCORES:
            found = _mean_detection(inside.score(name), predictions.score(name), subsets)
            rows.append({"set": label, "variant": name, **found._asdict(), "n": num_outliers + num_inside})
    means = {name: _means(rows, name) for name in SCORES}
    rows += [{"set": "mean", "variant": name, **values} for name, values in means.items()]
    total = len(inside) + sum(len(each) for each in outside.values())
    arrays = inside.arrays("in-distribution")
    for label, predictions in outside.items():
        arrays |= predictions.arrays(f"outliers/{label}")
    return BenchmarkOutcome(
        metrics={metric: MetricValue(value, total) for metric, value in means[score].items()},
        rows=tuple(rows),
        arrays=arrays,
        notes={
            "variant": score,
            "taken": taken,
            **small_sets_note({label: len(each) for label, each in outside.items()}),
        },
    )


def _mean_detection(
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
    subsets: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> Detection:
    found = [detection(outside[chosen], inside[faced]) for chosen, faced in subsets]
    return Detection(*(float(value) for value in np.mean(found, axis=0)))


def _means(rows: Sequence[dict[str, Any]], score: str) -> dict[str, float]:
    chosen = [row for row in rows if row["variant"] == score]
    return {metric: float(np.mean([row[metric] for row in chosen])) for metric in Detection._fields}

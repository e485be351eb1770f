"""Anomaly detection: the test images against outliers, one outlier to five test images, per set and on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eval.agreement import describe
from eval.configs import GENERATED_OUTLIERS
from eval.errors import EvalError
from eval.fit import fit_pictures
from eval.infer import PictureSet, clean_predictions, of_array, predict_sets
from eval.metrics.anomaly import Detection, detection, outlier_count, subset_sizes
from eval.outlier_sets import FOLDER_PREFIX, IMAGE_SETS
from eval.report import BenchmarkOutcome, MetricValue, small_sets_note
from eval.sampling import chosen_indices, limit_notes, outlier_subsets
from eval.scores import OOD_SHARE, SCORES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eval.configs import GeneratedOutlierConfig, OutlierConfig
    from eval.predictions import Predictions
    from eval.scores import ScoreName
    from eval.subject import Subject


LARGEST_OVERLAP: Final = 0.01
"""Share of an outlier set that may be found among the test pictures, byte by byte."""


def run_generated_outliers(config: GeneratedOutlierConfig, subject: Subject) -> BenchmarkOutcome:
    """Judge a subject against drawn outliers.

    Raises:
        EvalError: If a logit is not finite.
    """
    indices = chosen_indices(subject, config.max_images)
    sets = [_set(subject, name, len(indices), config.repeats) for name in config.sets]
    return judge_outliers(subject, indices, sets, score=config.score, repeats=config.repeats)


def run_outliers(config: OutlierConfig, subject: Subject) -> BenchmarkOutcome:
    """Judge a subject against test pictures of other datasets and drawn outliers.

    Raises:
        EvalError: If a logit is not finite, or a set is missing or overlaps the test pictures; all such sets at once.
    """
    indices = chosen_indices(subject, config.max_images)
    sets, refused = [], []
    for name in config.sets:
        try:
            sets.append(_set(subject, name, len(indices), config.repeats))
        except Exception as error:  # whatever a missing dataset raises: all of them are told at once
            refused.append(f"outlier set {name!r}: {describe(error)}")
    if refused:
        raise EvalError("; ".join(refused))
    return judge_outliers(subject, indices, sets, score=config.score, repeats=config.repeats)


def _set(subject: Subject, name: str, num_inside: int, repeats: int) -> PictureSet:
    if name in GENERATED_OUTLIERS:
        from eval.runners.generated import outlier_set

        return outlier_set(subject, name, outlier_count(num_inside) * repeats)
    if name == subject.dataset:
        raise EvalError(f"it holds the classes that {subject.dataset!r} is trained on; name another set")
    images = _pictures(subject, name)
    check_overlap(images, subject.images)
    return of_array(images, set=name)


def _pictures(subject: Subject, name: str) -> NDArray[np.uint8]:
    """Return the pictures of a folder, or the test pictures of another dataset, in the shape of the subject's."""
    height, width, channels = subject.images.shape[1:]
    if name in IMAGE_SETS or name.startswith(FOLDER_PREFIX):
        from eval.outlier_pictures import folder_pictures

        shape = (height, width, channels)
        return folder_pictures(name, shape, data_root=subject.data_root, cache_dir=subject.cache_dir)
    return fit_pictures(subject.load_images(name), (height, width, channels))


def check_overlap(outliers: NDArray[np.uint8], inside: NDArray[np.uint8]) -> None:
    """Refuse an outlier set that holds test pictures.

    Raises:
        EvalError: If more than 1 % of the outliers are test pictures, byte by byte.
    """
    known = {hash(picture.tobytes()) for picture in inside}
    shared = sum(hash(picture.tobytes()) in known for picture in outliers)
    if shared > LARGEST_OVERLAP * len(outliers):
        raise EvalError(
            f"{shared} of its {len(outliers)} pictures are test pictures; outliers must be of other classes"
        )


def judge_outliers(
    subject: Subject, indices: NDArray[np.int64], sets: Sequence[PictureSet], *, score: ScoreName, repeats: int
) -> BenchmarkOutcome:
    """Judge a subject on outlier sets that are told apart by the field "set".

    Raises:
        EvalError: If a logit is not finite.
    """
    inside = clean_predictions(subject, indices)
    outside = predict_sets(subject, sets)
    named = {str(pictures.fields["set"]): each for pictures, each in zip(sets, outside, strict=True)}
    outcome = outlier_outcome(inside, named, score=score, repeats=repeats, seed=subject.seed)
    return replace(outcome, notes={**outcome.notes, **limit_notes(subject, len(indices))})


def outlier_outcome(
    inside: Predictions, outside: Mapping[str, Predictions], *, score: ScoreName, repeats: int, seed: int
) -> BenchmarkOutcome:
    """Return what predictions on the test images and on outlier sets come to.

    Each set's value is the mean over random subsets of the published ratio (`eval.sampling.outlier_subsets`); the metrics are the
    plain mean over sets. The notes say how many images of each set were taken, and which sets are small.

    Raises:
        EvalError: If there are fewer than five test images, so that no subset has the ratio.
    """
    if len(inside) < OOD_SHARE:
        raise EvalError(
            f"outliers are compared one to {OOD_SHARE} test images, but there are {len(inside)} test images; use more"
        )
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

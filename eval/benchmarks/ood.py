"""Anomaly detection: the test images against outliers, one outlier to five test images, per set and on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.files.walk import named
from augment.lookup.parameters import AtMost, nearest
from eval.benchmarks.contract import Arrays, Benchmark, EvaluationData, FileSource, Passes
from eval.benchmarks.protocols.checks import check_at_least_one, check_limit, check_names
from eval.benchmarks.protocols.detection import check_ratio, outlier_outcome
from eval.errors import EvalError
from eval.inference.agreement import describe
from eval.inference.image_sets import ImageSet, of_array
from eval.inference.predict import clean_predictions, predict_sets
from eval.inference.sampling import chosen_indices, limit_notes
from eval.inference.subject import Subject
from eval.metrics.anomaly import Detection, outlier_count
from eval.metrics.scores import OOD_SHARE, SCORES, ScoreName
from eval.outliers.files import identities_of_sets, missing_sets, unusable_sets
from eval.outliers.fit import fit_images
from eval.outliers.folders import folder_images
from eval.outliers.generated import OUTLIER_SETS, outliers
from eval.outliers.sets import FOLDER_PREFIX, IMAGE_SETS, UnreadableSetError, outlier_files
from eval.predictions import kept_sets, predictions_from
from eval.report import LEFT_OUT, REFUSED_SETS, BenchmarkOutcome

GENERATED_OUTLIERS: Final = tuple(OUTLIER_SETS)
LARGEST_OVERLAP: Final = 0.01
"""Share of an outlier set that may be found among the test images, byte by byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierConfig:
    """Outliers: test images of other datasets, and drawn ones.

    Attributes:
        sets: Outlier sets, each weighing the same: names of datasets, or of drawn sets.
        score: The anomaly score that the metrics are of; the fine rows hold all scores.
        repeats: Random subsets (of one OOD image to five test images) that the metrics are averaged over.
        max_images: Use only so many test images, or None for all.
    """

    sets: tuple[str, ...] = (*GENERATED_OUTLIERS, "textures", "svhn", "lsun", "places69")
    score: ScoreName = "msp"
    repeats: Annotated[int, AtMost(10_000)] = 10
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_names("outlier set", self.sets)
        if nameless := [name for name in self.sets if name.strip() in ("", "folder:")]:
            raise ValueError(f"each outlier set must have a name, or a folder after 'folder:', but got {nameless[0]!r}")
        check_at_least_one("repeats", self.repeats)
        check_limit(self.max_images)

    @property
    def folders(self) -> list[str]:
        """The sets that are folders of images."""
        return [name for name in self.sets if name in IMAGE_SETS or name.startswith(FOLDER_PREFIX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedOutlierConfig(OutlierConfig):
    """Outliers that are drawn, noise and blobs: fields as for all outliers."""

    sets: tuple[str, ...] = GENERATED_OUTLIERS

    def __post_init__(self) -> None:
        check_names("outlier set", self.sets, GENERATED_OUTLIERS)
        OutlierConfig.__post_init__(self)  # a class with slots is made twice, which `super()` does not survive


def run_generated(config: GeneratedOutlierConfig, subject: Subject) -> BenchmarkOutcome:
    """Evaluate a subject against drawn outliers."""
    indices = chosen_indices(subject, config.max_images)
    sets = [_set(subject, name, len(indices), config.repeats, {}) for name in config.sets]
    return _evaluate(subject, indices, sets, score=config.score, repeats=config.repeats)


def run(config: OutlierConfig, subject: Subject) -> BenchmarkOutcome:
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
    outcome = _evaluate(subject, indices, sets, score=config.score, repeats=config.repeats)
    return replace(outcome, notes={**outcome.notes, **_noted(LEFT_OUT, left_out), **_noted(REFUSED_SETS, refused)})


def _noted(name: str, reasons: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    return {name: reasons} if reasons else {}


def _set(subject: Subject, name: str, num_inside: int, repeats: int, left_out: dict[str, str]) -> ImageSet:
    """Return the images of a set; what of it is not read is added to `left_out`."""
    if name in GENERATED_OUTLIERS:
        return _drawn(subject, name, outlier_count(num_inside) * repeats)
    if name == subject.dataset:
        raise EvalError(f"it contains the training classes of {subject.dataset!r}; name another set")
    images = _images(subject, name, left_out)
    check_overlap(images, subject.images)
    return of_array(images, set=name)


def _drawn(subject: Subject, name: str, count: int) -> ImageSet:
    """Return drawn outliers of the size of the test images."""
    height, width, channels = subject.images.shape[1:]

    def load(start: int, stop: int) -> NDArray[np.float32]:
        return outliers(name, stop - start, (height, width, channels), seed=subject.seed, start=start)

    return ImageSet(fields={"set": name}, labels=np.full(count, -1, dtype=np.int64), load=load)


def _images(subject: Subject, name: str, left_out: dict[str, str]) -> NDArray[np.uint8]:
    """Return the images of a folder, or the test images of another dataset, in the shape of the subject's."""
    height, width, channels = subject.images.shape[1:]
    if name not in IMAGE_SETS and not name.startswith(FOLDER_PREFIX):
        return fit_images(subject.load_images(name), (height, width, channels))
    made = folder_images(name, (height, width, channels), data_root=subject.data_root, cache_dir=subject.cache_dir)
    others = outlier_files(name, subject.data_root).others
    total = len(made.images) + len(made.broken)
    reasons = [f"{len(made.broken)} of {total} images cannot be decoded: {named(made.broken)}"] if made.broken else []
    reasons += [f"{len(others)} files have no image suffix: {named(others)}"] if others else []
    if reasons:
        left_out[name] = "; ".join(reasons)
    return made.images


def check_overlap(outliers: NDArray[np.uint8], inside: NDArray[np.uint8]) -> None:
    """Refuse an outlier set that holds test images."""
    known = {hash(image.tobytes()) for image in inside}
    shared = sum(hash(image.tobytes()) in known for image in outliers)
    if shared > LARGEST_OVERLAP * len(outliers):
        raise EvalError(f"{shared} of its {len(outliers)} images are test images; outliers must be of other classes")


def _evaluate(
    subject: Subject, indices: NDArray[np.int64], sets: Sequence[ImageSet], *, score: ScoreName, repeats: int
) -> BenchmarkOutcome:
    """Evaluate a subject on outlier sets with the field "set"."""
    check_ratio(len(indices))
    inside = clean_predictions(subject, indices)
    outside = predict_sets(subject, sets)
    named = {str(images.fields["set"]): each for images, each in zip(sets, outside, strict=True)}
    outcome = outlier_outcome(inside, named, score=score, repeats=repeats, seed=subject.seed)
    return replace(outcome, notes={**outcome.notes, **limit_notes(subject, len(indices))})


def _passes(config: OutlierConfig, data: EvaluationData) -> Passes:
    used = data.used(config)
    drawn = max(1, used // OOD_SHARE) * config.repeats
    sizes = {name: drawn if name in OUTLIER_SETS else data.set_size(name) for name in config.sets}
    return Passes(
        forward=sum(size or 0 for size in sizes.values()),
        clean=used,
        unknown=tuple(name for name, size in sizes.items() if size is None),
    )


def _problem(config: OutlierConfig, data: EvaluationData) -> str | None:
    if data.used(config) < OOD_SHARE:
        return f"outliers are compared one to {OOD_SHARE} test images, but there are {data.used(config)} test images; use more"
    if data.dataset in config.sets:
        return f"outlier set {data.dataset!r} contains the training classes; name another set"
    known = {*OUTLIER_SETS, *IMAGE_SETS}
    unknown = [
        name
        for name in config.sets
        if name not in known and not name.startswith(FOLDER_PREFIX) and not data.is_dataset(name)
    ]
    if unknown:
        return f"unknown outlier set {unknown[0]!r}{nearest(unknown[0], known)}, any dataset, or folder:PATH"
    return None


def _files(config: OutlierConfig, dataset: str, data_root: Path | None) -> Sequence[FileSource]:
    def unusable(root: Path) -> list[str]:
        refused = unusable_sets(config.folders, root)
        return missing_sets(config.folders, root) or (refused if len(refused) == len(config.sets) else [])

    return [
        FileSource(
            identities=partial(identities_of_sets, config.folders),
            missing=partial(unusable_sets, config.folders),
            unusable=unusable,
        )
    ]


def _datasets(config: OutlierConfig) -> tuple[str, ...]:
    drawn_or_folders = {*OUTLIER_SETS, *config.folders}
    return tuple(name for name in config.sets if name not in drawn_or_folders)


def _recompute(config: Any, arrays: Arrays, data_root: Path | None, seed: int) -> BenchmarkOutcome:
    names = [name.removeprefix("outliers/") for name in kept_sets(arrays) if name.startswith("outliers/")]
    outside = {name: predictions_from(arrays, f"outliers/{name}") for name in names}
    inside = predictions_from(arrays, "in-distribution")
    return outlier_outcome(inside, outside, score=config.score, repeats=config.repeats, seed=seed)


OOD: Final = Benchmark(
    name="ood",
    title="OOD",
    axis="anomaly",
    origin="published",
    semantics=3,
    config=OutlierConfig,
    metrics=Detection._fields,
    run=run,
    source="Hendrycks, Mazeika, Dietterich, ICLR 2019; hendrycks/outlier-exposure, CIFAR/test.py",
    details="set",
    fine_rows=lambda config, side: (*config.sets, "mean"),
    variants=tuple(SCORES),
    problem=_problem,
    passes=_passes,
    files=_files,
    datasets=_datasets,
    recompute=_recompute,
)

OOD_GENERATED: Final = replace(
    OOD,
    name="ood-generated",
    title="OOD (generated)",
    origin="generated",
    semantics=2,
    config=GeneratedOutlierConfig,
    run=run_generated,
    files=None,
    datasets=lambda config: (),
)

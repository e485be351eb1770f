"""What a benchmark can give of a dataset at its parameters, asked before anything runs. Light: no NumPy, no torch.

A column that a benchmark never fills, and a benchmark that every worker would refuse, are mistakes of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eval.benchmarks.baselines import baseline_for, baseline_name
from eval.benchmarks.builtin import BENCHMARKS
from eval.benchmarks.params import build_config, nearest
from eval.benchmarks.presence import READERS
from eval.benchmarks.registry import Column, benchmark_for, parse_column
from eval.corruptions.cbar.registry import cbar_kinds
from eval.errors import EvalError
from eval.metrics.corruption import corruption_errors
from eval.metrics.registry import METRICS
from eval.metrics.scores import OOD_SHARE, SCORES, detail_parts
from eval.outliers.sets import FOLDER_PREFIX, IMAGE_SETS, OUTLIER_SETS
from eval.published_files.layout import published_folder

NORMALISED: Final = frozenset({"mce", "ce", "mfr-normalised", "mt5d-normalised"})
"""Metrics that are divided by those of a baseline network."""

MEAN: Final = "mean"
"""The detail that names the mean over all fine rows."""

IMAGENET_CLASSES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationData:
    """What is evaluated on.

    Attributes:
        dataset: Name of the dataset.
        num_images: Its test images.
        num_classes: Its classes.
        side: Shorter side of its images in pixels.
        data_root: Folder of the user's own baselines, or None where none is looked at.
        is_dataset: Whether a name is that of a dataset.
    """

    dataset: str
    num_images: int
    num_classes: int
    side: int
    data_root: Path | None
    is_dataset: Callable[[str], bool]

    def used(self, config: Any) -> int:
        """Return how many test images a benchmark uses."""
        limit = getattr(config, "max_images", None)
        return self.num_images if limit is None else min(limit, self.num_images)


def benchmark_problem(name: str, params: Mapping[str, object], split: EvaluationData) -> str | None:
    """Return why a benchmark cannot be run on a test split, or None where nothing that can be known now is against it.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if name not in BENCHMARKS:
        return None
    config: Any = build_config(benchmark_for(name).config, params, owner=f"benchmark {name!r}")
    used = split.used(config)
    try:
        if name in READERS and name != "ood":
            published_folder(split.dataset, name)
        _check_baseline(name, config, split)
    except EvalError as error:
        return str(error)
    if name == "r" and split.num_classes != IMAGENET_CLASSES:
        return (
            f"ImageNet-R needs a network of {IMAGENET_CLASSES} classes, but {split.dataset!r} has {split.num_classes}"
        )
    if name.startswith("ood"):
        return _outlier_problem(config, used, split)
    if name == "clean-scaled":
        fitted = round(used * config.fitted_share)
        least = METRICS["rms"].min_samples
        if min(fitted, used - fitted) < least:
            return f"it needs {least} images to fit and as many to evaluate, but has {fitted} and {used - fitted}"
    return None


def column_problem(column: Column, params: Mapping[str, object], split: EvaluationData) -> str | None:
    """Return why a benchmark leaves a column empty on a test split, or None where it fills it.

    Args:
        column: The column.
        params: Parameters of its benchmark.
        split: What is evaluated on.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    if column.benchmark not in BENCHMARKS:
        return None
    config: Any = build_config(benchmark_for(column.benchmark).config, params, owner=f"benchmark {column.benchmark!r}")
    detail = None if column.detail == MEAN else column.detail
    if detail is not None:
        problem = _detail_problem(column, detail, config, split)
        if problem is not None:
            return problem
    elif column.metric == "ce":
        return "'ce' is of one corruption; write <benchmark>/ce/<corruption>, or <benchmark>/mce for the mean"
    if column.metric in NORMALISED and baseline_name(column.benchmark, config, split.dataset, split.data_root) is None:
        # of P no baseline was published: it is measured on the user's files, like other data that may be missing
        if column.benchmark == "p" or (split.data_root is None and column.benchmark == "c"):
            return None
        return (
            f"{column.metric!r} is divided by the numbers of a baseline network, and none is known of {split.dataset!r} here; "
            f"name one by benchmarks.{column.benchmark}.baseline, or choose another metric"
        )
    least, used = METRICS[column.metric].min_samples, split.used(config)
    if used < least:
        return f"{column.metric!r} needs at least {least} test images, but there are {used}; use more, or leave it out"
    return None


def missing_baseline(text: str, params: Mapping[str, object], dataset: str, data_root: Path) -> str | None:
    """Return what is missing for a column of P that is divided by the numbers of a baseline network, or None.

    Args:
        text: The column.
        params: Parameters of its benchmark.
        dataset: The dataset whose networks are evaluated.
        data_root: Folder of datasets and of the user's own baselines.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    column = parse_column(text)
    if column.benchmark != "p" or column.metric not in NORMALISED:
        return None
    config: Any = build_config(benchmark_for("p").config, params, owner="benchmark 'p'")
    if baseline_name("p", config, dataset, data_root) is not None:
        return None
    return (
        f"'mfr-normalised' and 'mt5d-normalised' of {dataset!r} are divided by the numbers of a baseline network, which were "
        f"never published and are not in {data_root}; measure AlexNet's on your files: dreamgrid data baselines --model alexnet"
    )


def _detail_problem(column: Column, detail: str, config: Any, split: EvaluationData) -> str | None:
    if column.metric == "mce":
        return f"'mce' is the mean over all corruptions; write {column.benchmark}/ce/{detail} for one"
    name, score = detail_parts(detail)
    if score and not column.benchmark.startswith("ood"):
        return f"only fine rows of outlier sets are given per score, so {detail!r} names none; write {name!r}"
    known = _fine_rows(column.benchmark, config, split)
    if name in known:
        return None
    scores = f", each also with a score ({', '.join(SCORES)})" if column.benchmark.startswith("ood") else ""
    return f"there is no fine row {name!r} at these settings{nearest(name, known)}{scores}"


def _fine_rows(name: str, config: Any, split: EvaluationData) -> Sequence[str]:
    """Return the names of the fine rows that a benchmark gives."""
    if name.startswith("ood"):
        return (*config.sets, MEAN)
    if name in ("p", "p-generated"):
        return tuple(config.chosen)
    return tuple(config.kinds or cbar_kinds(split.side))


def _outlier_problem(config: Any, used: int, split: EvaluationData) -> str | None:
    if used < OOD_SHARE:
        return f"outliers are compared one to {OOD_SHARE} test images, but there are {used} test images; use more"
    own = [name for name in config.sets if name == split.dataset]
    if own:
        return f"outlier set {own[0]!r} holds the classes that are trained on; name another set"
    known = {*OUTLIER_SETS, *IMAGE_SETS}
    unknown = [
        name
        for name in config.sets
        if name not in known and not name.startswith(FOLDER_PREFIX) and not split.is_dataset(name)
    ]
    if unknown:
        return f"unknown outlier set {unknown[0]!r}{nearest(unknown[0], known)}, any dataset, or folder:PATH"
    return None


def _check_baseline(name: str, config: Any, split: EvaluationData) -> None:
    """Refuse a baseline that is unknown, or does not cover what is to be divided by it; users' own need a data root.

    Raises:
        EvalError: If it is.
    """
    given = getattr(config, "baseline", None)
    if given is None or split.data_root is None:
        return
    baseline = baseline_for(given, split.data_root)
    if name in ("c", "c-generated"):
        try:
            corruption_errors({kind: dict.fromkeys(config.severities, 0.0) for kind in config.kinds}, baseline.errors)
        except ValueError as error:
            raise EvalError(f"baseline {given!r} cannot normalise these corruptions: {error}") from error
        return
    for what, known in (("flip rates", baseline.flip_rates), ("top-5 distances", baseline.top5_distances)):
        lacking = [kind for kind in config.chosen if known.get(kind, 0.0) <= 0.0]
        if lacking:
            raise EvalError(f"baseline {given!r} has no {what} of {lacking} to divide by")

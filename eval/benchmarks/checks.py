"""What a benchmark can give of a dataset at its parameters, asked before anything runs. Light: no NumPy, no torch.

A benchmark that every worker would refuse is a mistake of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from augment.lookup.parameters import nearest
from eval.benchmarks.baselines import baseline_for
from eval.benchmarks.builtin import BENCHMARKS
from eval.benchmarks.presence import READERS
from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError
from eval.metrics.corruption import corruption_errors
from eval.metrics.registry import METRICS
from eval.metrics.scores import OOD_SHARE
from eval.outliers.sets import FOLDER_PREFIX, IMAGE_SETS, OUTLIER_SETS
from eval.published_files.layout import published_folder

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
    config: Any = benchmark_for(name).config_of(params)
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

"""What measured cells teach of others of their kind: device-seconds per training image, and seconds per forward pass.

Kinds are (dataset, model, method) for training and (dataset, model, benchmark) for evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchestration.store.contract import CellResult
    from trainers.config import JobConfig
    from trainers.datasets.contract import DatasetSpec

Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What measurements teach.

    Attributes:
        training: (dataset, model, method) -> device-seconds per image and epoch.
        evaluation: (dataset, model, benchmark) -> seconds per forward pass of one image.
        hardware: What it was measured on, for people.
    """

    training: Mapping[Kind, float] = field(default_factory=dict)
    evaluation: Mapping[Kind, float] = field(default_factory=dict)
    hardware: tuple[str, ...] = ()

    @classmethod
    def of(cls, results: Iterable[CellResult]) -> Experience:
        """Return what some results teach: the median of each kind."""
        training: dict[Kind, list[float]] = {}
        evaluation: dict[Kind, list[float]] = {}
        for result in results:
            config = result.training.provenance.config
            dataset, model, method = (str(config.get(name, "")) for name in ("dataset", "model", "method"))
            images = images_seen(config)
            if images and result.training.summary.device_s > 0:
                seconds = result.training.summary.device_s / images
                training.setdefault((dataset, model, method), []).append(seconds)
            for report in result.reports.values():
                passes = report.outcome.forward_passes if report.outcome is not None else 0
                if passes and report.wall_s > 0:
                    evaluation.setdefault((dataset, model, report.benchmark), []).append(report.wall_s / passes)
        return cls(training=_medians(training), evaluation=_medians(evaluation))


NO_EXPERIENCE: Final = Experience()


def training_images(config: JobConfig, dataset: DatasetSpec) -> float:
    """Return how many images a training will see, epochs counted."""
    return float(config.recipe.epochs * (config.recipe.train_images or dataset.num_train))


def images_seen(config: Mapping[str, Any]) -> float:
    """Return how many images a recorded training saw, epochs counted; 0 where its configuration does not tell."""
    from trainers.datasets.registry import DATASETS

    recipe = config.get("recipe")
    dataset = DATASETS.get(str(config.get("dataset", "")))
    if not isinstance(recipe, Mapping) or dataset is None:
        return 0.0
    return float(recipe.get("epochs", 0)) * float(recipe.get("train_images") or dataset.num_train)


def _medians(values: Mapping[Kind, list[float]]) -> dict[Kind, float]:
    return {kind: sorted(found)[len(found) // 2] for kind, found in values.items()}

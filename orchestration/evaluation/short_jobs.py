"""Jobs and benchmarks cut short for a calibration: as fast per step and per image, but over within seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from augment.mixing_sets.procedural.fractals.fractals import FRACTALS, FractalsConfig
from eval.benchmarks.contract import BenchmarkRequest
from trainers.config import JobConfig, MixingSetConfig
from trainers.datasets.contract import DatasetSpec

MIXING_IMAGES: Final = 32
KINDS: Final = 3
PGD_STEPS: Final = 4
IMAGES: Final = 128
IMAGES_OF: Final[Mapping[str, int]] = {"p": 16, "pgd": 32}
"""Test images by family of benchmarks, where other numbers do: sequences have 31 frames, attacks many passes."""


def shortened(config: JobConfig, dataset: DatasetSpec, *, steps: int) -> JobConfig:
    """Return a configuration whose steps take as long but that needs no other cell and only a few images.

    Args:
        steps: Steps that it is to have at least; all of them have the same number of images.
    """
    recipe = config.recipe
    available = recipe.train_images or dataset.num_train
    per_epoch = max(1, min(steps, available // recipe.batch_size))
    images = min(available, per_epoch * recipe.batch_size)
    epochs = -(-steps // per_epoch)
    return replace(
        config,
        recipe=replace(recipe, epochs=epochs, train_images=images, validation_images=0, step_epochs=()),
        mixing_set=None if config.mixing_set is None else _small_mixing_set(config.mixing_set),
        init_from=None,
    )


def _small_mixing_set(config: MixingSetConfig) -> MixingSetConfig:
    params = asdict(FractalsConfig())
    return replace(config, name=FRACTALS.name, num_images=MIXING_IMAGES, seed=0, params=params)


def smaller(request: BenchmarkRequest) -> BenchmarkRequest:
    """Return a benchmark on few images, at most three of its kinds, one severity, and few steps of an attack."""
    params: dict[str, Any] = dict(request.params)
    family = request.name.removesuffix("-generated").removesuffix("-reference")
    limit = params.get("max_images")
    images = IMAGES_OF.get(family, IMAGES)
    params["max_images"] = min(limit, images) if isinstance(limit, int) else images
    kinds = params.get("kinds")
    if isinstance(kinds, list | tuple) and len(kinds) > KINDS:
        params["kinds"] = [kinds[0], kinds[len(kinds) // 2], kinds[-1]]
    severities = params.get("severities")
    if isinstance(severities, list | tuple) and severities:
        params["severities"] = [severities[len(severities) // 2]]
    if isinstance(params.get("steps"), int):
        params["steps"] = min(int(params["steps"]), PGD_STEPS)
    return replace(request, params=params, key=f"calibration-{request.key}")

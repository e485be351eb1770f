"""Building the classifier of a job: initial weights are a function of the seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainers.datasets.contract import DatasetSpec
from trainers.errors import ImpossibleJob
from trainers.models.contract import ModelInput
from trainers.models.normalize import Classifier, Normalize
from trainers.models.registry import model_for
from trainers.seeding import seed_torch, torch_seed

if TYPE_CHECKING:
    from trainers.config import JobConfig


def build_classifier(config: JobConfig, dataset: DatasetSpec) -> Classifier:
    """Build the classifier of a job with its initial weights, on the CPU.

    Args:
        config: The job; its model, options, seed, precision and memory layout count.
        dataset: What it is trained on.

    Raises:
        ImpossibleJob: If the images are too small for the model.
        UnknownName: If the model or one of its options does not exist.
    """
    spec = model_for(config.model)
    if dataset.image_size < spec.min_image_size:
        raise ImpossibleJob(
            f"model {spec.name!r} needs images of at least {spec.min_image_size} px, but {dataset.name!r} has "
            f"{dataset.image_size} px; choose a Wide ResNet or 'small-cnn'"
        )
    given = ModelInput(
        image_size=dataset.image_size, num_channels=dataset.num_channels, num_classes=dataset.num_classes
    )
    seed_torch(torch_seed(config.seed, "initial weights"), torch.device("cpu"))
    network = spec.build(spec.resolve(config.model_params), given)
    return Classifier(
        Normalize(dataset.mean, dataset.std),
        network,
        precision=config.recipe.precision,
        channels_last=config.recipe.channels_last,
    )

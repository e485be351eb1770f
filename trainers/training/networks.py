"""The network of a job with its initial weights, and those that other cells have trained, by train key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainers.config import JobConfig, RecipeConfig
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.errors import ImpossibleJob
from trainers.models.contract import ModelInput
from trainers.models.normalize import Classifier, Normalize, restore
from trainers.models.registry import model_for
from trainers.seeding import seed_torch, torch_seed
from trainers.training.checkpoints import Checkpoints


def build_classifier(config: JobConfig, dataset: DatasetSpec) -> Classifier:
    """Build the classifier of a job on the CPU; its initial weights are a function of the seed alone.

    Args:
        config: The job; its model, options, seed, precision and memory layout count.

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
    return Classifier(
        Normalize(dataset.mean, dataset.std),
        spec.build(spec.resolve(config.model_params), given),
        precision=config.recipe.precision,
        channels_last=config.recipe.channels_last,
    )


def in_float32(config: JobConfig) -> JobConfig:
    """Return a job whose network computes in float32, for evaluation: a benchmark's own precision decides there."""
    return replace(config, recipe=replace(config.recipe, precision="fp32"))


def network_facts(config: JobConfig) -> dict[str, Any]:
    """Return what a final checkpoint records of its network, so that it can be built again from the checkpoint alone."""
    return {"model": config.model, "model_params": dict(config.model_params), "dataset": config.dataset}


def training_facts(config: JobConfig) -> dict[str, Any]:
    """Return what a final checkpoint records of its training, so that it can be seen when it is taken for another."""
    facts = {"method": config.method, "dataset": config.dataset, "model": config.model, "seed": config.seed}
    return {**facts, "epochs": config.recipe.epochs}


def network_from(state: Mapping[str, Any]) -> Classifier:
    """Build the classifier of the state of a final checkpoint with its weights, on the CPU, in evaluation mode."""
    facts = state["network"]
    # Without published weights: those of the checkpoint are loaded over them anyway.
    params = {key: "none" if key == "weights" else value for key, value in facts["model_params"].items()}
    config = JobConfig(
        method="baseline",
        method_params={},
        dataset=facts["dataset"],
        model=facts["model"],
        model_params=params,
        recipe=RecipeConfig(),
        seed=0,
    )
    model = build_classifier(config, dataset_for(facts["dataset"]))
    restore(model, state["model"])
    return model.eval()


def trained_networks(
    folder: str, device: torch.device, eras: Mapping[str, int] | None = None
) -> Callable[[str], nn.Module]:
    """Return a function that gives the trained classifier of a train key, in evaluation mode, for pixels in [0, 1].

    It raises `CheckpointError` where that cell has no complete checkpoint.

    Args:
        folder: URI of the folder of all checkpoints.
        eras: Train key -> how often it was invalidated; 0 where left out.
    """

    def trained(train_key: str) -> nn.Module:
        return network_from(Checkpoints(folder, train_key, era=(eras or {}).get(train_key, 0)).final().state).to(device)

    return trained

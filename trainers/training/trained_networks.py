"""Networks that other cells have trained, by train key: parents of fine-tuning, subjects of feature visualisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainers.config import JobConfig, RecipeConfig
from trainers.datasets.registry import dataset_for
from trainers.models.build import build_classifier
from trainers.models.normalize import restore
from trainers.training.checkpoints import Checkpoints

if TYPE_CHECKING:
    from trainers.models.normalize import Classifier


def network_facts(config: JobConfig) -> dict[str, Any]:
    """Return what a final checkpoint tells of its network, so that it can be built again from the checkpoint alone."""
    return {"model": config.model, "model_params": dict(config.model_params), "dataset": config.dataset}


def training_facts(config: JobConfig) -> dict[str, Any]:
    """Return what a final checkpoint tells of its training, so that it can be seen when it is taken for another."""
    facts = {"method": config.method, "dataset": config.dataset, "model": config.model, "seed": config.seed}
    return {**facts, "epochs": config.recipe.epochs}


def network_from(state: Mapping[str, Any]) -> Classifier:
    """Build the classifier of a final checkpoint with its weights, on the CPU, in evaluation mode.

    Args:
        state: The state of a final checkpoint.
    """
    facts = state["network"]
    config = JobConfig(
        method="baseline",
        method_params={},
        dataset=facts["dataset"],
        model=facts["model"],
        model_params=_without_download(facts["model_params"]),
        recipe=RecipeConfig(),
        seed=0,
    )
    model = build_classifier(config, dataset_for(facts["dataset"]))
    restore(model, state["model"])
    return model.eval()


def _without_download(params: Mapping[str, object]) -> dict[str, object]:
    """Return the options without published weights: the checkpoint's own are loaded over them anyway."""
    return {key: "none" if key == "weights" else value for key, value in params.items()}


def trained_networks(
    folder: str, device: torch.device, eras: Mapping[str, int] | None = None
) -> Callable[[str], nn.Module]:
    """Return a function that gives the trained classifier of a train key.

    Args:
        folder: URI of the folder of all checkpoints.
        device: Where to put the network.
        eras: Train key -> how often it was invalidated; 0 where left out.

    Returns:
        Train key -> classifier in evaluation mode, pixels in [0, 1] as input; raises `CheckpointError` where that cell has
        no complete checkpoint.
    """

    def give(train_key: str) -> nn.Module:
        return network_from(Checkpoints(folder, train_key, era=(eras or {}).get(train_key, 0)).final().state).to(device)

    return give

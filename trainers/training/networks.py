"""The network of a job with its initial weights, and those that other cells have trained, by train key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import nn

from augment.lookup.parameters import reason_of
from trainers.config import JobConfig, RecipeConfig
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.errors import CheckpointError, ImpossibleJob
from trainers.models.contract import ModelInput
from trainers.models.normalize import Classifier, Normalize, restore
from trainers.models.registry import model_for, num_weights
from trainers.models.weights.names import is_plain
from trainers.seeding import seed_torch, torch_seed
from trainers.training.checkpoints import Checkpoints

_SMALL: Final = 2**24
"""Weights of a network that is built and compared name by name, however few a file has."""


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
    facts, weights = _network_facts(state), _weights(state)
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
    dataset = dataset_for(config.dataset)
    check_size(config, dataset, sum(tensor.numel() for tensor in weights.values()))
    model = build_classifier(config, dataset)
    try:
        restore(model, weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights of a checkpoint must fit the network that it names, but do not: {reason_of(error)}"
        ) from error
    return model.eval()


def check_size(config: JobConfig, dataset: DatasetSpec, num_values: int) -> None:
    """Refuse a large network for weights that have far fewer values than it, before it is built.

    Args:
        num_values: Values of all tensors that the weights could be among.

    Raises:
        CheckpointError: If the network has more weights, and more than any machine has room for.
    """
    needed = num_weights(config.model, dataset.image_size, dataset.num_channels, dataset.num_classes)
    if needed is not None and needed > max(num_values, _SMALL):
        raise CheckpointError(
            f"the weights must fit {config.model} on {config.dataset}, but it has {needed:,.0f} and the file {num_values:,}"
        )


def _network_facts(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a final checkpoint records of its network.

    Raises:
        CheckpointError: If it is not what `network_facts` gives.
    """
    facts = state.get("network")
    given = facts if isinstance(facts, Mapping) else {}
    names, params = (given.get("model"), given.get("dataset")), given.get("model_params")
    is_named = all(isinstance(name, str) for name in names) and isinstance(params, Mapping)
    if not is_named or not all(isinstance(option, str) for option in params):  # type: ignore[union-attr]
        raise CheckpointError("a checkpoint must name its network by model, model_params and dataset, but does not")
    return given


def _weights(state: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
    """Return the weights in the state of a checkpoint.

    Raises:
        CheckpointError: If they are not dense tensors by name.
    """
    weights = state.get("model")
    found = weights if isinstance(weights, Mapping) else {}
    if not found or not all(isinstance(name, str) and _is_dense(value) for name, value in found.items()):
        raise CheckpointError(
            "a checkpoint must contain the weights of its network as dense tensors by name, but does not"
        )
    return found


def _is_dense(value: object) -> bool:
    return isinstance(value, torch.Tensor) and is_plain(value) and not value.is_meta


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

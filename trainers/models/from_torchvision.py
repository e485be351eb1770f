"""Classifiers of torchvision, by their name there, with its weights where they are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import nn

from augment.files.content import file_hash
from trainers.datasets.image_errors import as_data_errors
from trainers.errors import CorruptData, ImpossibleJob, TrainingError
from trainers.models.registry import ModelInput
from trainers.weights.normalisation import Normalisation

HASH_IN_NAME: Final = re.compile(r"-([a-f0-9]{8,})\.")
"""The first digits of the SHA-256 in the names of torchvision's files."""

_PLAIN: Final[Mapping[str, Mapping[str, object]]] = {"googlenet": {"aux_logits": False, "init_weights": True}}
"""Options that make a network return logits alone, and nothing else with them, also while it trains."""


def torchvision_model(name: str, *, weights: str, given: ModelInput) -> nn.Module:
    """Build a classifier of torchvision.

    Args:
        name: Name in torchvision ("resnet50").
        weights: "none", or "imagenet1k-v1" for torchvision's first weights; a last layer of another size starts anew.
        given: Size, channels and classes; the weights need RGB images.

    Raises:
        ImpossibleJob: If weights are asked for grey images.
        TrainingError: If the weights cannot be had.
    """
    from torchvision import models

    if weights != "none" and given.num_channels != 3:
        raise ImpossibleJob(
            f"weights {weights!r} of {name} need RGB images, but these have {given.num_channels} channel; "
            "set model_params.weights to 'none'"
        )
    if weights == "none":
        extra = _PLAIN.get(name, {})
        model: nn.Module = models.get_model(name, weights=None, num_classes=given.num_classes, **extra)
    else:
        model = _with_weights(name, weights.upper().replace("-", "_"))
        if given.num_classes != 1000:
            _replace_last_linear(model, given.num_classes)
    if given.num_channels != 3:
        _replace_first_convolution(model, given.num_channels)
    return model


def published_normalisation(name: str, weights: str) -> Normalisation:
    """Return the normalisation that torchvision publishes with weights of a classifier ("resnet50", "imagenet1k-v1")."""
    from torchvision import models

    transforms = models.get_model_weights(name)[weights.upper().replace("-", "_")].transforms()
    return Normalisation(
        mean=tuple(transforms.mean), std=tuple(transforms.std), source="as torchvision publishes with the weights"
    )


def _check_hash(address: str) -> None:
    """Compare weights that were fetched before with the hash in their file's name: torch does so only while it fetches them.

    Raises:
        CorruptData: If they differ.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    known = HASH_IN_NAME.search(path.name)
    if known is None or not path.is_file():
        return
    with as_data_errors():
        found = file_hash(path)
    if not found.startswith(known[1]):
        raise CorruptData(
            f"{path} must have a SHA-256 that begins with {known[1]}, as published, but has {found}; delete it to fetch it again"
        )


def _with_weights(name: str, weights: str) -> nn.Module:
    from torchvision import models

    _check_hash(models.get_model_weights(name)[weights].url)
    try:
        model: nn.Module = models.get_model(name, weights=weights)
    except OSError as error:
        raise TrainingError(
            f"weights {weights} of {name} could not be fetched ({error}); place the file in torch's hub folder "
            "(TORCH_HOME), or set model_params.weights to 'none'"
        ) from error
    return model


def _replace_last_linear(model: nn.Module, num_classes: int) -> None:
    name, last = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    _set(model, name, nn.Linear(last.in_features, num_classes, bias=last.bias is not None))


def _replace_first_convolution(model: nn.Module, num_channels: int) -> None:
    name, first = next((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d))
    replacement = nn.Conv2d(
        num_channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        stride=first.stride,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    nn.init.kaiming_normal_(replacement.weight, mode="fan_out", nonlinearity="relu")
    _set(model, name, replacement)


def _set(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)

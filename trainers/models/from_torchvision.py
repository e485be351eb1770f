"""Classifiers of torchvision, with its weights where they are asked for: "resnet-50", and any "torchvision:NAME"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from augment.files.content import file_hash
from augment.heavy import torch, torchvision
from trainers.errors import CorruptData, ImpossibleJob, TrainingError, as_data_errors
from trainers.models.contract import ModelInput, ModelSpec, Params

TORCHVISION_PREFIX: Final = "torchvision:"
TORCHVISION_NAMES: Final = (
    *("alexnet", "vgg11_bn", "vgg16_bn", "squeezenet1_1", "googlenet", "densenet121", "densenet169"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d"),
    *("wide_resnet50_2", "wide_resnet101_2", "shufflenet_v2_x1_0", "mobilenet_v2", "mobilenet_v3_large"),
    *("mobilenet_v3_small", "mnasnet1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf", "regnet_y_8gf"),
    *("convnext_tiny", "convnext_small", "convnext_base", "vit_b_16", "vit_b_32", "swin_t", "swin_v2_t", "maxvit_t"),
)
"""Classifiers of torchvision that take images in, one batch, and give logits out, one per class."""

HASH_IN_NAME: Final = re.compile(r"-([a-f0-9]{8,})\.")
"""The first digits of the SHA-256 in the names of torchvision's files."""

_OPTIONS: Final[Mapping[str, Mapping[str, object]]] = {"googlenet": {"aux_logits": False, "init_weights": True}}
"""Options that make a network return logits alone, and nothing else with them, also while it trains."""

_WEIGHTS: Final = ("none", "imagenet1k-v1")
_RESNET_BLOCKS: Final[Mapping[int, tuple[int, ...]]] = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def resnet(depth: int) -> ModelSpec:
    """Return the ResNet of a depth in `_RESNET_BLOCKS`."""
    return ModelSpec(
        name=f"resnet-{depth}",
        title=f"ResNet-{depth}",
        semantics=1,
        min_image_size=32,
        params={"weights": "none"},
        choices={"weights": _WEIGHTS},
        build=partial(_build, f"resnet{depth}"),
        layers=partial(_resnet_layers, depth),
        source="He et al. 2016: Deep Residual Learning; torchvision's implementation and weights",
    )


def torchvision_named(name: str) -> ModelSpec | None:
    """Return the classifier that "torchvision:NAME" names, or None for other names."""
    own = name.removeprefix(TORCHVISION_PREFIX)
    if own == name or own not in TORCHVISION_NAMES:
        return None
    return ModelSpec(
        name=name,
        title=own,
        semantics=1,
        min_image_size=224 if own.startswith(("vit", "swin", "maxvit")) else 64,
        params={"weights": "none"},
        choices={"weights": _WEIGHTS},
        build=partial(_build, own),
        source="torchvision's implementation and weights",
    )


def published_normalisation(name: str, weights: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and std that torchvision publishes with weights of a classifier ("resnet50", "imagenet1k-v1")."""
    transforms = torchvision.models.get_model_weights(name)[_key(weights)].transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def _resnet_layers(depth: int, given: ModelInput) -> Iterator[tuple[int, int]]:
    """Basic blocks of two 3x3 convolutions, or bottlenecks whose 3x3 convolution has the stride; the stem halves twice."""
    is_basic, num_in = depth < 50, 64
    side = -(-given.image_size // 2)
    yield 49 * given.num_channels * num_in, side**2
    side = -(-side // 2)
    for stage, blocks in enumerate(_RESNET_BLOCKS[depth]):
        inner = 64 * 2**stage
        num_out = inner if is_basic else 4 * inner
        for position in range(blocks):
            before = side
            if stage and position == 0:
                side = -(-side // 2)
            shortcut = num_in * num_out if num_in != num_out else 0
            if is_basic:
                yield 9 * num_in * inner + 9 * inner * inner + shortcut, side**2
            else:
                yield num_in * inner, before**2
                yield 9 * inner * inner + inner * num_out + shortcut, side**2
            num_in = num_out
    yield num_in * given.num_classes, 1


def _build(name: str, params: Params, given: ModelInput) -> torch.nn.Module:
    """Build a classifier by its name in torchvision ("resnet50"); the last layer of published weights is replaced where needed.

    Raises:
        ImpossibleJob: If weights are asked for grey images.
        TrainingError: If the weights cannot be had.
    """
    weights = str(params["weights"])
    if weights == "none":
        network: torch.nn.Module = torchvision.models.get_model(
            name, weights=None, num_classes=given.num_classes, **_OPTIONS.get(name, {})
        )
    elif given.num_channels != 3:
        raise ImpossibleJob(
            f"weights {weights!r} of {name} need RGB images, but these have {given.num_channels} channel; "
            "set model_params.weights to 'none'"
        )
    else:
        network = with_published_weights(name, weights)
        if given.num_classes != 1000:
            _replace_last_linear(network, given.num_classes)
    if given.num_channels != 3:
        _replace_first_convolution(network, given.num_channels)
    return network


def with_published_weights(name: str, weights: str) -> torch.nn.Module:
    """Return a classifier ("resnet50") with weights of torchvision ("imagenet1k-v1"), fetched where they are missing."""
    _check_hash(torchvision.models.get_model_weights(name)[_key(weights)].url)
    try:
        network: torch.nn.Module = torchvision.models.get_model(name, weights=_key(weights))
    except OSError as error:
        raise TrainingError(
            f"weights {_key(weights)} of {name} could not be fetched ({error}); place the file in torch's hub folder "
            "(TORCH_HOME), or set model_params.weights to 'none'"
        ) from error
    return network


def _key(weights: str) -> str:
    return weights.upper().replace("-", "_")


def _check_hash(address: str) -> None:
    """Compare weights that were fetched before with the hash in their file's name: torch does so only while it fetches them."""
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


def _replace_last_linear(model: torch.nn.Module, num_classes: int) -> None:
    name, last = [(n, m) for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)][-1]
    _set(model, name, torch.nn.Linear(last.in_features, num_classes, bias=last.bias is not None))


def _replace_first_convolution(model: torch.nn.Module, num_channels: int) -> None:
    name, first = next((n, m) for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d))
    replacement = torch.nn.Conv2d(
        num_channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        stride=first.stride,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    torch.nn.init.kaiming_normal_(replacement.weight, mode="fan_out", nonlinearity="relu")
    _set(model, name, replacement)


def _set(model: torch.nn.Module, name: str, module: torch.nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)

"""DenseNets for small images, of growth 12: with bottlenecks and compression (BC, depth 100), and plain (depth 40)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from augment.heavy import torch
from trainers.models.contract import ModelInput, ModelSpec, Params, renamed

_GROWTH: Final = 12


def _layers(depth: int, is_bc: bool, given: ModelInput) -> Iterator[tuple[int, int]]:
    side, num_in = given.image_size, 2 * _GROWTH
    yield 9 * given.num_channels * num_in, side**2
    for block in range(3):
        for _ in range((depth - 4) // (6 if is_bc else 3)):
            inner = 4 * _GROWTH
            yield num_in * inner + 9 * inner * _GROWTH if is_bc else 9 * num_in * _GROWTH, side**2
            num_in += _GROWTH
        if block < 2:
            num_out = num_in // 2 if is_bc else num_in
            yield num_in * num_out, side**2
            side, num_in = side // 2, num_out
    yield num_in * given.num_classes, 1


def _build(depth: int, is_bc: bool, params: Params, given: ModelInput) -> torch.nn.Module:
    from trainers.models.networks.densenet import DenseNet  # a subclass of nn.Module: importing it imports torch

    return DenseNet(
        depth=depth, growth=_GROWTH, num_classes=given.num_classes, num_channels=given.num_channels, is_bc=is_bc
    )


def _published_name(depth: int, is_bc: bool, name: str) -> str:
    """The DenseNet of google-research/augmix."""
    layers = (depth - 4) // (6 if is_bc else 3)
    inside = re.match(r"(dense|trans)([123])\.(.+)", name)
    if inside and inside[1] == "dense":
        place, _, rest = inside[3].partition(".")
        return f"layers.{(int(inside[2]) - 1) * (layers + 1) + int(place)}.{rest}"
    if inside:
        rest = renamed(inside[3], {"bn1": "bn", "conv1": "conv"})
        return f"layers.{int(inside[2]) * (layers + 1) - 1}.{rest}"
    return renamed(name, {"conv1": "stem", "bn1": "bn", "fc": "linear"})


DENSENET_BC_100_12: Final = ModelSpec(
    name="densenet-bc-100-12",
    title="DenseNet-BC (100, 12)",
    semantics=1,
    min_image_size=8,
    build=partial(_build, 100, True),
    layers=partial(_layers, 100, True),
    published_name=partial(_published_name, 100, True),
    source="Huang et al. 2017: Densely Connected Convolutional Networks",
)
DENSENET_40_12: Final = ModelSpec(
    name="densenet-40-12",
    title="DenseNet (40, 12)",
    semantics=1,
    min_image_size=8,
    build=partial(_build, 40, False),
    layers=partial(_layers, 40, False),
    published_name=partial(_published_name, 40, False),
    source="Huang et al. 2017: Densely Connected Convolutional Networks; what cifar.py of AugMix and PixMix calls densenet",
)

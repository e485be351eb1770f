"""The All Convolutional Net of the AugMix experiments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from augment.heavy import torch
from trainers.models.contract import ModelInput, ModelSpec, Params


def _layers(given: ModelInput) -> Iterator[tuple[int, int]]:
    side = given.image_size
    yield 9 * (given.num_channels * 96 + 2 * 96 * 96), side**2
    side //= 2
    yield 9 * (96 * 192 + 2 * 192 * 192), side**2
    side = side // 2 - 2  # the one convolution without padding
    yield 9 * 192 * 192, side**2
    yield 192 * 192, (side + 2) ** 2  # two 1x1 convolutions, each of which pads by 1
    yield 192 * 192, (side + 4) ** 2
    yield 192 * given.num_classes, 1


def _build(params: Params, given: ModelInput) -> torch.nn.Module:
    from trainers.models.networks.allconv import AllConv  # a subclass of nn.Module: importing it imports torch

    return AllConv(num_classes=given.num_classes, num_channels=given.num_channels, dropout=float(params["dropout"]))


ALLCONV: Final = ModelSpec(
    name="allconv",
    title="AllConv",
    semantics=1,
    min_image_size=16,
    params={"dropout": 0.5},
    build=_build,
    layers=_layers,
    source="Springenberg et al. 2015: Striving for Simplicity; google-research/augmix's network for small images",
)

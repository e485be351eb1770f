"""The ResNeXt-29 for small images of the AugMix experiments: 4 groups of base width 32."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from augment.heavy import torch
from trainers.models.contract import ModelInput, ModelSpec, Params, renamed

_DEPTH: Final = 29
_GROUPS: Final = 4
_BASE_WIDTH: Final = 32


def _layers(given: ModelInput) -> Iterator[tuple[int, int]]:
    side, num_in = given.image_size, 64
    yield 9 * given.num_channels * num_in, side**2
    for width, stride in ((64, 1), (128, 2), (256, 2)):
        inner, num_out = width * _BASE_WIDTH // 64 * _GROUPS, 4 * width
        for position in range((_DEPTH - 2) // 9):
            yield num_in * inner, side**2
            if position == 0:
                side = -(-side // stride)
            shortcut = num_in * num_out if position == 0 else 0
            yield 9 * inner * (inner // _GROUPS) + inner * num_out + shortcut, side**2
            num_in = num_out
    yield num_in * given.num_classes, 1


def _build(params: Params, given: ModelInput) -> torch.nn.Module:
    from trainers.models.networks.resnext import ResNeXt  # a subclass of nn.Module: importing it imports torch

    return ResNeXt(
        depth=_DEPTH,
        groups=_GROUPS,
        base_width=_BASE_WIDTH,
        num_classes=given.num_classes,
        num_channels=given.num_channels,
    )


def _published_name(name: str) -> str:
    """The ResNeXt-29 of google-research/augmix: three stages of three blocks."""
    block = re.match(r"stage_([123])\.(\d+)\.(.+)", name)
    if block:
        inside = {"conv_reduce": "reduce", "conv_conv": "grouped", "bn": "bn_grouped", "conv_expand": "expand"}
        rest = renamed(block[3], {**inside, "downsample": "shortcut"})
        return f"blocks.{3 * (int(block[1]) - 1) + int(block[2])}.{rest}"
    return renamed(name, {"conv_1_3x3": "stem", "bn_1": "bn", "classifier": "linear"})


RESNEXT_29: Final = ModelSpec(
    name="resnext-29",
    title="ResNeXt-29 (4x32)",
    semantics=1,
    min_image_size=8,
    build=_build,
    layers=_layers,
    published_name=_published_name,
    source="Xie et al. 2017: Aggregated Residual Transformations; google-research/augmix's network for small images",
)

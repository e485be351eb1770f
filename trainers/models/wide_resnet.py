"""Wide ResNets of any depth 6n + 4 and width: "wrn-40-4"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from augment.heavy import torch
from trainers.errors import ImpossibleJob
from trainers.models.contract import ModelInput, ModelSpec, Params, renamed

DEEPEST: Final = 1_000
LARGEST: Final = 62_000
"""(depth - 4) width^2, of which a network has some 16,000 weights each: wrn-70-16, the largest that is published, has 16,896."""
_DIGITS: Final = 7
_SHOWN: Final = 40


def wide_resnet(depth: int, width: int) -> ModelSpec:
    """Return the Wide ResNet of a depth 6n + 4 and a width."""
    return ModelSpec(
        name=f"wrn-{depth}-{width}",
        title=f"WRN-{depth}-{width}",
        semantics=1,
        min_image_size=8,
        params={"dropout": 0.0},
        build=partial(_build, depth, width),
        layers=partial(_layers, depth, width),
        published_name=_published_name,
        source="Zagoruyko and Komodakis 2016: Wide Residual Networks; initialisation as in the PixMix release",
    )


def wide_resnet_named(name: str) -> ModelSpec | None:
    """Return the Wide ResNet that "wrn-D-K" names, or None for other names."""
    match = re.fullmatch(r"wrn-([0-9]+)-([0-9]+)", name)
    if match is None:
        return None
    # Beyond six digits the number does not matter, and Python reads no more than thousands of them.
    depth, width = (int(part[:_DIGITS]) for part in match.groups())
    if depth < 10 or (depth - 4) % 6 or width < 1:
        raise ImpossibleJob(
            f"a Wide ResNet needs depth 6n + 4 with n >= 1 and width >= 1, but got '{name[:_SHOWN]}'; try 'wrn-40-4'"
        )
    if depth > DEEPEST or (depth - 4) * width**2 > LARGEST:
        raise ImpossibleJob(
            f"a Wide ResNet may be {DEEPEST} deep, and (depth - 4) times the square of its width at most {LARGEST:,} (a billion "
            f"weights), but got '{name[:_SHOWN]}'; try 'wrn-40-4'"
        )
    return wide_resnet(depth, width)


def _layers(depth: int, width: int, given: ModelInput) -> Iterator[tuple[int, int]]:
    side, num_in = given.image_size, 16
    yield 9 * given.num_channels * num_in, side**2
    for group, num_out in enumerate((16 * width, 32 * width, 64 * width)):
        side = side if group == 0 else -(-side // 2)
        for _ in range((depth - 4) // 6):
            shortcut = num_in * num_out if num_in != num_out else 0
            yield 9 * num_in * num_out + 9 * num_out**2 + shortcut, side**2
            num_in = num_out
    yield num_in * given.num_classes, 1


def _build(depth: int, width: int, params: Params, given: ModelInput) -> torch.nn.Module:
    from trainers.models.networks.wide_resnet import WideResNet  # a subclass of nn.Module: importing it imports torch

    return WideResNet(
        depth=depth,
        width=width,
        dropout=float(params["dropout"]),
        num_classes=given.num_classes,
        num_channels=given.num_channels,
    )


def _published_name(name: str) -> str:
    """xternalz/WideResNet-pytorch ("convShortcut") and google-research's edition of it ("conv_shortcut")."""
    block = re.match(r"block([123])\.layer\.(\d+)\.(.+)", name)
    if block:
        rest = re.sub(r"^(convShortcut|conv_shortcut)\.", "shortcut.", block[3])
        return f"groups.{int(block[1]) - 1}.{block[2]}.{rest}"
    return renamed(name, {"conv1": "stem", "bn1": "bn", "fc": "linear"})

"""The small network of the Outlier Exposure experiments on MNIST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from augment.heavy import torch
from trainers.models.contract import ModelInput, ModelSpec, Params


def _layers(given: ModelInput) -> Iterator[tuple[int, int]]:
    first = given.image_size - 4
    yield 25 * given.num_channels * 10, first**2
    second = first // 2 - 4
    yield 25 * 10 * 20, second**2
    yield 20 * (second // 2) ** 2 * 50 + 50 * given.num_classes, 1


def _build(params: Params, given: ModelInput) -> torch.nn.Module:
    from trainers.models.networks.small_cnn import SmallCNN  # a subclass of nn.Module: importing it imports torch

    return SmallCNN(
        image_size=given.image_size,
        num_channels=given.num_channels,
        num_classes=given.num_classes,
        dropout=float(params["dropout"]),
    )


SMALL_CNN: Final = ModelSpec(
    name="small-cnn",
    title="Small CNN",
    semantics=1,
    min_image_size=16,
    params={"dropout": 0.5},
    build=_build,
    layers=_layers,
    source="Hendrycks et al. 2019: Outlier Exposure, its MNIST network (21,840 parameters at 28 px)",
)

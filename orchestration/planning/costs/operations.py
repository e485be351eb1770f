"""How much work a cell is, in floating-point operations and bytes: rough, closed formulas that need no torch.

Used for the order of cells and for plans where nothing of a kind is recorded; a recorded time always counts more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from augment.compound import method_for
from augment.errors import AugmentError

if TYPE_CHECKING:
    from eval.benchmarks.contract import BenchmarkRequest
    from eval.benchmarks.cost import Cost
    from trainers.config import JobConfig
    from trainers.datasets.contract import DatasetSpec

RESNET_MACS_224: Final[Mapping[str, float]] = {"resnet-18": 1.82e9, "resnet-50": 4.11e9}
RESNET_PARAMETERS: Final[Mapping[str, float]] = {"resnet-18": 11.7e6, "resnet-50": 25.6e6}
SMALL_CNN_MACS_28: Final = 4.8e5
SMALL_CNN_PARAMETERS: Final = 21_840.0
FLOPS_PER_MAC: Final = 2.0
TRAINING_PASSES: Final = 3.0
"""Forward, and backward at twice its cost."""

P_FRAMES: Final = 31
P_KINDS: Final = 10
CORRUPTION_KINDS: Final = 15
BAR_KINDS: Final = 10
SEVERITIES: Final = 5


def macs_of(model: str, image_size: int, num_channels: int) -> float:
    """Return multiply-accumulates of one forward pass of one image."""
    match = re.fullmatch(r"wrn-(\d+)-(\d+)", model)
    if match:
        return _wide_resnet(int(match[1]), int(match[2]), image_size, num_channels)[0]
    if model in RESNET_MACS_224:
        return RESNET_MACS_224[model] * (image_size / 224) ** 2
    return SMALL_CNN_MACS_28 * (image_size / 28) ** 2


def parameters_of(model: str, num_channels: int) -> float:
    """Return the number of weights of a network, its last layer left out."""
    match = re.fullmatch(r"wrn-(\d+)-(\d+)", model)
    if match:
        return _wide_resnet(int(match[1]), int(match[2]), 32, num_channels)[1]
    return RESNET_PARAMETERS.get(model, SMALL_CNN_PARAMETERS)


def training_flops(config: JobConfig, dataset: DatasetSpec) -> float:
    """Return the floating-point operations of a training."""
    recipe = config.recipe
    return operations_of_training(
        config.method, config.model, recipe.epochs * (recipe.train_images or dataset.num_train), dataset
    )


def operations_of_training(method: str, model: str, images: float, dataset: DatasetSpec) -> float:
    """Return the floating-point operations of training on so many images, epochs counted."""
    per_image = macs_of(model, dataset.image_size, dataset.num_channels) * FLOPS_PER_MAC * TRAINING_PASSES
    return images * _training_passes(method) * per_image


def _training_passes(method: str) -> float:
    try:
        return method_for(method).passes
    except AugmentError:  # recorded with a plug-in that is not installed here
        return 1.0


def evaluation_flops(request: BenchmarkRequest, config: JobConfig, dataset: DatasetSpec) -> float:
    """Return the floating-point operations of a benchmark."""
    limit = request.params.get("max_images")
    images = min(dataset.num_test, limit) if isinstance(limit, int) else dataset.num_test
    macs = macs_of(config.model, dataset.image_size, dataset.num_channels)
    return images * passes_of(request) * macs * FLOPS_PER_MAC


def passes_of(request: BenchmarkRequest) -> float:
    """Return how often a benchmark puts each test image through the network, a backward pass counted as two."""
    params: Mapping[str, Any] = request.params
    family = request.name.removesuffix("-generated").removesuffix("-reference")
    kinds = params.get("kinds")
    severities = len(params["severities"]) if isinstance(params.get("severities"), list | tuple) else SEVERITIES
    if family == "c":
        return (len(kinds) if kinds else CORRUPTION_KINDS) * severities
    if family == "cbar":
        return (len(kinds) if kinds else BAR_KINDS) * severities
    if family == "p":
        return (len(kinds) if kinds else P_KINDS) * P_FRAMES
    if family == "mnist-c":
        return len(kinds) if kinds else CORRUPTION_KINDS
    if family == "pgd":
        return 1.0 + float(params.get("steps", 20)) * float(params.get("restarts", 1)) * TRAINING_PASSES
    if family == "ood":
        return 1.0 + len(params.get("sets", ())) / 5
    return 1.0


def forward_passes(request: BenchmarkRequest, dataset: DatasetSpec) -> float:
    """Return how many images a benchmark puts through the network, forward only.

    Clean predictions count for the benchmark that asks for nothing else; others share them.
    """
    return float(_cost(request, dataset).forward or _clean_images(request, dataset))


def forward_equivalents(request: BenchmarkRequest, dataset: DatasetSpec) -> float:
    """Return the passes of a benchmark in units of one image's forward pass, backward passes of attacks included."""
    return _cost(request, dataset).in_forward_passes() or float(_clean_images(request, dataset))


def _cost(request: BenchmarkRequest, dataset: DatasetSpec) -> Cost:
    from eval.benchmarks.cost import benchmark_cost

    return benchmark_cost(
        request.name, request.params, num_images=dataset.num_test, side=dataset.image_size, set_sizes=_test_sizes()
    )


def _clean_images(request: BenchmarkRequest, dataset: DatasetSpec) -> int:
    limit = request.params.get("max_images")
    return min(dataset.num_test, limit) if isinstance(limit, int) else dataset.num_test


@cache
def _test_sizes() -> Mapping[str, int]:
    from trainers.datasets.registry import DATASETS

    return {name: each.num_test for name, each in DATASETS.items()}


def _wide_resnet(depth: int, width: int, image_size: int, num_channels: int) -> tuple[float, float]:
    """Return multiply-accumulates and weights of the convolutions of a Wide ResNet."""
    blocks = (depth - 4) // 6
    side, channels = image_size, 16
    macs = float(side * side * 9 * num_channels * channels)
    weights = 9.0 * num_channels * channels
    for group, out in enumerate((16 * width, 32 * width, 64 * width)):
        side = side if group == 0 else -(-side // 2)
        for block in range(blocks):
            here = channels if block == 0 else out
            block_weights = 9.0 * here * out + 9.0 * out * out + (here * out if here != out else 0)
            weights += block_weights
            macs += side * side * block_weights
        channels = out
    return macs, weights

"""The cost model: how much work a cell is, in floating-point operations and bytes, before anything of its kind was measured.

What a network computes is in its model's file, what a method adds in the method's, what a benchmark runs in the benchmark's; this
file multiplies them. A recorded or calibrated time always counts more (`orchestration.planning.costs.estimate`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from augment.compound import method_for
from augment.errors import AugmentError
from eval.benchmarks.contract import BenchmarkRequest, EvaluationData, Passes
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.passes import set_sizes
from orchestration.store.measured import training_images
from trainers.config import JobConfig
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import DATASETS
from trainers.errors import TrainingError
from trainers.models.registry import num_weights, operations

FLOPS_PER_MAC: Final = 2.0
ASSUMED_SET_SIZE: Final = 10_000
"""Images of an outlier set whose size is not known."""

TRAINING_PASSES: Final = 3.0
"""Forward, and backward at twice its cost."""


@dataclass(slots=True)
class CostModel:
    """Counts operations of cells; remembers what a benchmark costs, which thousands of cells share.

    Args:
        data_root: Folder of datasets; images of outlier sets that are there are counted. None counts what is published.
    """

    data_root: Path | None = None
    _costs: dict[tuple[str, str], Passes] = field(default_factory=dict)

    def training(self, config: JobConfig, dataset: DatasetSpec) -> float | None:
        """Return the operations of a training, or None where those of its network are unknown."""
        return training_flops(config.method, config.model, training_images(config, dataset), dataset)

    def evaluation(self, request: BenchmarkRequest, config: JobConfig, dataset: DatasetSpec) -> float | None:
        """Return the operations of a benchmark, or None where those of the network are unknown."""
        per_image = image_flops(config.model, dataset)
        return None if per_image is None else per_image * self._cost(request, dataset).in_forward_passes()

    def forward_passes(self, request: BenchmarkRequest, dataset: DatasetSpec) -> float:
        """Return how many images a benchmark puts through the network, forward only."""
        return float(self._cost(request, dataset).forward)

    def _cost(self, request: BenchmarkRequest, dataset: DatasetSpec) -> Passes:
        key = (request.key, dataset.name)
        if key not in self._costs:
            self._costs[key] = passes_of(request, dataset, self.data_root)
        return self._costs[key]


def passes_of(request: BenchmarkRequest, dataset: DatasetSpec, data_root: Path | None = None) -> Passes:
    """Return what a benchmark by itself puts through the network.

    Clean predictions count for the benchmark that asks for nothing else; the others share them.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    benchmark = benchmark_for(request.name)
    counted = benchmark.passes(benchmark.config_of(request.params), evaluation_data(dataset, data_root))
    forward = counted.forward + ASSUMED_SET_SIZE * len(counted.unknown)
    return Passes(forward=forward or counted.clean, backward=counted.backward)


def evaluation_data(dataset: DatasetSpec, data_root: Path | None) -> EvaluationData:
    """Return what is known of a test split; images of outlier sets are counted where a data root is given."""
    return EvaluationData(
        dataset=dataset.name,
        num_images=dataset.num_test,
        num_classes=dataset.num_classes,
        side=dataset.image_size,
        data_root=data_root,
        is_dataset=DATASETS.__contains__,
        set_size=set_sizes({name: each.num_test for name, each in DATASETS.items()}, data_root),
    )


def training_flops(method: str, model: str, images: float, dataset: DatasetSpec) -> float | None:
    """Return the operations of training on so many images, epochs counted, or None where the network's are unknown."""
    per_image = image_flops(model, dataset)
    return None if per_image is None else images * _training_passes(method) * per_image * TRAINING_PASSES


def _training_passes(method: str) -> float:
    try:
        return method_for(method).passes
    except AugmentError:  # recorded with a plug-in that is not installed here
        return 1.0


def image_flops(model: str, dataset: DatasetSpec) -> float | None:
    """Return the operations of one forward pass of one image, or None where they are unknown."""
    macs, _ = network_size(model, dataset.image_size, dataset.num_channels, dataset.num_classes)
    return None if macs is None else macs * FLOPS_PER_MAC


def weights_of(model: str, dataset: DatasetSpec) -> float | None:
    """Return the number of weights of a network for a dataset, or None where it is unknown."""
    return network_size(model, dataset.image_size, dataset.num_channels, dataset.num_classes)[1]


@cache
def network_size(model: str, side: int, channels: int, classes: int) -> tuple[float | None, float | None]:
    """Return the multiply-adds of one forward pass and the weights of a network, each None where it is unknown."""
    try:
        return operations(model, side, channels, classes), num_weights(model, side, channels, classes)
    except TrainingError:  # recorded with a plug-in that is not installed here
        return None, None


def unknown_line(model: str) -> str:
    """Return why a network has no estimate, and how it gets one."""
    return (
        f"the operations of model '{model}' are unknown: it has no formula and cannot be built here to be counted; give its "
        "ModelSpec `layers`, or measure it with `plan --calibrate`"
    )

"""What is evaluated: a network, its test images, and the workers that share the evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment.files.published import Identified
from augment.heavy import torch
from eval.inference.memory import Parts
from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision
from eval.predictions import Predictions

T = TypeVar("T")


class Workers(Protocol):
    """The workers that evaluate together; `trainers` implements it over torch.distributed, tests and one process by `Alone`."""

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    def gather(self, value: T) -> list[T]:
        """Return every rank's value in rank order, on every rank."""


class Alone:
    """A single worker."""

    rank = 0
    world_size = 1

    def gather(self, value: T) -> list[T]:
        """Return the value in a list."""
        return [value]


def _no_progress(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """State of one evaluation; the suite makes a new one each time, so that nothing outlives the checkpoint it belongs to.

    Attributes:
        clean: Predictions on the test images, by how many of them are used and in which precision, once a benchmark has needed
            them.
        forward_passes: Images put through the network so far, over all workers.
        forward_parts: How many images of a batch fit into a forward pass on this worker.
        attack_parts: The same with the gradients of an attack.
        on_images: Called with the images of the running benchmark that this worker has seen and those it will see.
    """

    clean: dict[tuple[int, EvaluationPrecision], Predictions] = field(default_factory=dict)
    forward_passes: int = 0
    forward_parts: Parts = field(default_factory=Parts)
    attack_parts: Parts = field(default_factory=Parts)
    on_images: Callable[[int, int], None] = field(default=_no_progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A checkpoint under evaluation.

    Attributes:
        model: Maps (N, C, H, W) float32 images in [0, 1] to (N, K) logits; normalisation is its first layer; in eval mode.
        device: Where the model is.
        dataset: Name of the in-distribution dataset.
        fingerprint: Content identity of the dataset's test split; generated data are a function of it.
        images: Test images, (N, H, W, C) uint8.
        labels: True classes, (N,) int64.
        num_classes: Number of classes K.
        seed: Seed of everything generated for the evaluation (a constant of the benchmark, not of the cell).
        batch_size: Images of a batch, whose borders decide which images meet; less fit into a forward pass where memory runs out.
        precision: In which arithmetic `model` is run; the suite prepares the model for it.
        threads: Threads that make the next batches while the device computes; 0 makes each when it is due.
        workers: The workers that share the evaluation; every rank calls the same benchmarks in the same order.
        data_root: Folder of datasets and published benchmarks (torchvision's layouts).
        cache_dir: Folder for generated, content-addressed arrays.
        load_images: Loads the test images of another dataset by name, (M, H, W, C) uint8; raises when it is missing.
        identify: Returns what identifies the files of a dataset by name, so that own files are kept apart from published ones;
            None where nobody asks.
        generated_bytes: Bytes that generated images may take in `cache_dir`; the numbers are the same either way, and images that
            are there already are used.
        evaluation: What the benchmarks of one evaluation share; the suite sets it.
    """

    model: torch.nn.Module
    device: torch.device
    dataset: str
    fingerprint: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    num_classes: int
    data_root: Path
    cache_dir: Path
    load_images: Callable[[str], NDArray[np.uint8]]
    workers: Workers = field(default_factory=Alone)
    seed: int = 0
    batch_size: int = 250
    threads: int = 0
    precision: EvaluationPrecision = DEFAULT_PRECISION
    identify: Callable[[str], Identified] | None = None
    generated_bytes: float = math.inf
    evaluation: Evaluation = field(default_factory=Evaluation, compare=False, repr=False)

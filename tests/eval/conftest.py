"""A tiny network on tiny images, and workers that share the evaluation in threads."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eval.inference.subject import Subject


class TinyNet(nn.Module):
    """A fixed convolution and a fixed linear layer: deterministic, differentiable, imperfect."""

    def __init__(self, num_classes: int = 8, channels: int = 3, scale: float = 3.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(11)
        self.register_buffer("kernel", torch.randn(6, channels, 3, 3, generator=generator) / 3)
        self.register_buffer("matrix", torch.randn(6 * 4, num_classes, generator=generator) * scale / 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(nn.functional.conv2d(images - 0.5, self.kernel, padding=1))
        return nn.functional.adaptive_avg_pool2d(hidden, 2).flatten(1) @ self.matrix


class Threads:
    """Workers in threads of this process: `gather` meets the others at a barrier."""

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size
        self._barrier = threading.Barrier(world_size, timeout=60)
        self._slots: list[object] = [None] * world_size

    def worker(self, rank: int) -> Worker:
        return Worker(self, rank)

    def exchange(self, rank: int, value: object) -> list[object]:
        self._slots[rank] = value
        self._barrier.wait()
        everything = list(self._slots)
        self._barrier.wait()
        return everything

    def run(self, work) -> list[object]:
        """Run `work(worker)` on every worker and return the results in rank order; raise the first error."""
        results: list[object] = [None] * self.world_size
        errors: list[BaseException] = []

        def one(rank: int) -> None:
            try:
                results[rank] = work(self.worker(rank))
            except BaseException as error:
                errors.append(error)
                self._barrier.abort()

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.world_size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        if errors:
            raise errors[0]
        return results


class Worker:
    """One of the threads."""

    def __init__(self, group: Threads, rank: int) -> None:
        self._group, self.rank, self.world_size = group, rank, group.world_size

    def gather(self, value):
        return self._group.exchange(self.rank, value)


def tiny_images(count: int, side: int = 8, channels: int = 3) -> np.ndarray:
    """Images with structure, the same on every machine: a ramp, a wave and a hash of the index."""
    n, y, x, c = np.meshgrid(np.arange(count), np.arange(side), np.arange(side), np.arange(channels), indexing="ij")
    wave = (n * 37 + y * (5 + n % 7) * 3 + x * (3 + n % 5) * 7 + c * 41 + (n * y * x) % 23) % 256
    return wave.astype(np.uint8)


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread():
    """Tiny networks gain nothing from threads, and several test processes would fight over the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_net() -> nn.Module:
    return TinyNet().eval()


def subject_in(folder: Path, **fields) -> Subject:
    """Return a subject whose files lie in a folder; fields can be overridden."""
    images = fields.pop("images", None)
    images = tiny_images(120) if images is None else images
    labels = fields.pop("labels", None)
    if labels is None:
        labels = (np.arange(len(images)) * 5 % 8).astype(np.int64)
    defaults = {
        "model": TinyNet(channels=images.shape[3] if images.ndim == 4 else 3).eval(),
        "device": torch.device("cpu"),
        "dataset": "tiny",
        "fingerprint": "tiny-v1",
        "num_classes": 8,
        "data_root": folder,
        "cache_dir": folder / "cache",
        "load_images": lambda name: (_ for _ in ()).throw(FileNotFoundError(name)),
        "batch_size": 32,
    }
    return Subject(images=images, labels=labels, **{**defaults, **fields})


@pytest.fixture
def make_subject(tmp_path: Path):
    """Return a maker of subjects in a folder of their own; fields can be overridden."""
    return lambda **fields: subject_in(tmp_path, **fields)


@pytest.fixture(scope="module")
def shared_subject(tmp_path_factory) -> Subject:
    """A subject for the tests of one file."""
    return subject_in(tmp_path_factory.mktemp("subject"))


@pytest.fixture
def threads():
    """Return a maker of workers in threads."""
    return Threads

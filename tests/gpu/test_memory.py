"""Memory that runs out: evaluations and attacks in smaller parts, trainings with the fix; and memory that does not grow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.inference.image_sets import of_array
from eval.inference.memory import Parts
from eval.inference.predict import predict_logits
from eval.inference.subject import Subject
from tests.gpu.jobs import Quiet, request, run
from trainers.worker.process import free_memory

MIB = 2**20
ROOM_MIB = 640
"""What a capped GPU has for a batch; the network below needs 24 MiB for an image, or more for its gradient."""

BATCH = 64
MOST_ON_CPU = 20
"""Images that a CPU pretends to have room for."""


class Greedy(nn.Module):
    """A network whose forward pass needs a lot of memory for each image, and remembers what it was asked for.

    Args:
        width: Values that it makes of an image; 4 bytes each, and twice as many on the way.
        most: Images of a batch above which it pretends that there is no memory.
    """

    def __init__(self, width: int, most: int | None) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.register_buffer("wide", torch.randn(width, generator=generator))
        self.register_buffer("matrix", torch.randn(3, 8, generator=generator))
        self.most, self.seen = most, [0]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(images))
        if self.most is not None and len(images) > self.most:
            raise torch.OutOfMemoryError("pretended")
        means = images.mean(dim=(2, 3)) + images.square().mean(dim=(2, 3))
        level = (means.sum(1, keepdim=True) * self.wide).square().mean(dim=1, keepdim=True)
        logits: torch.Tensor = (means + level) @ self.matrix
        return logits * 3


def greedy(device: torch.device, *, capped: bool) -> Greedy:
    width = 3 * MIB if device.type == "cuda" else 64
    return Greedy(width, MOST_ON_CPU if capped and device.type == "cpu" else None).eval().to(device)


@contextmanager
def little_memory(device: torch.device) -> Iterator[None]:
    """Leave this process `ROOM_MIB` of a GPU; a CPU is not limited."""
    if device.type == "cpu":
        yield
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    cap = torch.cuda.memory_reserved(device) + ROOM_MIB * MIB
    torch.cuda.set_per_process_memory_fraction(cap / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()


def subject_of(model: nn.Module, device: torch.device, folder: Path, threads: int = 2) -> Subject:
    rng = np.random.default_rng(0)
    return Subject(
        model=model, device=device, dataset="made up", fingerprint="made-up", num_classes=8, batch_size=BATCH,
        images=rng.integers(0, 256, (150, 32, 32, 3), dtype=np.uint8), labels=np.arange(150) % 8, data_root=folder,
        cache_dir=folder / "cache", load_images=lambda name: np.zeros((0, 32, 32, 3), dtype=np.uint8), threads=threads,
    )  # fmt: skip


def test_an_evaluation_in_parts_gives_the_logits_of_whole_batches(device: torch.device, tmp_path: Path) -> None:
    whole = subject_of(greedy(device, capped=False), device, tmp_path)
    images = of_array(whole.images, whole.labels)
    expected = predict_logits(whole, images)
    assert whole.evaluation.forward_parts.limit is None
    short = subject_of(greedy(device, capped=True), device, tmp_path)

    with little_memory(device):
        found = predict_logits(short, images)

    assert found == pytest.approx(expected, rel=1e-5)
    assert 1 <= limit_of(short.evaluation.forward_parts) <= BATCH // 2


def test_an_attack_in_parts_finds_what_whole_batches_find(device: torch.device, tmp_path: Path) -> None:
    attack = [BenchmarkRequest(name="pgd", params={"max_images": 100, "steps": 4}, key="pgd")]
    (expected,) = evaluate(subject_of(greedy(device, capped=False), device, tmp_path), attack)
    model = greedy(device, capped=True)

    with little_memory(device):
        (found,) = evaluate(subject_of(model, device, tmp_path), attack)

    assert expected.outcome is not None
    assert found.outcome is not None, found.error
    assert max(model.seen) > BATCH // 2 >= model.seen[-1]
    assert found.outcome.metrics["error"].value == pytest.approx(expected.outcome.metrics["error"].value, abs=0.01)
    losses = [[row["loss"] for row in each.outcome.rows] for each in (found, expected)]  # type: ignore[union-attr]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_one_image_that_does_not_fit_is_an_error_with_the_fix(device: torch.device, tmp_path: Path) -> None:
    width = ROOM_MIB * MIB // 2 if device.type == "cuda" else 64
    model = Greedy(width, 0 if device.type == "cpu" else None).eval().to(device)
    subject = subject_of(model, device, tmp_path)

    with little_memory(device), pytest.raises(torch.OutOfMemoryError, match="one image at a time must fit"):
        predict_logits(subject, of_array(subject.images, subject.labels))


def limit_of(parts: Parts) -> int:
    assert parts.limit is not None
    return parts.limit


def test_a_training_that_does_not_fit_says_what_would(gpu: torch.device, tmp_path: Path) -> None:
    job = request(tmp_path / "job", model="wrn-40-4", recipe={"batch_size": 1024, "train_images": 1024}, benchmarks=())

    with little_memory(gpu), pytest.raises(torch.OutOfMemoryError, match=r"raise train\.grad_accumulation from 1"):
        run(job, gpu)


JOBS = 20
WARM_UP = 5
"""Jobs after which everything is loaded, compiled and reserved."""


def test_memory_is_flat_over_many_jobs_in_one_process(device: torch.device, tmp_path: Path) -> None:
    own, allocated, reserved = [], [], []
    for number in range(JOBS):
        job = request(
            tmp_path / "jobs", seed=number, train_key=f"{number:064x}", recipe={"epochs": 1, "train_images": 32}
        )
        run(dataclasses.replace(job, benchmarks=job.benchmarks if number % 4 == 0 else ()), device, Quiet())
        free_memory()
        own.append(psutil.Process().memory_full_info().uss / MIB)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
            torch.cuda.empty_cache()
            allocated.append(torch.cuda.memory_allocated(device) / MIB)
            reserved.append(torch.cuda.memory_reserved(device) / MIB)

    grown: dict[str, Any] = {
        name: max(values[WARM_UP:]) - max(values[:WARM_UP])
        for name, values in (("own", own), ("allocated", allocated), ("reserved", reserved))
        if values
    }
    assert grown["own"] <= 24.0, own
    assert grown.get("allocated", 0.0) <= 1.0, allocated
    assert grown.get("reserved", 0.0) <= 4.0, reserved

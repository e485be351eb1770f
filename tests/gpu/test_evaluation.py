"""A benchmark on the device gives what it gives on the CPU, within the rounding of float32; so does an attack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.inference.attacks import Attack, Norm, pgd
from eval.inference.precision import float32_products
from eval.inference.subject import Subject
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for

IMAGES = 96
CPU = torch.device("cpu")
ATTACK = {"epsilon": 4 / 255, "step_size": 1 / 255, "steps": 5}


def network(device: torch.device) -> torch.nn.Module:
    """Return a small Wide ResNet with weights that depend on nothing, in which rounding is not amplified."""
    torch.manual_seed(1)
    made = model_for("wrn-10-1").build({"dropout": 0.0}, ModelInput(image_size=32, num_channels=3, num_classes=8))
    return made.eval().to(device, memory_format=torch.channels_last)


def images() -> np.ndarray:
    n, y, x, c = np.meshgrid(*(np.arange(size) for size in (IMAGES, 32, 32, 3)), indexing="ij")
    waves = 128 + 60 * np.sin(y * (1 + n % 7) / 5 + c) + 60 * np.cos(x * (1 + n % 5) / 6 - c)
    return np.clip(waves, 0, 255).astype(np.uint8)


def subject_on(device: torch.device, folder: Path, *, threads: int) -> Subject:
    return Subject(
        model=network(device), device=device, dataset="made up", fingerprint="made-up", num_classes=8, images=images(),
        labels=np.arange(IMAGES) % 8, data_root=folder, cache_dir=folder / "cache", load_images=lambda name: images()[:40],
        batch_size=32, threads=threads,
    )  # fmt: skip


REQUESTS = [
    BenchmarkRequest(name="clean", params={}, key="clean"),
    BenchmarkRequest(name="c-generated", params={"kinds": ["fog", "contrast"], "severities": [1, 5]}, key="c"),
    BenchmarkRequest(name="p-generated", params={"kinds": ["translate"], "max_images": 8}, key="p"),
    BenchmarkRequest(name="pgd", params={**ATTACK, "max_images": 48}, key="pgd"),
]  # fmt: skip


def test_every_benchmark_gives_the_numbers_of_the_cpu(device: torch.device, tmp_path: Path) -> None:
    expected = evaluate(subject_on(CPU, tmp_path, threads=0), REQUESTS)

    found = evaluate(subject_on(device, tmp_path, threads=4), REQUESTS)

    for here, there in zip(expected, found, strict=True):
        assert here.outcome is not None, here.error
        assert there.outcome is not None, there.error
        assert there.outcome.forward_passes == here.outcome.forward_passes
        for name, value in here.outcome.metrics.items():
            # One image in the smallest set may be decided otherwise where two classes are equal within rounding.
            near = pytest.approx(value.value, abs=0.0 if device.type == "cpu" else 0.025, nan_ok=True)
            assert there.outcome.metrics[name].value == near, f"{here.benchmark}/{name}"


def attacked(device: torch.device, norm: Norm) -> Attack:
    pixels = torch.from_numpy(images()).permute(0, 3, 1, 2).to(device).float() / 255
    labels = (torch.arange(IMAGES) % 8).to(device)
    with float32_products("fp32"):
        return pgd(
            network(device), pixels, labels, norm=norm, random_start=True, indices=np.arange(IMAGES), seed=0, **ATTACK
        )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_attack_takes_the_steps_it_takes_on_the_cpu(device: torch.device, norm: Norm) -> None:
    here, there = attacked(CPU, norm), attacked(device, norm)

    assert there.loss_by_step == pytest.approx(here.loss_by_step, rel=1e-6 if device.type == "cpu" else 1e-3)
    apart = (there.images.cpu() - here.images).abs()
    # The sign of a gradient near 0 depends on rounding, and a step of it is whole.
    assert float((apart > 1e-6).float().mean()) <= (0.0 if device.type == "cpu" else 0.02)
    clean = torch.from_numpy(images()).permute(0, 3, 1, 2).float() / 255
    moved = there.images.cpu() - clean
    size = moved.abs().max() if norm == "linf" else moved.flatten(1).norm(dim=1).max()
    assert float(size) <= ATTACK["epsilon"] * 1.001 + 1e-6

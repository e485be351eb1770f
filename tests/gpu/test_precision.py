"""tf32 and bf16 stay near fp32, in one forward pass and over a training; and on a GPU they are really in force."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from eval.inference.precision import EvaluationPrecision, float32_products, in_precision
from tests.gpu.jobs import outcome, request, run
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for

FORWARD_BANDS = {"tf32": 5e-3, "bf16": 5e-2}
"""Largest difference from fp32, as a share of the largest logit."""

LOSS_BANDS = {"tf32": 0.02, "bf16": 0.05}
"""Relative difference of an epoch's mean loss from fp32, over the six steps of the job."""


def logits(device: torch.device, precision: EvaluationPrecision) -> torch.Tensor:
    torch.manual_seed(0)
    spec = model_for("resnet-18")
    network = spec.build(spec.resolve({}), ModelInput(image_size=64, num_channels=3, num_classes=10))
    images = torch.rand(8, 3, 64, 64)
    network = network.eval().to(device, memory_format=torch.channels_last)
    with torch.inference_mode(), float32_products(precision):
        found: torch.Tensor = in_precision(network, precision, device)(images.to(device))
    return found.cpu()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


def has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_forward_pass_stays_in_the_band(device: torch.device, precision: EvaluationPrecision) -> None:
    exact = logits(device, "fp32")

    apart = distance(logits(device, precision), exact)

    assert apart <= FORWARD_BANDS[precision]
    assert (apart > 0) == (precision == "bf16" or has_tf32(device))


def test_fp32_is_that_of_the_cpu_within_rounding(device: torch.device) -> None:
    assert distance(logits(device, "fp32"), logits(torch.device("cpu"), "fp32")) <= 1e-5


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_training_stays_in_the_band(device: torch.device, tmp_path: Path, precision: str) -> None:
    exact, rounded = (
        outcome(run(request(tmp_path / each, recipe={"precision": each, "deterministic": True}, benchmarks=()), device))
        for each in ("fp32", precision)
    )

    assert rounded["losses"] == pytest.approx(exact["losses"], rel=LOSS_BANDS[precision])
    assert (rounded["weights"] != exact["weights"]) == (precision == "bf16" or has_tf32(device))

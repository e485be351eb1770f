"""`deterministic: true`: the same bits from two runs, after a resume, in a used process, and in a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu.jobs import ATTACK, CLEAN, Quiet, outcome, request, run, run_apart
from trainers.errors import JobStopped

STRICT = {"deterministic": True}


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_two_runs_are_bit_identical(device: torch.device, tmp_path: Path, precision: str) -> None:
    recipe = {**STRICT, "precision": precision}

    first, second = (
        outcome(run(request(tmp_path / name, recipe=recipe, benchmarks=(CLEAN, ATTACK), threads=4), device))
        for name in ("first", "second")
    )

    assert first == second
    assert first["metrics"].keys() >= {"clean/error", "pgd/error"}


@pytest.mark.parametrize(("model", "recipe"), [("wrn-16-2", {"epochs": 1}), ("resnet-18", {"epochs": 1})])
def test_every_kind_of_network_has_a_deterministic_form(
    device: torch.device, tmp_path: Path, model: str, recipe: dict[str, Any]
) -> None:
    jobs = (
        request(tmp_path / name, recipe={**STRICT, **recipe, "train_images": 32}, model=model, benchmarks=())
        for name in ("first", "second")
    )
    first, second = (outcome(run(job, device)) for job in jobs)

    assert first == second


@pytest.mark.parametrize("steps", [2, 4])
def test_a_resumed_job_ends_bit_identical(device: torch.device, tmp_path: Path, steps: int) -> None:
    straight = outcome(run(request(tmp_path / "straight", recipe=STRICT, threads=4), device))
    with pytest.raises(JobStopped):
        run(request(tmp_path / "resumed", recipe=STRICT, threads=4), device, Quiet(stop_after=steps))

    resumed = run(request(tmp_path / "resumed", recipe=STRICT, threads=4), device)

    assert resumed.training.resumed_from_step
    assert outcome(resumed) == straight


def test_a_used_process_gives_the_bits_of_a_new_one(device: torch.device, tmp_path: Path) -> None:
    apart = run_apart(tmp_path / "apart", device, recipe=STRICT)
    run(request(tmp_path / "other", recipe={"precision": "bf16"}, method="baseline", train_key="11" * 32), device)

    used = outcome(run(request(tmp_path / "used", recipe=STRICT), device))

    assert used == {name: apart[name] for name in used}


def test_what_is_recorded_says_so(device: torch.device, tmp_path: Path) -> None:
    recorded = run(
        request(tmp_path / "job", recipe={**STRICT, "epochs": 1}, benchmarks=()), device
    ).training.environment

    assert recorded["deterministic"] is True
    assert recorded["cudnn_benchmark"] is False
    assert recorded["device_type"] == device.type

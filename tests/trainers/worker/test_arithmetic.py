"""What a job sets of precision and determinism: the same after any other job, strict where asked, recorded as it is."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from trainers.config import RecipeConfig
from trainers.errors import ImpossibleJob
from trainers.worker.arithmetic import CUBLAS_WORKSPACE, arithmetic_facts, determinism_explained, set_arithmetic
from trainers.worker.process import ThreadBudget, reset_process

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
BUDGET = ThreadBudget(images=0, torch=1)
STRICT, FREE = RecipeConfig(deterministic=True), RecipeConfig()


@pytest.fixture(autouse=True)
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a job on a GPU set its flags, which a build without CUDA keeps too."""
    for name in ("empty_cache", "reset_peak_memory_stats", "manual_seed", "manual_seed_all"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.delenv(CUBLAS_WORKSPACE, raising=False)
    yield
    reset_process(BUDGET, CPU)


def flags() -> dict[str, Any]:
    cudnn = torch.backends.cudnn
    return {
        "strict": torch.are_deterministic_algorithms_enabled(),
        "warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "cudnn": (cudnn.enabled, cudnn.deterministic, cudnn.benchmark),
        "tf32": (torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32),
        "autocast": (torch.is_autocast_enabled("cuda"), torch.is_autocast_enabled("cpu")),
    }


@pytest.mark.parametrize(
    ("device", "recipe", "expected"),
    [
        (CUDA, FREE, {"strict": False, "warns": False, "cudnn": (True, False, True), "tf32": (True, True)}),
        (CUDA, STRICT, {"strict": True, "warns": False, "cudnn": (True, True, False), "tf32": (True, True)}),
        (CUDA, None, {"strict": True, "warns": True, "cudnn": (True, True, False), "tf32": (False, False)}),
        (CPU, FREE, {"strict": True, "warns": False, "cudnn": (True, True, False), "tf32": (True, True)}),
        (CPU, STRICT, {"strict": True, "warns": False, "cudnn": (True, True, False), "tf32": (True, True)}),
    ],
)
def test_a_used_process_computes_as_a_fresh_one(
    device: torch.device, recipe: RecipeConfig | None, expected: dict[str, Any]
) -> None:
    for seed in range(20):
        dice = random.Random(seed)
        torch.use_deterministic_algorithms(dice.random() < 0.5, warn_only=dice.random() < 0.5)
        torch.backends.cudnn.benchmark = dice.random() < 0.5
        torch.backends.cudnn.deterministic = dice.random() < 0.5
        torch.backends.cudnn.enabled = dice.random() < 0.5
        torch.backends.cuda.matmul.fp32_precision = dice.choice(["ieee", "tf32"])
        torch.set_autocast_enabled("cuda", dice.random() < 0.5)
        reset_process(BUDGET, dice.choice([CPU, CUDA]), dice.choice([None, FREE, STRICT]))

        reset_process(BUDGET, device, recipe)

        assert flags() == {**expected, "autocast": (False, False)}


def test_fp32_on_a_gpu_is_strict_ieee_and_bf16_leaves_tf32_to_the_rest() -> None:
    reset_process(BUDGET, CUDA, RecipeConfig(precision="fp32"))
    assert flags()["tf32"] == (False, False)
    reset_process(BUDGET, CUDA, RecipeConfig(precision="bf16"))
    assert flags()["tf32"] == (True, True)


def test_every_job_on_a_gpu_names_the_workspace_since_a_later_one_may_need_it() -> None:
    reset_process(BUDGET, CUDA, FREE)
    assert os.environ[CUBLAS_WORKSPACE] == ":4096:8"


def test_a_job_on_a_cpu_leaves_the_environment_alone() -> None:
    reset_process(BUDGET, CPU, STRICT)
    assert CUBLAS_WORKSPACE not in os.environ


def test_a_workspace_of_the_user_stays_if_determinism_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CUBLAS_WORKSPACE, ":16:8")
    reset_process(BUDGET, CUDA, STRICT)
    assert os.environ[CUBLAS_WORKSPACE] == ":16:8"

    monkeypatch.setenv(CUBLAS_WORKSPACE, ":0:0")
    reset_process(BUDGET, CUDA, FREE)
    with pytest.raises(
        ImpossibleJob, match=r"needs CUBLAS_WORKSPACE_CONFIG to be one of :4096:8, :16:8, but it is ':0:0'"
    ):
        reset_process(BUDGET, CUDA, STRICT)


def test_what_is_recorded_is_what_is_in_force() -> None:
    set_arithmetic(CUDA, "tf32", "off")
    assert arithmetic_facts(CUDA, "tf32") == {
        "precision": "tf32",
        "deterministic": False,
        "cudnn_benchmark": True,
        "cublas_workspace": ":4096:8",
    }
    set_arithmetic(CUDA, "fp32", "strict")
    assert arithmetic_facts(CUDA, "fp32") == {
        "precision": "fp32",
        "deterministic": True,
        "cudnn_benchmark": False,
        "cublas_workspace": ":4096:8",
    }
    set_arithmetic(CPU, "tf32", "off")
    assert arithmetic_facts(CPU, "tf32")["precision"] == "fp32"
    assert arithmetic_facts(CPU, "tf32")["deterministic"]


def test_an_operation_that_is_refused_is_named_with_the_fix() -> None:
    set_arithmetic(CPU, "tf32", "strict")
    with (
        pytest.raises(ImpossibleJob, match=r"but put_ has no such form here; train with deterministic: false"),
        determinism_explained(),
    ):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
    with pytest.raises(RuntimeError, match="another"), determinism_explained():
        raise RuntimeError("another")

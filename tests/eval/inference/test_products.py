"""Precision of float32 products: one state for each, whatever a library left behind, readable by torch's older switches too."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
import torch

from eval.inference.products import TF32_OVERRIDE, Precision, precision_in_force, set_precision

backends: Any = torch.backends
READ: dict[str, Callable[[], Any]] = {
    "matmul": lambda: backends.cuda.matmul.fp32_precision,
    "conv": lambda: backends.cudnn.conv.fp32_precision,
    "rnn": lambda: backends.cudnn.rnn.fp32_precision,
    "cpu matmul": lambda: backends.mkldnn.matmul.fp32_precision,
    "cpu conv": lambda: backends.mkldnn.conv.fp32_precision,
    "cpu rnn": lambda: backends.mkldnn.rnn.fp32_precision,
    # These raise where only the newer switches were written; torch.compile reads them.
    "older matmul": lambda: backends.cuda.matmul.allow_tf32,
    "older conv": lambda: backends.cudnn.allow_tf32,
    "named": torch.get_float32_matmul_precision,
}
WRITE: list[Callable[[random.Random], None]] = [
    lambda dice: setattr(backends, "fp32_precision", dice.choice(["ieee", "tf32"])),
    lambda dice: setattr(backends.cudnn, "fp32_precision", dice.choice(["ieee", "tf32"])),
    lambda dice: setattr(backends.cuda.matmul, "fp32_precision", dice.choice(["ieee", "tf32"])),
    lambda dice: setattr(backends.cudnn.conv, "fp32_precision", dice.choice(["ieee", "tf32", "none"])),
    lambda dice: setattr(backends.cudnn.rnn, "fp32_precision", dice.choice(["ieee", "tf32"])),
    lambda dice: setattr(backends.mkldnn.matmul, "fp32_precision", dice.choice(["ieee", "bf16"])),
    lambda dice: setattr(backends.mkldnn.conv, "fp32_precision", dice.choice(["ieee", "bf16"])),
    lambda dice: setattr(backends.cuda.matmul, "allow_tf32", dice.random() < 0.5),
    lambda dice: setattr(backends.cudnn, "allow_tf32", dice.random() < 0.5),
    lambda dice: torch.set_float32_matmul_precision(dice.choice(["highest", "high", "medium"])),
]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    set_precision("fp32")


def state() -> dict[str, Any]:
    return {name: read() for name, read in READ.items()}


@pytest.mark.parametrize("precision", get_args(Precision))
def test_whatever_was_set_before_a_precision_is_one_state(precision: Precision) -> None:
    set_precision(precision)
    wanted = state()
    for seed in range(100):
        dice = random.Random(seed)
        for _ in range(dice.randrange(6)):
            dice.choice(WRITE)(dice)

        set_precision(precision)

        assert state() == wanted, f"seed {seed}"


def test_a_gpu_rounds_products_unless_fp32_is_asked_for_and_a_cpu_never() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_precision("fp32")
        exact = state()
        set_precision("tf32")
        rounded = state()
    on_cpu = {"cpu matmul": "ieee", "cpu conv": "ieee", "cpu rnn": "ieee"}

    assert exact == {
        "matmul": "ieee",
        "conv": "none",
        "rnn": "none",
        "older matmul": False,
        "older conv": False,
        "named": "highest",
        **on_cpu,
    }
    assert rounded == {
        "matmul": "tf32",
        "conv": "tf32",
        "rnn": "tf32",
        "older matmul": True,
        "older conv": True,
        "named": "high",
        **on_cpu,
    }


@pytest.mark.parametrize(
    ("device", "capability", "asked", "override", "expected"),
    [
        ("cpu", (0, 0), "tf32", None, "fp32"),
        ("cpu", (0, 0), "bf16", None, "bf16"),
        ("cuda", (8, 0), "tf32", None, "tf32"),
        ("cuda", (9, 0), "fp32", None, "fp32"),
        ("cuda", (7, 5), "tf32", None, "fp32"),
        ("cuda", (9, 0), "tf32", "0", "fp32"),
        ("cuda", (9, 0), "bf16", None, "bf16"),
    ],
)
def test_the_precision_in_force_is_what_the_device_can(
    device: str,
    capability: tuple[int, int],
    asked: Precision,
    override: str | None,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.delenv(TF32_OVERRIDE, raising=False)
    if override is not None:
        monkeypatch.setenv(TF32_OVERRIDE, override)
    set_precision(asked)

    assert precision_in_force(torch.device(device), asked) == expected

"""In which arithmetic a network is evaluated: `evaluation.precision`, part of a benchmark's key.

A network is evaluated in float32 whatever it was trained in, so that rows of a table differ in what they were trained with and
not in how they were measured.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, get_args

from augment.heavy import torch
from augment.lookup.parameters import did_you_mean
from eval.inference.products import rounding, set_rounding

EvaluationPrecision = Literal["fp32", "tf32", "bf16"]
"""fp32: IEEE float32. tf32: float32 whose products have 10 bits of mantissa, on GPUs that have it, in matrix products and
convolutions; float32 elsewhere. bf16: matrix products and convolutions in bfloat16 (autocast), logits in float32."""

PRECISIONS: Final[tuple[str, ...]] = get_args(EvaluationPrecision)
DEFAULT_PRECISION: Final[EvaluationPrecision] = "fp32"


def check_precision(value: object) -> None:
    """Refuse a precision that networks cannot be evaluated in.

    Raises:
        ValueError: With the known ones.
    """
    if value not in PRECISIONS:
        hint = did_you_mean(value, PRECISIONS) if isinstance(value, str) else ""
        raise ValueError(f"evaluation.precision must be one of {', '.join(PRECISIONS)}, but got {value!r}{hint}")


def in_precision(model: torch.nn.Module, precision: EvaluationPrecision, device: torch.device) -> torch.nn.Module:
    """Return a network whose forward pass runs in a precision and gives float32 logits; the given one stays as it is.

    It shares the weights. For "tf32" it is the network itself, since `float32_products` decides.
    """
    if precision != "bf16":
        return model
    forward = model.forward

    def in_bf16(images: torch.Tensor) -> torch.Tensor:
        # Around the forward pass alone: gradients of an attack are taken outside, as torch recommends.
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits: torch.Tensor = forward(images)
        return logits.float()

    # Not a module around it: mode, hooks and attributes of the network stay where callers look for them.
    made = copy.copy(model)
    setattr(made, "forward", in_bf16)  # noqa: B010 (mypy refuses assignments to methods)
    return made


@contextmanager
def float32_products(precision: EvaluationPrecision) -> Iterator[None]:
    """Let GPUs round the factors of float32 products to TF32, or not, and restore what was set before.

    It holds for all threads of the process, those that compute gradients included.
    """
    before = rounding()
    set_rounding((precision == "tf32", precision == "tf32"))
    try:
        yield
    finally:
        set_rounding(before)

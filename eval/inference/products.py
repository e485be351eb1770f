"""How exactly a GPU multiplies float32 numbers: set for a process, and read back as it is in force. Light to import."""

from __future__ import annotations

import os
from typing import Final, Literal

from augment.heavy import torch

Precision = Literal["fp32", "tf32", "bf16"]
"""Of matrix products and convolutions: "fp32" is IEEE everywhere; "tf32" rounds their inputs to 10 bits of mantissa on a GPU that
can, and is fp32 elsewhere; "bf16" is autocast to bfloat16, with tf32 for what stays float32."""

TF32_OVERRIDE: Final = "NVIDIA_TF32_OVERRIDE"
"""Environment variable by which NVIDIA's libraries refuse TF32 ("0"), whatever torch asks for."""

_FIRST_WITH_TF32: Final = (8, 0)
"""Compute capability of Ampere."""


def set_precision(precision: Precision) -> None:
    """Set how float32 products are computed in this process from now on, whatever was set before; may be called at any time.

    A CPU computes IEEE float32 in any case. Autocast is not entered: who runs a network in "bf16" does that around it.
    """
    # oneDNN must not follow: on a CPU "high" means products of bfloat16 where the CPU has them.
    for operation in (torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv, torch.backends.mkldnn.rnn):  # type: ignore[attr-defined]
        operation.fp32_precision = "ieee"
    set_rounding((precision != "fp32", precision != "fp32"))


def rounding() -> tuple[bool, bool]:
    """Return whether a GPU may round the factors of float32 matrix products and of convolutions to TF32."""
    # Not by the older switches: those raise after a library has set only the newer ones.
    matmul, conv = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision  # type: ignore[attr-defined]
    return matmul == "tf32", conv == "tf32"


def set_rounding(allowed: tuple[bool, bool]) -> None:
    """Let a GPU round the factors of float32 matrix products, and of convolutions, to TF32, or forbid it."""
    # The general settings first: each would decide where a particular one is "none".
    torch.backends.fp32_precision = "none"  # type: ignore[attr-defined]
    torch.backends.cudnn.fp32_precision = "none"
    # torch refuses to read a switch after only its newer form was written, and torch.compile reads these; they write both.
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = allowed


def precision_in_force(device: torch.device, precision: Precision) -> Precision:
    """Return how products are really computed on a device, after `set_precision`, by a network that asks for a precision."""
    if precision == "bf16":
        return "bf16"
    if device.type != "cuda" or rounding() != (True, True) or os.environ.get(TF32_OVERRIDE) == "0":
        return "fp32"
    return "tf32" if torch.cuda.get_device_capability(device) >= _FIRST_WITH_TF32 else "fp32"

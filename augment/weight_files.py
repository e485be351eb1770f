"""Weights that others trained: read without running anything from the file, unwrapped, and matched by the order of convolutions.

Published networks of one architecture come under different names (a Sequential's numbers, `module.` in front, wrapped in another
mapping), but their convolutions stand in the order in which they are applied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from augment.errors import AugmentError

WRAPPERS: Final = ("state_dict", "model_state_dict", "params_ema", "params", "model", "net")
PREFIX: Final = "module."


class Convolution(NamedTuple):
    """Weights of one convolution, (out, in, K, K), and its bias, (out,)."""

    weight: Tensor
    bias: Tensor


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a PyTorch file by name, on the CPU in float32, without wrapping and without `module.` in front.

    Raises:
        AugmentError: If the file cannot be read as plain tensors, or holds none.
    """
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling answers to a bad file with nearly any exception
        raise AugmentError(
            f"{path} must be a PyTorch file of plain tensors, but cannot be read as one ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}); save its state_dict with torch.save"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    tensors = {
        str(name).removeprefix(PREFIX): value.float()
        for name, value in (state.items() if isinstance(state, dict) else ())
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise AugmentError(f"{path} must hold weights by name, but holds {type(state).__name__}; save a state_dict")
    return tensors


def convolutions_of(tensors: dict[str, Tensor], path: Path) -> list[Convolution]:
    """Return the convolutions of a file in their order; one without bias gets zeros.

    Raises:
        AugmentError: If there is none.
    """
    found = []
    for name, weight in tensors.items():
        if weight.ndim == 4 and name.endswith("weight"):
            bias = tensors.get(name.removesuffix("weight") + "bias")
            found.append(Convolution(weight, bias if bias is not None else torch.zeros(len(weight))))
    if not found:
        raise AugmentError(f"{path} must hold convolutions, but has {', '.join(list(tensors)[:5])}; name another file")
    return found

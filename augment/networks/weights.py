"""Weights of networks: files of others, read without running anything from them, and random ones.

Published networks of one architecture come under different names (a Sequential's numbers, `module.` in front, wrapped in another
mapping), but their convolutions are listed in the order in which they are applied.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from augment.errors import AugmentError
from augment.files.pickles import UnsafeFile, check_tensors
from augment.heavy import Tensor, nn, torch
from augment.lookup.parameters import first_line

WRAPPERS: Final = ("state_dict", "model_state_dict", "params_ema", "params", "model", "net")
PREFIXES: Final = re.compile(r"^(?:(?:module|_orig_mod)\.)+")
"""What data-parallel training and torch.compile put in front of names."""


class Convolution(NamedTuple):
    """Weights of one convolution, (out, in, K, K), and its bias, (out,)."""

    weight: Tensor
    bias: Tensor


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a PyTorch file by name, on the CPU in float32, without the wrapping of files and of names.

    Raises:
        AugmentError: If the file cannot be read as plain tensors, or contains none, or several sets of weights.
    """
    try:
        with path.open("rb") as handle:
            check_tensors(handle)
            state: Any = torch.load(handle, map_location="cpu", weights_only=True)
    except UnsafeFile as error:
        raise AugmentError(f"{path} {error}") from error
    except Exception as error:  # a bad file may raise nearly any exception
        raise AugmentError(
            f"{path} must be a PyTorch file of plain tensors, but cannot be read as one ({type(error).__name__}: "
            f"{first_line(error)}); save its state_dict with torch.save"
        ) from error
    state = _unwrapped(state, path)
    tensors = {
        PREFIXES.sub("", str(name)): value.float()
        for name, value in (state.items() if isinstance(state, dict) else ())
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise AugmentError(
            f"{path} must contain weights by name, but contains {type(state).__name__}; save a state_dict"
        )
    return tensors


def _unwrapped(state: Any, path: Path) -> Any:
    """Return what is inside the wrapper of a file.

    Raises:
        AugmentError: If the file contains several sets, such as weights and their average.
    """
    while isinstance(state, dict):
        inside = [each for each in WRAPPERS if isinstance(state.get(each), dict) and _contains_tensors(state[each])]
        if len(inside) > 1:
            raise AugmentError(
                f"{path} must contain one set of weights, but contains {', '.join(inside)}; save only the one that you mean"
            )
        if not inside:
            return state
        state = state[inside[0]]
    return state


def _contains_tensors(state: dict[Any, Any]) -> bool:
    return any(
        isinstance(value, Tensor) or (isinstance(value, dict) and _contains_tensors(value)) for value in state.values()
    )


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
        raise AugmentError(
            f"{path} must contain convolutions, but has {', '.join(list(tensors)[:5])}; name another file"
        )
    return found


def reset_convolutions(network: nn.Module, generator: torch.Generator, std: float | None = None) -> None:
    """Draw the weights of every convolution from N(0, std**2), 1 / fan-in where it is None, and set its bias to zero."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                scale = module.weight[0].numel() ** -0.5 if std is None else std
                module.weight.copy_(scale * torch.randn(module.weight.shape, generator=generator))
                if module.bias is not None:
                    module.bias.zero_()


def descend(loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Take a step of a network's optimiser; other networks that the loss went through get no gradients."""
    parameters = list(network.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()

"""Which layers of a network are visualised, and reading their activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from augment.errors import AugmentError
from augment.heavy import Tensor, nn, torch
from augment.networks.modes import frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A module with a feature map: its name in the network and its number of channels."""

    name: str
    num_channels: int


class _DeepestReachedError(Exception):
    """Ends a forward pass once every layer has been seen."""


def input_channels(model: nn.Module) -> int:
    """Return the channels of the images that a network takes: those of its first convolution.

    Raises:
        AugmentError: If it has no convolution.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    raise AugmentError(
        f"feature visualisation needs a convolutional network, but {type(model).__name__} has no nn.Conv2d"
    )


def visual_layers(model: nn.Module, side: int) -> tuple[Layer, ...]:
    """Return the layers to visualise in the order of the forward pass.

    Of a residual network these are the first convolution and the outputs of its blocks (children of a sequence with at least two
    convolutions); of any other network, all convolutions, before their activation functions.

    Args:
        model: The network; pixels in [0, 1] go in.
        side: Side of the images that the pass is tried with.
    """
    convolutions = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    blocks = [name for name, module in model.named_modules() if _is_block(model, name, module)]
    device = next(model.parameters()).device
    probe = torch.full((1, input_channels(model), side, side), 0.5, device=device)
    with frozen(model), torch.no_grad():
        maps = activations(model, probe, [*convolutions[:1], *blocks] if blocks else convolutions)
    return tuple(
        Layer(name=name, num_channels=output.shape[1])
        for name, output in maps.items()
        if isinstance(output, Tensor) and output.ndim == 4
    )


def _is_block(model: nn.Module, name: str, module: nn.Module) -> bool:
    parent, _, child = name.rpartition(".")
    if not child.isdigit() or not isinstance(model.get_submodule(parent), nn.Sequential | nn.ModuleList):
        return False
    if isinstance(module, nn.Sequential | nn.ModuleList):
        return False
    return sum(isinstance(inner, nn.Conv2d) for inner in module.modules()) >= 2


def activations(model: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the feature maps of layers by name; in the order of the pass, which ends as soon as all have been seen.

    Args:
        model: The network, frozen.
        images: (N, C, H, W) float32 in [0, 1].
        names: Names of modules.
    """
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            seen[name] = output
            if len(seen) == len(set(names)):
                raise _DeepestReachedError

        return hook

    modules = dict(model.named_modules())
    handles = [modules[name].register_forward_hook(keep(name)) for name in dict.fromkeys(names)]
    try:
        model(images)
    except _DeepestReachedError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return seen

"""What EDSR and SIN share: a network that redraws images and distorts some of them.

The published methods distort a copy of the training set once, with third-party weights, and train on both copies. Where such a
copy is given, the loader shows it and this stage does nothing. Else an image is distorted with probability `share` whenever it
is shown, which is the same mixture at the same number of optimiser steps. The network has third-party weights where their files
are given; else it is a substitute trained on the first batch, one for every logical shard, so that results do not depend on the
number of workers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from augment.kernels.counters import StepKeys
from augment.kernels.shard_random import chosen_share, shard_generator
from augment.methods.method_files import named_file
from augment.treatment import StoredCopy, Treatment, TreatmentContext

if TYPE_CHECKING:
    from torch import Tensor, nn

TRAINING_BATCH = 32


class LearnedDistortion(Treatment):
    """A batch stage that needs a trained network of its own; subclasses say which, its loss, and what it does.

    Args:
        share: Share of the images that are distorted.
        train_steps: Steps of Adam on images of a shard's first batch.
        lr: Adam's learning rate.
        given: Network with third-party weights, which is never trained; None for the substitute.
        stored_copy: Copy of the training images that is shown instead of distorting them, or None.
    """

    def __init__(
        self,
        *,
        share: float,
        train_steps: int,
        lr: float,
        given: nn.Module | None = None,
        stored_copy: StoredCopy | None = None,
    ) -> None:
        self._share, self._train_steps, self._lr = share, train_steps, lr
        self._given = given.requires_grad_(False).eval() if given is not None else None
        self.stored_copy = stored_copy
        self._networks: dict[int, nn.Module] = {}
        self._waiting: dict[int, Mapping[str, Tensor]] = {}

    @property
    @abstractmethod
    def stream(self) -> str:
        """Name of the random numbers' stream."""

    @abstractmethod
    def make_network(self) -> nn.Module:
        """Return the network with any weights."""

    @abstractmethod
    def training_loss(self, network: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss that the substitute is trained with."""

    @abstractmethod
    def distort(self, network: nn.Module, images: Tensor, keys: StepKeys) -> Tensor:
        """Return distorted images of the same shape; the range is clipped afterwards."""

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Distort a share of the images: (N, C, H, W) float32 in [0, 1] -> the same; targets as given."""
        if len(images) == 0 or self.stored_copy is not None:
            return images, targets
        network = self._network(images, keys)
        rows = chosen_share(keys, len(images), self._share, self.stream).nonzero()[:, 0].to(images.device)
        if len(rows) == 0:
            return images, targets
        with torch.no_grad():
            changed = images.clone()
            changed[rows] = self.distort(network, images[rows], keys).clamp(0.0, 1.0)
        return changed, targets

    def _network(self, images: Tensor, keys: StepKeys) -> nn.Module:
        if self._given is not None:
            return self._given.to(images.device)
        if keys.shard not in self._networks:
            network = self.make_network().to(images.device)
            if keys.shard in self._waiting:
                network.load_state_dict(self._waiting.pop(keys.shard))
            else:
                self._train(network, images, keys)
            self._networks[keys.shard] = network.requires_grad_(False).eval()
        return self._networks[keys.shard]

    def _train(self, network: nn.Module, images: Tensor, keys: StepKeys) -> None:
        weights = shard_generator(keys, f"{self.stream}-weights")
        reset_convolutions(network, weights)
        optimiser = torch.optim.Adam(network.parameters(), lr=self._lr)
        with torch.enable_grad():
            for _ in range(self._train_steps):
                rows = torch.randperm(len(images), generator=weights)[:TRAINING_BATCH]
                loss = self.training_loss(network, images[rows.to(images.device)].detach(), weights)
                parameters = list(network.parameters())
                for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                    parameter.grad = gradient
                optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> Mapping[str, Any]:
        """Return every shard's substitute; given weights are files that the cell names."""
        ours = {shard: dict(network.state_dict()) for shard, network in self._networks.items()}
        return {"networks": {**self._waiting, **ours}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the networks; each moves to its device at its next batch."""
        self._networks = {}
        self._waiting = {int(shard): weights for shard, weights in state["networks"].items()}


def stored_copy_of(context: TreatmentContext, name: str, content: str, share: float) -> StoredCopy | None:
    """Return the copy of the training images in a folder below the data root, or None where no name is given.

    Raises:
        AugmentError: If it is not there, or has another content than planned.
    """
    return StoredCopy(folder=named_file(context.data_root, name, content), share=share) if name else None


def reset_convolutions(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of every convolution from N(0, 1 / fan-in) and set its bias to zero."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                scale = module.weight[0].numel() ** -0.5
                module.weight.copy_(scale * torch.randn(module.weight.shape, generator=generator))
                if module.bias is not None:
                    module.bias.zero_()

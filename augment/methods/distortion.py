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
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from augment.files.named import named_file, require_in_data_root
from augment.heavy import Tensor, nn, torch
from augment.kernels.counters import StepKeys
from augment.kernels.step_draws import chosen_share, shard_generator
from augment.lookup.parameters import AtMost
from augment.method import require_above_0, require_at_least, require_fraction
from augment.networks.weights import descend, reset_convolutions
from augment.treatment import StoredCopy, Treatment, TreatmentContext

TRAINING_BATCH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DistortionConfig:
    """Hyper-parameters that every such method has.

    Attributes:
        share: Share of the images that are distorted.
        train_steps: Training steps of the substitute network before its first use.
        lr: Adam's learning rate for the substitute.
        stored_copy: Folder in the data root with a distorted copy of the training images, shown instead of distorting them
            (`trainers.training.input.images`), or "".
        stored_copy_content: Its content hash; planning fills it in.
    """

    share: float = 0.5
    train_steps: Annotated[int, AtMost(1_000_000)] = 200
    lr: float = 2e-3
    stored_copy: str = ""
    stored_copy_content: str = ""

    def __post_init__(self) -> None:
        require_fraction(self, "share")
        require_at_least(self, train_steps=0)
        require_above_0(self, "lr")
        require_in_data_root("stored_copy", self.stored_copy)


class LearnedDistortion(Treatment):
    """A batch stage that needs its own trained network; subclasses define which, its loss, and what it does.

    Raises:
        AugmentError: If a file or folder that the configuration names is missing, changed, or of another network.
    """

    stream: ClassVar[str]
    """Name of the random numbers' stream."""

    def __init__(self, config: DistortionConfig, context: TreatmentContext) -> None:
        self._train_steps, self._lr, self._share = config.train_steps, config.lr, config.share
        if config.stored_copy:
            folder = named_file(context.data_root, config.stored_copy, config.stored_copy_content)
            self.stored_copy = StoredCopy(folder=folder, share=config.share)
        given = None if config.stored_copy else self.given_network(context)
        self._given = given.requires_grad_(False).eval() if given is not None else None
        self._networks: dict[int, nn.Module] = {}
        self._waiting: dict[int, Mapping[str, Tensor]] = {}

    @abstractmethod
    def given_network(self, context: TreatmentContext) -> nn.Module | None:
        """Return the network with third-party weights, which is never trained, or None where no weights are named."""

    @abstractmethod
    def make_network(self) -> nn.Module:
        """Return the substitute network with any weights."""

    @abstractmethod
    def training_loss(self, network: Any, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss that the substitute is trained with."""

    @abstractmethod
    def distort(self, network: Any, images: Tensor, keys: StepKeys) -> Tensor:
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
                descend(loss, network, optimiser)
        optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> Mapping[str, Any]:
        """Return every shard's substitute; given weights are files that the cell names."""
        ours = {shard: dict(network.state_dict()) for shard, network in self._networks.items()}
        return {"networks": {**self._waiting, **ours}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the networks; each moves to its device at its next batch."""
        self._networks = {}
        self._waiting = {int(shard): weights for shard, weights in state["networks"].items()}

"""Adversarial noise training: a small generator learns the noise that hurts the classifier most, and the classifier resists it.

Rusak et al., "A simple way to make neural networks robust against diverse image corruptions" (ECCV 2020), as in
bethgelab/game-of-noise. In every step the generator takes one ascent step against the classifier in evaluation mode; then half of
the batch stays clean, 30 % gets noise of the current generator and 10 % each of two earlier ones (experience replay; 50 % of the
current one in the first epoch). At every epoch the generator is stored and a new one trained from scratch.

Every logical shard has its own generator, so that results do not depend on the number of workers. The new generator is
trained on the first batch of its epoch. The very first one may start from given weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from augment.errors import AugmentError
from augment.files.named import named_file, require_in_data_root
from augment.heavy import Tensor, functional, nn, torch
from augment.kernels.counters import StepKeys, step_uniforms
from augment.kernels.step_draws import partners, shard_generator
from augment.lookup.parameters import AtMost
from augment.method import Method, require, require_above_0, require_at_least, require_fraction
from augment.networks.modes import frozen
from augment.networks.weights import Convolution, convolutions_of, descend, read_weights, reset_convolutions
from augment.treatment import Treatment, TreatmentContext

if TYPE_CHECKING:
    from augment.networks.noise_generator import NoiseGenerator

REFERENCE_VALUES: Final = 3 * 224 * 224


@dataclass(frozen=True, slots=True, kw_only=True)
class AntConfig:
    """Hyper-parameters of adversarial noise training.

    Attributes:
        epsilon: Norm of the noise on an image of 3 x 224 x 224 values; scaled with the square root of their number.
        kernel: Side of the second convolution of the generator, 1 or 3.
        hidden: Channels inside the generator.
        generator_lr: Adam's learning rate in every training step.
        retrain_lr: Adam's learning rate when a new generator is trained at the start of an epoch.
        retrain_steps: Steps of that training.
        clean_share: Share of a batch that stays clean.
        replay_share: Share of a batch for each of two earlier generators.
        generator: File in the data root with weights that the first generator starts from, or "" for random ones.
        generator_content: Its SHA-256; planning fills it in.
    """

    epsilon: float = 135.0
    kernel: int = 1
    hidden: Annotated[int, AtMost(1_024)] = 20
    generator_lr: float = 1e-4
    retrain_lr: float = 5e-4
    retrain_steps: Annotated[int, AtMost(1_000_000)] = 100
    clean_share: float = 0.5
    replay_share: float = 0.1
    generator: str = ""
    generator_content: str = ""

    def __post_init__(self) -> None:
        require_at_least(self, epsilon=0, hidden=1, retrain_steps=0, replay_share=0)
        require_above_0(self, "generator_lr", "retrain_lr")
        require_fraction(self, "clean_share")
        require(self.kernel in (1, 3), "kernel must be 1 or 3", self.kernel)
        total = self.clean_share + 2 * self.replay_share
        require(total <= 1.0, "clean_share + 2 replay_share must be at most 1", total)
        require_in_data_root("generator", self.generator)


class Player:
    """One shard's generator with its optimiser and the generators of earlier epochs.

    Attributes:
        memory: State of the generator at the end of each earlier epoch.
        epoch: Epoch that the generator was made in; -1 before the first.
    """

    def __init__(self, generator: NoiseGenerator, lr: float) -> None:
        self._lr = lr
        self.generator = generator
        self.optimiser = torch.optim.Adam(generator.parameters(), lr=lr)
        self.memory: list[dict[str, Tensor]] = []
        self.epoch = -1

    def renew(self, epoch: int, weights: torch.Generator) -> None:
        """Store the generator, if it has played, and start a new one."""
        if self.epoch >= 0:
            self.memory.append({name: value.clone() for name, value in self.generator.state_dict().items()})
        reset_convolutions(self.generator, weights, std=0.01)
        self.optimiser = torch.optim.Adam(self.generator.parameters(), lr=self._lr)
        self.epoch = epoch

    def state_dict(self) -> Mapping[str, Any]:
        """Return generator, optimiser, memory and epoch."""
        return {
            "generator": {name: value.clone() for name, value in self.generator.state_dict().items()},
            "optimiser": self.optimiser.state_dict(),
            "memory": self.memory,
            "epoch": self.epoch,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.generator.load_state_dict(state["generator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.memory = list(state["memory"])
        self.epoch = int(state["epoch"])


class Ant(Treatment):
    """ANT as a batch stage.

    Raises:
        AugmentError: If the file of a generator that the configuration names is missing, changed, or of another shape.
    """

    def __init__(self, config: AntConfig, context: TreatmentContext) -> None:
        self._config, self._channels = config, context.num_channels
        self._given = self._given_generator(context.data_root)
        self._players: dict[int, Player] = {}
        self._waiting: dict[int, Mapping[str, Any]] = {}
        self._epoch = 0

    def start_epoch(self, model: nn.Module, epoch: int) -> None:
        """Let every shard's generator be renewed at its next batch."""
        self._epoch = epoch

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Train the generator against the classifier, then noise a share of the images; targets as given."""
        if len(images) == 0:
            return images, targets
        player = self._player(keys.shard, images.device)
        epsilon = self._config.epsilon * math.sqrt(images[0].numel() / REFERENCE_VALUES)
        with frozen(model), torch.enable_grad():
            if player.epoch != self._epoch:
                is_first = player.epoch < 0
                player.renew(self._epoch, shard_generator(keys, "ant-weights"))
                if is_first and self._given is not None:
                    player.generator.load(self._given)
                if not is_first:
                    self._retrain(player, model, images, targets, epsilon, keys)
            noise = _noise_like(images, shard_generator(keys, "ant-ascent", images.device))
            _ascend(player, model, images, targets, noise, epsilon)
        with torch.no_grad():
            return self._mixture(player, images, epsilon, keys), targets

    def _retrain(
        self, player: Player, network: nn.Module, images: Tensor, targets: Tensor, epsilon: float, keys: StepKeys
    ) -> None:
        source = shard_generator(keys, "ant-retrain", images.device)
        for group in player.optimiser.param_groups:
            group["lr"] = self._config.retrain_lr
        for _ in range(self._config.retrain_steps):
            _ascend(player, network, images, targets, _noise_like(images, source), epsilon)
        for group in player.optimiser.param_groups:
            group["lr"] = self._config.generator_lr

    def _mixture(self, player: Player, images: Tensor, epsilon: float, keys: StepKeys) -> Tensor:
        noise = _noise_like(images, shard_generator(keys, "ant-noise", images.device))
        mixed = images.clone()
        order = partners(keys, len(images), stream="ant", device=images.device)
        start = round(self._config.clean_share * len(images))
        replayed = round(self._config.replay_share * len(images)) if player.memory else 0
        stop = len(images) - 2 * replayed
        mixed[order[start:stop]] = add_scaled(
            images[order[start:stop]], player.generator(noise[order[start:stop]]), epsilon
        )
        earlier = self._new_generator().to(images.device)
        for draw in step_uniforms(keys, 2, stream="ant-replay").tolist():
            rows = order[stop : stop + replayed]
            if len(rows):
                earlier.load_state_dict(player.memory[int(draw * len(player.memory))])
                mixed[rows] = add_scaled(images[rows], earlier(noise[rows]), epsilon)
            stop += replayed
        return mixed

    def _new_generator(self) -> NoiseGenerator:
        from augment.networks.noise_generator import NoiseGenerator  # its class needs the real torch

        return NoiseGenerator(self._channels, self._config.hidden, self._config.kernel)

    def _given_generator(self, data_root: Path | None) -> list[Convolution] | None:
        if not self._config.generator:
            return None
        path = named_file(data_root, self._config.generator, self._config.generator_content)
        given = convolutions_of(read_weights(path), path)
        expected = [tuple(each.shape) for each in self._new_generator().weights]
        found = [tuple(each.weight.shape) for each in given]
        if found != expected:
            raise AugmentError(
                f"{path} must contain convolutions of the shapes {expected}, but contains {found}; "
                "set kernel and hidden to fit it"
            )
        return given

    def _player(self, shard: int, device: torch.device) -> Player:
        if shard not in self._players:
            self._players[shard] = Player(self._new_generator().to(device), self._config.generator_lr)
            if shard in self._waiting:
                self._players[shard].load_state_dict(self._waiting.pop(shard))
        return self._players[shard]

    def state_dict(self) -> Mapping[str, Any]:
        """Return every shard's generators and the epoch."""
        players = {shard: player.state_dict() for shard, player in self._players.items()}
        return {"epoch": self._epoch, "players": {**self._waiting, **players}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the generators; each moves to its device at its next batch."""
        self._epoch = int(state["epoch"])
        self._players = {}
        self._waiting = {int(shard): player for shard, player in state["players"].items()}


def _noise_like(images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(images.shape, generator=generator, device=images.device)


def _ascend(player: Player, network: nn.Module, images: Tensor, targets: Tensor, noise: Tensor, epsilon: float) -> None:
    """Take one step of the generator that raises the classifier's cross-entropy."""
    noisy = add_scaled(images, player.generator(noise), epsilon)
    descend(-functional.cross_entropy(network(noisy), targets), player.generator, player.optimiser)


def add_scaled(images: Tensor, noise: Tensor, epsilon: float) -> Tensor:
    """Return clip(images + eta * noise, 0, 1) with the eta per image that makes the change's norm epsilon.

    A value saturates at eta_i = room_i / |noise_i|, so the squared norm is the saturated rooms' squares plus eta squared times
    the squares of the rest; sorting the eta_i finds the interval that contains epsilon. Where even full saturation changes less
    than epsilon, everything saturates. Gradients flow to the noise.

    Args:
        images: (N, C, H, W) float32 in [0, 1].
        noise: Same shape.
        epsilon: Euclidean norm.

    Source: Rusak et al., "A simple way to make neural networks robust against diverse image corruptions" (ECCV 2020), section 3.
    """
    eta = _scales(images.flatten(1), noise.flatten(1), epsilon).reshape(-1, 1, 1, 1)
    return (images + eta * noise).clamp(0.0, 1.0)


def _scales(images: Tensor, noise: Tensor, epsilon: float) -> Tensor:
    wide = noise.double()
    with torch.no_grad():
        room = torch.where(noise > 0, 1.0 - images, images).double()
        limits = room / wide.abs().clamp(min=1e-12)
        order = limits.argsort(dim=1)
        sorted_limits = limits.gather(1, order)
        squares, rooms = wide.gather(1, order) ** 2, room.gather(1, order) ** 2
        saturated = rooms.cumsum(1)  # squares of rooms up to and with i
        rest = squares.sum(1, keepdim=True) - squares.cumsum(1)  # of noise after i
        reached = saturated + sorted_limits**2 * rest >= epsilon**2
        first = torch.where(reached.any(1), reached.int().argmax(1), reached.shape[1] - 1)
        free = limits >= sorted_limits.gather(1, first[:, None])
        left = epsilon**2 - torch.where(free, 0.0, room**2).sum(1)
    energy = (wide**2 * free).sum(1).clamp(min=1e-24)
    eta = torch.sqrt(left.clamp(min=0.0) / energy)
    full = sorted_limits[:, -1] + 1.0
    return torch.where(reached.any(1), eta, full).to(noise.dtype)


METHOD: Final = Method(
    name="ant",
    title="ANT",
    semantics=1,
    config=AntConfig,
    stages=frozenset({"batch"}),
    build=Ant,
    defaults={"imagenet": {"retrain_steps": 1000}},
    passes=3.0,
    what="Add noise to half of every batch, from a small generator that is trained against the network.",
    source="Rusak et al., A simple way to make neural networks robust (ECCV 2020); bethgelab/game-of-noise",
    unstated="the noise generator of ANT",
    note="1 x 1 generator (the table's is unpublished); a new generator is trained on one batch, not on the whole set. "
    "Third-party weights: `generator` names a file with the weights of the first generator; without it, they are random.",
    files={"generator": "generator_content"},
)

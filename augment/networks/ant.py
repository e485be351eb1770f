"""Adversarial noise training: a small generator learns the noise that hurts the classifier most, and the classifier resists it.

Rusak et al., "A simple way to make neural networks robust against diverse image corruptions" (ECCV 2020), as in
bethgelab/game-of-noise. In every step the generator takes one ascent step against the classifier in evaluation mode; then half of
the batch stays clean, 30 % gets noise of the current generator and 10 % each of two earlier ones (experience replay; 50 % of the
current one in the first epoch). At every epoch the generator is stored and a new one trained from scratch.

Every logical shard has a generator of its own, so that results do not depend on the number of workers. The new generator is
trained on the first batch of its epoch. The very first one may start from given weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from augment.errors import AugmentError
from augment.feature_visualisation.layers import frozen
from augment.kernels.batch_draws import partners
from augment.kernels.counters import StepKeys, step_uniforms
from augment.kernels.shard_random import shard_generator
from augment.methods.adversarial import bare
from augment.methods.method_files import named_file
from augment.networks.ant_noise import NoiseGenerator, add_scaled
from augment.networks.configs import AntConfig
from augment.networks.weight_files import Convolution, convolutions_of, read_weights
from augment.treatment import Treatment, TreatmentContext

if TYPE_CHECKING:
    from torch import Tensor, nn

REFERENCE_VALUES = 3 * 224 * 224


class Player:
    """One shard's generator with its optimiser and the generators of earlier epochs.

    Attributes:
        memory: State of the generator at the end of each earlier epoch.
        epoch: Epoch that the generator was made in; -1 before the first.
    """

    def __init__(self, config: AntConfig, channels: int, device: torch.device) -> None:
        self._config = config
        self.generator = NoiseGenerator(channels, config.hidden, config.kernel).to(device)
        self.optimiser = torch.optim.Adam(self.generator.parameters(), lr=config.generator_lr)
        self.memory: list[dict[str, Tensor]] = []
        self.epoch = -1

    def renew(self, epoch: int, weights: torch.Generator) -> None:
        """Store the generator, if it has played, and start a new one."""
        if self.epoch >= 0:
            self.memory.append({name: value.clone() for name, value in self.generator.state_dict().items()})
        self.generator.reset(weights)
        self.optimiser = torch.optim.Adam(self.generator.parameters(), lr=self._config.generator_lr)
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
        self._given = _given_generator(config, context)
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
        network = bare(model)
        epsilon = self._config.epsilon * math.sqrt(images[0].numel() / REFERENCE_VALUES)
        with frozen(network), torch.enable_grad():
            if player.epoch != self._epoch:
                is_first = player.epoch < 0
                player.renew(self._epoch, shard_generator(keys, "ant-weights"))
                if is_first and self._given is not None:
                    player.generator.load(self._given)
                if not is_first:
                    self._retrain(player, network, images, targets, epsilon, keys)
            noise = _noise_like(images, shard_generator(keys, "ant-ascent", images.device))
            _ascend(player, network, images, targets, noise, epsilon)
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
        earlier = NoiseGenerator(self._channels, self._config.hidden, self._config.kernel).to(images.device)
        for draw in step_uniforms(keys, 2, stream="ant-replay").tolist():
            rows = order[stop : stop + replayed]
            if len(rows):
                earlier.load_state_dict(player.memory[int(draw * len(player.memory))])
                mixed[rows] = add_scaled(images[rows], earlier(noise[rows]), epsilon)
            stop += replayed
        return mixed

    def _player(self, shard: int, device: torch.device) -> Player:
        if shard not in self._players:
            self._players[shard] = Player(self._config, self._channels, device)
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


def _given_generator(config: AntConfig, context: TreatmentContext) -> list[Convolution] | None:
    if not config.generator:
        return None
    path = named_file(context.data_root, config.generator, config.generator_content)
    given = convolutions_of(read_weights(path), path)
    wanted = [tuple(each.shape) for each in NoiseGenerator(context.num_channels, config.hidden, config.kernel).weights]
    found = [tuple(each.weight.shape) for each in given]
    if found != wanted:
        raise AugmentError(
            f"{path} must hold convolutions of the shapes {wanted}, but holds {found}; set kernel and hidden to fit it"
        )
    return given


def _noise_like(images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(images.shape, generator=generator, device=images.device)


def _ascend(player: Player, network: nn.Module, images: Tensor, targets: Tensor, noise: Tensor, epsilon: float) -> None:
    """Take one step of the generator that raises the classifier's cross-entropy."""
    noisy = add_scaled(images, player.generator(noise), epsilon)
    loss = -functional.cross_entropy(network(noisy), targets)
    parameters = list(player.generator.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    player.optimiser.step()

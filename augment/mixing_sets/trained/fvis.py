"""Feature visualisations of trained networks: the mixing sets "fvis" and "resnet-fvis".

The networks are named by the train keys of trained cells, which the caller's provider loads; "random:SEED" names a small
untrained residual network, whose visualisations need no training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment.feature_visualisation.layers import visual_layers
from augment.feature_visualisation.visualise import FvisConfig, Unit, all_units, visualise
from augment.heavy import nn
from augment.kernels.counters import SampleKeys, permutation
from augment.lookup.parameters import AtMost
from augment.mixing_sets.contract import MixingSet, MixingSetError, SetRequest
from augment.mixing_sets.images import to_channels

LEAST_LAYERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FvisSetConfig:
    """Which networks and layers are visualised, and how.

    Attributes:
        parents: Train keys of the networks, or "random:SEED"; images take turns between them.
        depth_share: Share of the layers, from the input, whose channels are visualised; two of them at least, since a first
            convolution alone shows little more than stripes.
        steps: Steps of optimisation per image.
        lr: Learning rate of Adam.
        batch: Images optimised together.
    """

    parents: tuple[str, ...] = ()
    depth_share: float = 1 / 3
    steps: Annotated[int, AtMost(100_000)] = 512
    lr: float = 0.05
    batch: Annotated[int, AtMost(4_096)] = 64

    def __post_init__(self) -> None:
        if not 0 < self.depth_share <= 1:
            raise ValueError(f"depth_share must be in (0, 1], but got {self.depth_share}")
        if self.steps < 1 or self.lr <= 0 or self.batch < 1:
            raise ValueError(
                f"steps and batch must be at least 1 and lr above 0, but got {self.steps}, {self.batch}, {self.lr}"
            )


T = TypeVar("T")


def choose_units(units: Sequence[T], number: int, seed: int) -> tuple[T, ...]:
    """Return what an image shows: every unit once in a random order, then random pairs."""
    order = permutation(seed, number // len(units), len(units), stream="fvis/units")
    unit = units[order[number % len(units)]]
    if number < len(units):
        return (unit,)
    return (unit, units[order[(number + 1) % len(units)]])


class FvisSource:
    """Visualises units block by block: the images of a block are optimised together, whatever part of it is asked for."""

    is_threaded = False

    def __init__(self, config: FvisSetConfig, request: SetRequest) -> None:
        if not config.parents:
            raise MixingSetError(
                "feature visualisations need at least one network, but parents is empty; name trained cells by their train"
                " keys, or set parents=[random:0] for an untrained network"
            )
        self._config, self._request = config, request
        self.chunk = config.batch

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        size, channels = self._request.image_size, self._request.num_channels
        images = np.empty((len(indices), size, size, channels), np.uint8)
        for block in np.unique(indices // self.chunk):
            inside = np.flatnonzero(indices // self.chunk == block)
            images[inside] = self._block(int(block))[indices[inside] - block * self.chunk]
        return images

    def _block(self, block: int) -> NDArray[np.uint8]:
        first = block * self.chunk
        indices = np.arange(first, max(first + 1, min(first + self.chunk, self._request.num_images)), dtype=np.int64)
        size = self._request.image_size
        rgb = np.empty((len(indices), size, size, 3), np.uint8)
        for number, (network, units) in enumerate(self._networks):
            mine = np.flatnonzero(indices % len(self._networks) == number)
            if len(mine):
                rgb[mine] = self._visualise(network, units, indices[mine])
        return to_channels(rgb, self._request.num_channels)

    def _visualise(self, network: nn.Module, units: tuple[Unit, ...], indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        config = FvisConfig(steps=self._config.steps, lr=self._config.lr)
        seed, networks = self._request.seed, len(self._networks)
        chosen = [choose_units(units, int(index) // networks, seed) for index in indices]
        keys = SampleKeys(self._request.seed, 0, indices)
        return visualise(network, chosen, keys, side=self._request.image_size, config=config)

    @cached_property
    def _networks(self) -> list[tuple[nn.Module, tuple[Unit, ...]]]:
        found = []
        for parent in self._config.parents:
            network = self._network(parent)
            layers = visual_layers(network, self._request.image_size)
            kept = layers[: max(LEAST_LAYERS, round(self._config.depth_share * len(layers)))]
            found.append((network, all_units(kept)))
        return found

    def _network(self, parent: str) -> nn.Module:
        kind, _, number = parent.partition(":")
        if kind == "random" and number.isdigit():
            from augment.feature_visualisation.untrained import untrained_network  # derives from torch.nn.Module

            return untrained_network(int(number), self._request.num_channels)
        if self._request.models is None:
            raise MixingSetError(
                f"the network {parent[:12]!r} cannot be loaded here: no provider of trained networks was given"
            )
        network: nn.Module = self._request.models(parent)
        return network


FVIS: Final = MixingSet(
    name="fvis",
    title="FVis",
    semantics=2,
    config=FvisSetConfig,
    origin="trained",
    num_images=4_700,
    build=FvisSource,
    what="Feature visualisations of the first layers of trained networks, one channel each.",
    source="replaces the OpenAI Microscope images of the PixMix paper; engine as tensorflow/lucid, channel objective",
    unstated="networks and layers of the feature visualisations",
)

RESNET_FVIS: Final = MixingSet(
    name="resnet-fvis",
    title="ResNet only FVis",
    semantics=2,
    config=FvisSetConfig,
    origin="trained",
    num_images=4_700,
    build=FvisSource,
    what="Feature visualisations of the first layers of one residual network trained on the same dataset.",
    source="PixMix paper, supplement table 6; engine as tensorflow/lucid, channel objective",
    unstated="number of the feature visualisations",
)

"""PixMix, iterative: the mixing pictures are feature visualisations of the network that is being trained.

The paper (strategy "Iterative" of its first ablation table) says that visualisations are computed at each iteration and that
this is substantially slower; steps, layers and resolution are unpublished. Here: at every `refresh_every`-th step, before the
forward pass, `pictures` new visualisations of the network in evaluation mode go into a ring buffer; mixing happens in the batch
stage, with pictures drawn from the buffer. The buffer is part of the checkpoint, so a resumed job mixes the same pictures.

Pictures come from the sample stage unchanged, as whole 255ths, and are mixed by the kernel of `augment.pixmix` on the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from augment.configs import IterativeConfig
from augment.counters import SampleKeys, StepKeys, uniforms
from augment.pixmix import apply_pixmix, draw_pixmix
from augment.treatment import Treatment, TreatmentContext
from augment.warm import warm

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

KERNELS: Final = ("augment.counters", "augment.pixmix_kernel")
MAX_SHARD: Final = 2**20
"""Pictures of one shard, at most: places in a step are shard * MAX_SHARD + row."""


class Visualiser(Protocol):
    """Makes feature visualisations of a network, which it leaves as it was; a pure function of its arguments."""

    def __call__(self, model: nn.Module, keys: SampleKeys, *, side: int, steps: int) -> NDArray[np.uint8]:
        """Return one picture for each of the keys, (N, side, side, C) uint8, after so many optimiser steps."""


def visualise_any_channel(model: nn.Module, keys: SampleKeys, *, side: int, steps: int) -> NDArray[np.uint8]:
    """Visualise, for each picture, a random channel of a random layer (the first convolution or a block's output)."""
    from augment.adversarial import bare
    from augment.fvis import FvisConfig, Unit, visualise
    from augment.fvis_layers import visual_layers

    network = bare(model)
    layers = visual_layers(network, side)
    draws = uniforms(keys, 2, stream="pixmix-iterative").tolist()
    chosen = [(layers[int(which * len(layers))], channel) for which, channel in draws]
    units = [[Unit(layer.name, int(channel * layer.num_channels))] for layer, channel in chosen]
    return visualise(network, units, keys, side=side, config=FvisConfig(steps=steps), stream="pixmix-iterative")


class PixMixIterative(Treatment):
    """Iterative PixMix as a batch stage with a buffer."""

    def __init__(
        self, config: IterativeConfig, context: TreatmentContext, *, visualise: Visualiser = visualise_any_channel
    ) -> None:
        self._config = config
        self._visualise = visualise
        size, channels = context.image_size, context.num_channels
        self._buffer = np.zeros((config.buffer_size, size, size, channels), dtype=np.uint8)
        self._num_made = 0
        self._next_refresh = 0
        warm(KERNELS)

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Refresh the buffer when it is due, then mix: (N, C, H, W) float32 in [0, 1], targets as given."""
        import torch

        if keys.step >= self._next_refresh:
            self._refresh(model, keys)
        pixels = (images.detach().clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        mixed = self._mix(pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy(), keys)
        return torch.from_numpy(mixed).permute(0, 3, 1, 2).contiguous().to(images.device), targets

    def _mix(self, images: NDArray[np.uint8], keys: StepKeys) -> NDArray[np.float32]:
        places = keys.shard * MAX_SHARD + np.arange(len(images), dtype=np.int64)
        pictures = self._buffer[: min(self._num_made, len(self._buffer))]
        draw = draw_pixmix(
            self._config.mixing,
            SampleKeys(keys.seed, keys.step, places),
            image_shape=(images.shape[1], images.shape[2]),
            pictures_shape=(len(pictures), pictures.shape[1], pictures.shape[2]),
        )
        return apply_pixmix(images, pictures, draw)

    def _refresh(self, model: nn.Module, keys: StepKeys) -> None:
        config = self._config
        pictures = SampleKeys(keys.seed, keys.step, np.arange(config.pictures, dtype=np.int64))
        made = self._visualise(model, pictures, side=self._buffer.shape[1], steps=config.ascent_steps)
        rows = (self._num_made + np.arange(len(made))) % len(self._buffer)
        self._buffer[rows] = made
        self._num_made += len(made)
        self._next_refresh = keys.step + config.refresh_every

    def state_dict(self) -> Mapping[str, Any]:
        """Return the buffer and its place in time."""
        import torch

        return {
            "buffer": torch.from_numpy(self._buffer.copy()),
            "num_made": self._num_made,
            "next_refresh": self._next_refresh,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the buffer."""
        self._buffer[...] = state["buffer"].numpy()
        self._num_made, self._next_refresh = state["num_made"], state["next_refresh"]

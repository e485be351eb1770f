"""PixMix, iterative: the mixing images are feature visualisations of the network that is being trained.

The paper (strategy "Iterative" of its first ablation table) says that visualisations are computed at each iteration and that
this is substantially slower; steps, layers and resolution are unpublished. Here: at every `refresh_every`-th step, before the
forward pass, `images` new visualisations of the network in evaluation mode go into a ring buffer; mixing happens in the batch
stage, with images drawn from the buffer. The buffer is part of the checkpoint, so a resumed job mixes the same images.

Images come from the sample stage unchanged, as whole 255ths, and are mixed by the kernel of `augment.methods.pixmix.pixmix`
on the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from augment.feature_visualisation.layers import visual_layers
from augment.feature_visualisation.visualise import FvisConfig, Unit, visualise
from augment.heavy import Tensor, nn, torch
from augment.kernels.counters import SampleKeys, StepKeys, uniforms
from augment.lookup.parameters import AtMost
from augment.method import Method, require_at_least
from augment.methods.pixmix.kernel import WARM_UP
from augment.methods.pixmix.pixmix import SOURCE, PixMixConfig, apply_pixmix, draw_pixmix, rounded
from augment.treatment import Treatment, TreatmentContext

MAX_SHARD: Final = 2**20
"""Images of one shard, at most: places in a step are shard * MAX_SHARD + row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IterativeConfig(PixMixConfig):
    """Hyper-parameters of iterative PixMix: those of PixMix itself, and of its visualisations.

    Attributes:
        images: Feature visualisations made at once (M).
        ascent_steps: Optimiser steps for each of them (T); 0 leaves their random start.
        refresh_every: Training steps from one refresh to the next; 1 visualises at every step.
        buffer_size: Images kept, the oldest are overwritten (B).
    """

    images: Annotated[int, AtMost(4_096)] = 64
    ascent_steps: Annotated[int, AtMost(100_000)] = 32
    refresh_every: int = 20
    buffer_size: Annotated[int, AtMost(1_000_000)] = 2048

    def __post_init__(self) -> None:
        PixMixConfig.__post_init__(self)  # super() fails in classes with slots
        require_at_least(self, images=1, ascent_steps=0, refresh_every=1, buffer_size=self.images)


class Visualiser(Protocol):
    """Makes feature visualisations of a network, which it leaves as it was; a pure function of its arguments."""

    def __call__(self, model: nn.Module, keys: SampleKeys, *, side: int, steps: int) -> NDArray[np.uint8]:
        """Return one image for each of the keys, (N, side, side, C) uint8, after so many optimiser steps."""


def visualise_any_channel(model: nn.Module, keys: SampleKeys, *, side: int, steps: int) -> NDArray[np.uint8]:
    """Visualise, for each image, a random channel of a random layer (the first convolution or a block's output)."""
    layers = visual_layers(model, side)
    draws = uniforms(keys, 2, stream="pixmix-iterative").tolist()
    chosen = [(layers[int(which * len(layers))], channel) for which, channel in draws]
    units = [[Unit(layer.name, int(channel * layer.num_channels))] for layer, channel in chosen]
    return visualise(model, units, keys, side=side, config=FvisConfig(steps=steps), stream="pixmix-iterative")


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

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Refresh the buffer when it is due, then mix: (N, C, H, W) float32 in [0, 1], targets as given."""
        if keys.step >= self._next_refresh:
            self._refresh(model, keys)
        pixels = (images.detach().clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        mixed = self._mix(pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy(), keys)
        return torch.from_numpy(mixed).permute(0, 3, 1, 2).contiguous().to(images.device), targets

    def _mix(self, images: NDArray[np.uint8], keys: StepKeys) -> NDArray[np.float32]:
        places = keys.shard * MAX_SHARD + np.arange(len(images), dtype=np.int64)
        mixing_images = self._buffer[: min(self._num_made, len(self._buffer))]
        draw = draw_pixmix(
            self._config,
            SampleKeys(keys.seed, keys.step, places),
            image_shape=(images.shape[1], images.shape[2]),
            mixing_shape=(len(mixing_images), mixing_images.shape[1], mixing_images.shape[2]),
        )
        mixed = apply_pixmix(images, mixing_images, draw)
        return mixed if self._config.rounding == "none" else rounded(mixed).astype(np.float32) / np.float32(255.0)

    def _refresh(self, model: nn.Module, keys: StepKeys) -> None:
        config = self._config
        mixing_images = SampleKeys(keys.seed, keys.step, np.arange(config.images, dtype=np.int64))
        made = self._visualise(model, mixing_images, side=self._buffer.shape[1], steps=config.ascent_steps)
        rows = (self._num_made + np.arange(len(made))) % len(self._buffer)
        self._buffer[rows] = made
        self._num_made += len(made)
        self._next_refresh = keys.step + config.refresh_every

    def state_dict(self) -> Mapping[str, Any]:
        """Return the buffer and its place in time."""
        return {
            "buffer": torch.from_numpy(self._buffer.copy()),
            "num_made": self._num_made,
            "next_refresh": self._next_refresh,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the buffer."""
        self._buffer[...] = state["buffer"].numpy()
        self._num_made, self._next_refresh = state["num_made"], state["next_refresh"]


METHOD: Final = Method(
    name="pixmix-iterative",
    title="PixMix (Iterative)",
    semantics=2,
    config=IterativeConfig,
    stages=frozenset({"batch"}),
    build=PixMixIterative,
    kernels=WARM_UP,
    what="PixMix whose mixing images are feature visualisations of the network being trained.",
    source=SOURCE,
    unstated="layers, steps and buffer of Iterative",
    note="Number, steps and layers of the visualisations are unpublished; 64 new ones every 20 steps into a buffer of 2,048.",
)

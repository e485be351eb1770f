"""EDSR: images redrawn by a super-resolution network whose weights and features were damaged.

Hendrycks et al., "The Many Faces of Robustness" (ICCV 2021), DeepAugment, as in hendrycks/imagenet-r,
DeepAugment/EDSR_distort_imagenet.py: three weight edits of 17 kinds, one edit of the features behind the head and one inside the
body, drawn anew for every twentieth image. The network is the published one where its weights are given
(`augment.networks.edsr.published`), and then only convolutions of its blocks are edited; else a substitute trained on the
images at hand (`augment.networks.learned`). Each edit takes one convolution at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from augment.kernels.counters import StepKeys
from augment.kernels.shard_random import shard_generator
from augment.methods.method_files import named_file
from augment.networks.configs import EdsrConfig
from augment.networks.edsr.edits import WEIGHT_EDITS, body_edit, head_edit
from augment.networks.edsr.network import Upsampler
from augment.networks.edsr.published import PublishedEdsr, published_edsr
from augment.networks.learned import LearnedDistortion, stored_copy_of
from augment.treatment import TreatmentContext

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGES_PER_DAMAGE: Final = 20


class Edsr(LearnedDistortion):
    """EDSR as a batch stage.

    Raises:
        AugmentError: If a file that the configuration names is missing, changed, or of another network.
    """

    stream = "edsr"

    def __init__(self, config: EdsrConfig, context: TreatmentContext) -> None:
        super().__init__(
            share=config.share,
            train_steps=config.train_steps,
            lr=config.lr,
            given=_given_network(config, context),
            stored_copy=stored_copy_of(context, config.stored_copy, config.stored_copy_content, config.share),
        )
        self._config, self._channels = config, context.num_channels

    def make_network(self) -> nn.Module:
        """Return the upsampler."""
        return Upsampler(self._channels, self._config.hidden, self._config.num_blocks)

    def training_loss(self, network: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean absolute error of the redrawn images."""
        return functional.l1_loss(network(images), images)

    def distort(self, network: nn.Module, images: Tensor, keys: StepKeys) -> Tensor:
        """Redraw images by damaged copies of the network."""
        generator = shard_generator(keys, "edsr-damage")
        parts = torch.split(images, IMAGES_PER_DAMAGE)
        return torch.cat([self._redraw(network, part, generator) for part in parts])

    def _redraw(self, network: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        weights = damaged_weights(network, self._config.num_edits, generator)
        kinds = torch.rand(2, generator=generator)
        hidden = network.hidden if isinstance(network, PublishedEdsr) else self._config.hidden
        edits = (head_edit(int(kinds[0] * 4), hidden, generator), body_edit(int(kinds[1] * 6)))
        redrawn: Tensor = torch.func.functional_call(network, weights, (images, *edits))
        return redrawn


def _given_network(config: EdsrConfig, context: TreatmentContext) -> PublishedEdsr | None:
    if not config.weights or config.stored_copy:
        return None
    return published_edsr(named_file(context.data_root, config.weights, config.weights_content), context.num_channels)


def damaged_weights(network: nn.Module, num_edits: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a network's parameters with so many edits, drawn with replacement, each of one 3 x 3 convolution."""
    weights = {name: value.detach() for name, value in network.named_parameters()}
    kernels = [name for name, value in weights.items() if value.ndim == 4]
    if isinstance(network, PublishedEdsr):
        kernels = [name for name in kernels if ".body." in name]
    edits = list(WEIGHT_EDITS.values())
    for _ in range(num_edits):
        which, kind = torch.rand(2, generator=generator).tolist()
        name = kernels[int(which * len(kernels))]
        edited = edits[int(kind * len(edits))](weights[name].cpu(), generator)
        weights[name] = edited.to(weights[name].device)
    return weights

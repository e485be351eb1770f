"""SIN: images redrawn in the style of others by adaptive instance normalisation.

Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (ICLR 2019), with the AdaIN of Huang and Belongie (ICCV 2017):
the content's features take the mean and standard deviation, channel by channel, of the style's features; the decoder draws the
result. The published styles are 79,395 paintings; here the styles are the images of the mixing set, which may be a folder of
paintings. Encoder and decoder are the published ones where their weights are given (`augment.networks.style.network`), else
substitutes trained on the images at hand (`augment.networks.learned`). Where a stylised copy of the training set is given, it
is shown instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from augment.errors import AugmentError
from augment.kernels.counters import StepKeys, step_uniforms
from augment.methods.method_files import named_file
from augment.networks.configs import SinConfig
from augment.networks.learned import LearnedDistortion, stored_copy_of
from augment.networks.style.network import PublishedStyleNetwork, style_network
from augment.treatment import TreatmentContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EPSILON: Final = 1e-5


def adaptive_instance_norm(content: Tensor, style: Tensor) -> Tensor:
    """Return content features with the style's mean and standard deviation per image and channel.

    Args:
        content: (N, F, H, W) float32.
        style: (N, F, H', W') float32. Variances are of the sample (n - 1) plus 1e-5, as published.
    """
    content_mean, content_std = _moments(content)
    style_mean, style_std = _moments(style)
    return (content - content_mean) / content_std * style_std + style_mean


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    flat = features.flatten(2)
    variance = flat.var(dim=2, unbiased=flat.shape[2] > 1) + EPSILON
    return flat.mean(2)[:, :, None, None], variance.sqrt()[:, :, None, None]


class StyleNetwork(nn.Module):
    """An encoder to half the resolution and a decoder back."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 2 * hidden, 3, padding=1), nn.ReLU(),
            nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(2 * hidden, 4 * hidden, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(4 * hidden, 2 * hidden, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(2 * hidden, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, channels, 3, padding=1),
        )  # fmt: skip

    def encode(self, images: Tensor) -> Tensor:
        """Return features, (N, C, H, W) in [0, 1] -> (N, 4 hidden, H / 2, W / 2)."""
        features: Tensor = self.encoder(2.0 * images - 1.0)
        return features

    def decode(self, features: Tensor, height: int, width: int) -> Tensor:
        """Return images of a height and width, range open."""
        drawn: Tensor = self.decoder(features)[:, :, :height, :width]
        return 0.5 * (drawn + 1.0)


class Sin(LearnedDistortion):
    """SIN as a batch stage.

    Raises:
        AugmentError: If there are no styles and no stylised copy, or a file that the configuration names is missing or unfit.
    """

    stream = "sin"

    def __init__(self, config: SinConfig, context: TreatmentContext) -> None:
        stored_copy = stored_copy_of(context, config.stored_copy, config.stored_copy_content, config.share)
        super().__init__(
            share=config.share,
            train_steps=config.train_steps,
            lr=config.lr,
            given=None if stored_copy else _given_network(config, context),
            stored_copy=stored_copy,
        )
        if stored_copy is None and (context.mixing_set is None or len(context.mixing_set) == 0):
            raise AugmentError(
                "SIN needs images whose style it takes, but there is no mixing set; name one with mixing_set, or a stylised "
                "copy of the training images with stored_copy"
            )
        self._config, self._channels = config, context.num_channels
        self._styles: NDArray[np.uint8] | None = context.mixing_set

    def make_network(self) -> nn.Module:
        """Return encoder and decoder."""
        return StyleNetwork(self._channels, self._config.hidden)

    def training_loss(self, network: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return how badly images are redrawn, plus how far stylised images miss the features they were drawn from."""
        assert isinstance(network, StyleNetwork)
        height, width = images.shape[2:]
        features = network.encode(images)
        redrawn = functional.mse_loss(network.decode(features, height, width), images)
        styles = self._style_images(torch.rand(len(images), generator=generator), images)
        wanted = adaptive_instance_norm(features, network.encode(styles)).detach()
        stylised = network.encode(network.decode(wanted, height, width).clamp(0.0, 1.0))
        return redrawn + 0.1 * functional.mse_loss(stylised, wanted) / wanted.var().clamp(min=EPSILON)

    def distort(self, network: nn.Module, images: Tensor, keys: StepKeys) -> Tensor:
        """Redraw images, each in the style of one random image of the mixing set."""
        assert isinstance(network, StyleNetwork | PublishedStyleNetwork)
        draws = torch.from_numpy(step_uniforms(keys, len(images), stream="sin-styles"))
        content = network.encode(images)
        style = network.encode(self._style_images(draws, images))
        wanted = self._config.alpha * adaptive_instance_norm(content, style) + (1.0 - self._config.alpha) * content
        return network.decode(wanted, *images.shape[2:])

    def _style_images(self, draws: Tensor, images: Tensor) -> Tensor:
        assert self._styles is not None
        rows = (draws.double() * len(self._styles)).long().tolist()
        height, width = images.shape[2:]
        chosen = torch.from_numpy(self._styles[rows][:, :height, :width])
        return chosen.permute(0, 3, 1, 2).float().div(255.0).to(images.device)


def _given_network(config: SinConfig, context: TreatmentContext) -> PublishedStyleNetwork | None:
    if not config.encoder:
        return None
    encoder = named_file(context.data_root, config.encoder, config.encoder_content)
    decoder = named_file(context.data_root, config.decoder, config.decoder_content)
    return style_network(encoder, decoder, context.num_channels)

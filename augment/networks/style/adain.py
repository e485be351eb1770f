"""Adaptive instance normalisation, and the loss that an encoder and a decoder of style transfer are trained with.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization" (ICCV 2017).
"""

from __future__ import annotations

from typing import Final, Protocol

from augment.heavy import Tensor, functional

EPSILON: Final = 1e-5


class StyleTransfer(Protocol):
    """An encoder and its decoder."""

    def encode(self, images: Tensor) -> Tensor:
        """Return features of images, (N, C, H, W) in [0, 1] -> (N, F, H', W')."""

    def decode(self, features: Tensor, height: int, width: int) -> Tensor:
        """Return images of a height and width, range open."""


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


def style_loss(network: StyleTransfer, images: Tensor, styles: Tensor) -> Tensor:
    """Return how badly images are redrawn, plus how far stylised images miss the features that they were drawn from.

    The second term is relative to the variance of those features. Images and styles: (N, C, H, W) in [0, 1].
    """
    height, width = images.shape[2:]
    features = network.encode(images)
    redrawn = functional.mse_loss(network.decode(features, height, width), images)
    target = adaptive_instance_norm(features, network.encode(styles)).detach()
    stylised = network.encode(network.decode(target, height, width).clamp(0.0, 1.0))
    return redrawn + 0.1 * functional.mse_loss(stylised, target) / target.var().clamp(min=EPSILON)

"""Damage to an image-to-image network: edits of a convolution's weights, and of features on their way.

The kinds are those of hendrycks/imagenet-r, DeepAugment/EDSR_distort_imagenet.py; amounts that are unpublished are chosen here.
An edit is a pure function of (weights, generator): (out, in, K, K) float32 -> the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

WeightEdit = Callable[[Tensor, torch.Generator], Tensor]


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator)


def _signs(weights: Tensor, generator: torch.Generator) -> Tensor:
    return torch.where(_uniform(tuple(weights.shape), generator) < 0.5, -1.0, 1.0)


def _masked(weights: Tensor, rows: list[list[float]]) -> Tensor:
    return weights * torch.tensor(rows) if weights.shape[-1] == 3 else weights


def _convolved(weights: Tensor, kernel: Tensor) -> Tensor:
    flat = weights.reshape(-1, 1, *weights.shape[2:])
    return functional.conv2d(flat, kernel[None, None], padding=kernel.shape[-1] // 2).reshape(weights.shape)


def _shift(weights: Tensor, generator: torch.Generator) -> Tensor:
    kernel = torch.zeros(9)
    kernel[int(_uniform((1,), generator) * 9)] = 1.0
    return _convolved(weights, kernel.reshape(3, 3))


def _noise_kernel(weights: Tensor, generator: torch.Generator) -> Tensor:
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1.0
    return _convolved(weights, kernel + 0.25 * torch.randn((3, 3), generator=generator))


def _dirichlet_kernel(weights: Tensor, generator: torch.Generator) -> Tensor:
    draws = -torch.log(1.0 - _uniform((9,), generator))  # exponential draws over their sum: Dirichlet(1, ..., 1)
    return _convolved(weights, (draws / draws.sum()).reshape(3, 3))


def _max_tap(weights: Tensor, generator: torch.Generator) -> Tensor:
    flat = weights.flatten(2)
    best = flat.abs().argmax(dim=2, keepdim=True)
    return torch.zeros_like(flat).scatter(2, best, flat.gather(2, best)).reshape(weights.shape)


def _negate_filters(weights: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(weights), generator=generator)[: max(1, min(32, len(weights) // 2))]
    out = weights.clone()
    out[chosen] = -out[chosen]
    return out


WEIGHT_EDITS: Final[dict[str, WeightEdit]] = {
    "flip": lambda w, g: w.flip(-1),
    "negate": lambda w, g: -w,
    "zero": lambda w, g: torch.zeros_like(w),
    "negative-gelu": lambda w, g: -functional.gelu(w),
    "laplacian": lambda w, g: _masked(w, [[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]]),
    "centre-surround": lambda w, g: _masked(w, [[-1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]]),
    "gain": lambda w, g: w * (0.5 + 1.5 * _uniform((len(w), 1, 1, 1), g)),
    "flip-negate": lambda w, g: -w.flip(-1, -2),
    "shift": _shift,
    "noise-kernel": _noise_kernel,
    "dirichlet-kernel": _dirichlet_kernel,
    "noise": lambda w, g: w + 0.5 * w.std() * torch.randn(w.shape, generator=g),
    "rotate": lambda w, g: torch.rot90(w, 1 + int(_uniform((1,), g) * 3), (-2, -1)),
    "signs": lambda w, g: w * _signs(w, g),
    "dropout": lambda w, g: w * (_uniform(tuple(w.shape), g) < 0.5),
    "negate-filters": _negate_filters,
    "max-tap": _max_tap,
}
"""The 17 edits of a convolution's weights."""


def head_edit(kind: int, hidden: int, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Return an edit behind the first convolution: 0 swaps five pairs of channels, 1 drops 5 %, 2 flips 2.5 %, 3 none."""
    if kind == 0:
        order = torch.arange(hidden)
        pairs = torch.randperm(hidden, generator=generator)[: 2 * min(5, hidden // 2)]
        order[pairs[0::2]], order[pairs[1::2]] = pairs[1::2].clone(), pairs[0::2].clone()
        return lambda features: features[:, order.to(features.device)]
    draws = _uniform((1, hidden, 1, 1), generator)
    if kind == 1:
        return lambda features: features * (draws >= 0.05).to(features.device)
    if kind == 2:
        return lambda features: features * torch.where(draws < 0.025, -1.0, 1.0).to(features.device)
    return lambda features: features


def body_edit(kind: int) -> Callable[[Tensor], Tensor]:
    """Return an edit behind the middle block: 0 negates, 1 ReLU, 2 GELU, 3 mirrors, 4 drops the blocks so far, 5 none."""
    edits: tuple[Callable[[Tensor], Tensor], ...] = (
        torch.neg, torch.relu, functional.gelu, lambda features: features.flip(-1), torch.zeros_like, lambda features: features,
    )  # fmt: skip
    return edits[kind]

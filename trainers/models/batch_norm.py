"""Batch norm whose sums stay exact where images are stored channels last on the CPU.

torch's kernel for that layout adds up each channel value by value in float32, so that the error of a sum grows with the number
of values: at 128 x 32 x 32 of them, mean and gradients are off by 1e-5 of their size where the contiguous layout is off by
1e-7 (`docs/explanations/memory-layout.md`). Here the sums are those of `Tensor.sum`, which adds up in a cascade. Evaluation mode,
other devices, other layouts and compiled networks run torch's own batch norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_VALUES_AT_ONCE: Final = 1 << 17
"""Values whose products are held at once: they stay in the caches of a core."""


class CascadeBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` with exact sums in training on channels-last images; the same parameters, buffers and state."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W) by the batch in training mode, by the running statistics in evaluation mode."""
        if not self._adds_up(input):
            return super().forward(input)
        normalised, mean, variance = _Normalise.apply(input, self.weight, self.bias, self.eps)
        if self.track_running_stats:
            self._follow(mean, variance, input.numel() // input.shape[1])
        return normalised  # type: ignore[no-any-return]

    def _adds_up(self, images: Tensor) -> bool:
        """Return whether torch's kernel would add up value by value."""
        return (
            self.training
            and self.affine
            and self.momentum is not None
            and images.device.type == "cpu"
            and images.dtype == self.weight.dtype == torch.float32
            and images.dim() == 4
            and not images.is_contiguous()
            and images.is_contiguous(memory_format=torch.channels_last)
            and images.numel() > images.shape[1]
            and not torch.compiler.is_compiling()
        )

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Let the running statistics follow those of a batch; the variance counts as a sample's."""
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)


def with_exact_sums(network: nn.Module) -> nn.Module:
    """Replace each `nn.BatchNorm2d` inside a network by one with exact sums, in place; they share parameters and buffers."""
    for name, child in network.named_children():
        if type(child) is nn.BatchNorm2d:
            setattr(network, name, _as_cascade(child))
        else:
            with_exact_sums(child)
    return network


def _as_cascade(layer: nn.BatchNorm2d) -> CascadeBatchNorm2d:
    cascade = CascadeBatchNorm2d(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats, device="meta"
    )
    cascade.weight, cascade.bias = layer.weight, layer.bias
    cascade.running_mean, cascade.running_var = layer.running_mean, layer.running_var
    cascade.num_batches_tracked = layer.num_batches_tracked
    return cascade.train(layer.training)


class _Normalise(torch.autograd.Function):
    """Batch norm over the rows of a matrix (N * H * W, C), which channels-last images are.

    With centred values c = x - mean and k = weight / deviation, the gradient of the input is
    k (g - mean(g) - c mean(g c) / variance): two sums over the rows, as in the forward pass.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        rows = _rows(images)
        mean = rows.sum(0) / len(rows)
        variance = _sum_in_blocks(lambda block: (block - mean).square_(), rows) / len(rows)
        inverse = torch.rsqrt(variance + eps)
        ctx.save_for_backward(images, weight, mean, inverse)
        ctx.mark_non_differentiable(mean, variance)
        factor = weight * inverse
        normalised = torch.empty_like(images)  # no view of something else: blocks change it in place
        torch.addcmul(bias - mean * factor, rows, factor, out=_rows(normalised))
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, mean, inverse = ctx.saved_tensors
        rows, of_rows = _rows(images), _rows(gradient)
        of_bias = of_rows.sum(0)
        of_centred = _sum_in_blocks(lambda given, block: (block - mean).mul_(given), of_rows, rows)
        factor = weight * inverse
        slope = -factor * inverse.square() * of_centred / len(rows)
        offset = -factor * of_bias / len(rows) - mean * slope
        of_images = torch.empty_like(images)
        torch.addcmul(offset, of_rows, factor, out=_rows(of_images)).addcmul_(rows, slope)
        return of_images, of_centred * inverse, of_bias, None


def _rows(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) as (N * H * W, C); a view where they are stored channels last."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def _sum_in_blocks(value: Callable[..., Tensor], *matrices: Tensor) -> Tensor:
    """Return the column sums of what `value` makes of matrices (R, C), block of rows by block of rows."""
    step = max(1, _VALUES_AT_ONCE // matrices[0].shape[1])
    blocks = zip(*(torch.split(matrix, step) for matrix in matrices), strict=True)
    return torch.stack([value(*block).sum(0) for block in blocks]).sum(0)

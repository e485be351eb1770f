"""The whole classifier: normalisation first, then the network; pixels in [0, 1] go in, float32 logits come out.

Nobody outside a model hears of a mean or of a precision: augmentations, corruptions and attacks see pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from eval.inference.products import Precision
from trainers.models.batch_norm import with_exact_sums


class Normalize(nn.Module):
    """Subtracts a mean and divides by a standard deviation per channel.

    Args:
        mean: One value per channel.
        std: Likewise.
        is_kept: Whether both are part of the state: those of foreign weights, which no dataset gives again.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, is_kept: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1), persistent=is_kept)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1), persistent=is_kept)

    def forward(self, images: Tensor) -> Tensor:
        """Map pixels in [0, 1], (N, C, H, W), to normalised values of the same shape."""
        return (images - self.mean) / self.std


class Classifier(nn.Module):
    """Normalisation followed by a network; runs the network in bfloat16 where asked, and returns float32 logits.

    The memory layout is that of the whole network: convolutions keep the layout of what they are given, so the weights are
    laid out once and the images on their way in. Batch norm adds up exactly in either one.
    """

    def __init__(
        self,
        normalize: Normalize,
        network: nn.Module,
        *,
        precision: Precision = "tf32",
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.normalize = normalize
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = with_exact_sums(network).to(memory_format=layout)
        self.precision = precision
        self.channels_last = channels_last

    def forward(self, images: Tensor) -> Tensor:
        """Map pixels in [0, 1], (N, C, H, W), to logits (N, K) float32."""
        normalised = laid_out(self.normalize(images), channels_last=self.channels_last)
        if self.precision != "bf16":
            logits: Tensor = self.network(normalised)
            return logits
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            logits = self.network(normalised)
        return logits.float()


def laid_out(images: Tensor, *, channels_last: bool) -> Tensor:
    """Return images (N, C, H, W) whose strides are those of a layout; copied only where they have others.

    `Tensor.contiguous` will not do: of grey images it takes either layout for the other and leaves the strides alone, by
    which convolutions choose.
    """
    if channels_last:
        rows = images.permute(0, 2, 3, 1)
        return rows.flatten(1).reshape(rows.shape).permute(0, 3, 1, 2)
    return images.flatten(1).reshape(images.shape)


def restore(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load the state of a classifier; one that contains a normalisation sets it too.

    Raises:
        RuntimeError: If names or shapes differ.
    """
    if isinstance(model, Classifier) and "normalize.mean" in weights:
        values = [weights.get(f"normalize.{name}") for name in ("mean", "std")]
        if any(each is None or each.numel() != model.normalize.mean.numel() for each in values):
            raise RuntimeError("a normalisation must have a mean and a std with a value for each channel")
        mean, std = (each.flatten().tolist() for each in values if each is not None)
        model.normalize = Normalize(mean, std, is_kept=True).to(model.normalize.mean.device)
    model.load_state_dict(weights)

"""Images as people have them (arrays, tensors, Pillow images; one or a batch) as arrays of a batch, and back again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.heavy import torch

_MODES: Final = ("L", "RGB")


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """A batch, and how its results become what was given.

    Attributes:
        arrays: (N, H, W, C) uint8 with C of 1 or 3.
        back: (N, H, W, C) uint8, or float32 in [0, 1] -> an image or a batch of the kind that was given. A Pillow image of bytes
            stays one; of float32 it becomes a tensor (C, H, W), since Pillow has no such colours.
    """

    arrays: NDArray[np.uint8]
    back: Callable[[NDArray[Any]], Any]


def batch_of(images: Any) -> ImageBatch:
    """Return images as a batch.

    Args:
        images: A Pillow image ("L" or "RGB"); a tensor (C, H, W) or (N, C, H, W) uint8; an array (H, W), (H, W, C) or
            (N, H, W, C) uint8.

    Raises:
        ValueError: If they are none of these.
    """
    if isinstance(images, Image.Image):
        return _of_pillow(images)
    if _is_tensor(images):
        return _of_tensor(images)
    if isinstance(images, np.ndarray):
        return _of_array(images)
    raise ValueError(
        f"images must be a Pillow image, a uint8 tensor or a uint8 array, but got {type(images).__name__}; convert them first"
    )


def _is_tensor(images: object) -> bool:
    # Nobody has a tensor without torch, which takes seconds to import.
    return "torch" in sys.modules and isinstance(images, torch.Tensor)


def _of_pillow(image: Image.Image) -> ImageBatch:
    if image.mode not in _MODES:
        raise ValueError(f"a Pillow image must be of mode L or RGB, but is {image.mode!r}; write image.convert('RGB')")
    arrays = np.asarray(image, dtype=np.uint8)

    def back(made: NDArray[Any]) -> Any:
        if made.dtype != np.uint8:
            return torch.from_numpy(np.ascontiguousarray(made[0].transpose(2, 0, 1)))
        return Image.fromarray(made[0, :, :, 0] if image.mode == "L" else made[0])

    return ImageBatch((arrays[..., None] if arrays.ndim == 2 else arrays)[None], back)


def _of_tensor(images: Any) -> ImageBatch:
    _check(str(images.dtype).removeprefix("torch."), tuple(images.shape), images.ndim in (3, 4), channels_at=-3)
    whole = images if images.ndim == 4 else images[None]
    arrays = whole.detach().cpu().permute(0, 2, 3, 1).contiguous().numpy()

    def back(made: NDArray[Any]) -> Any:
        found = torch.from_numpy(np.ascontiguousarray(made.transpose(0, 3, 1, 2))).to(images.device)
        found = found if images.ndim == 4 else found[0]
        if type(images) is torch.Tensor:
            return found
        from torchvision import tv_tensors  # heavy, and there already where somebody has one

        return tv_tensors.wrap(found, like=images)

    return ImageBatch(arrays, back)


def _of_array(images: NDArray[Any]) -> ImageBatch:
    _check(str(images.dtype), images.shape, images.ndim in (2, 3, 4), channels_at=None if images.ndim == 2 else -1)
    whole = images[None, ..., None] if images.ndim == 2 else images[None] if images.ndim == 3 else images

    def back(made: NDArray[Any]) -> Any:
        return made[0, ..., 0] if images.ndim == 2 else made[0] if images.ndim == 3 else made

    return ImageBatch(np.ascontiguousarray(whole), back)


def _check(dtype: str, shape: tuple[int, ...], has_right_axes: bool, *, channels_at: int | None) -> None:
    if dtype != "uint8":
        raise ValueError(f"images must be uint8, but are {dtype}; apply this before they are converted and normalised")
    if not has_right_axes or (channels_at is not None and shape[channels_at] not in (1, 3)):
        raise ValueError(
            f"images must have 1 or 3 channels, tensors as (N, C, H, W) and arrays as (N, H, W, C), but got {shape}"
        )

"""The per-image PixMix pipeline in Pillow, to run beside ours: re-derived here, or with the functions of a published checkout.

The order is the published one: flip, padded crop, one mixing image (opened and resized, or resized beforehand), then the
rounds on float32 images of one sample at a time; crops, flips and tensors are torchvision's, as in the published scripts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torchvision import transforms

TO_TENSOR: Callable[[Image.Image], torch.Tensor] = transforms.ToTensor()
BILINEAR = Image.Resampling.BILINEAR
Operation = Callable[[Image.Image, float], Image.Image]
Mixing = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """The parts of the per-image pipeline.

    Attributes:
        name: Where the parts come from.
        operations: The 13 base operations: (image, severity) -> image.
        mixings: The two mixings: (image, partner, beta) -> unclipped image.
        size: Side of the training images in pixels.
        source: Generator of the pipeline's own choices.
    """

    name: str
    operations: Sequence[Operation]
    mixings: Sequence[Mixing]
    size: int
    source: np.random.Generator

    @cached_property
    def crop_flip(self) -> Callable[[Image.Image], Image.Image]:
        """Flip with probability 1/2, pad by an eighth of the side, crop back."""
        padded = transforms.RandomCrop(self.size, padding=self.size // 8)
        return transforms.Compose([transforms.RandomHorizontalFlip(), padded])  # type: ignore[no-any-return]

    @cached_property
    def fit(self) -> Callable[[Image.Image], Image.Image]:
        """Resize a mixing image (which leaves one of the right size as it is) and crop it."""
        side = self.size * 9 // 8
        return transforms.Compose([transforms.Resize(side), transforms.RandomCrop(self.size)])  # type: ignore[no-any-return]

    def mixing_image(self, mixing_image: Image.Image | Path) -> Image.Image:
        """Return the mixing image of one sample, opened where it is a file."""
        return self.fit(Image.open(mixing_image).convert("RGB") if isinstance(mixing_image, Path) else mixing_image)

    def sample(
        self, image: Image.Image, mixing_image: Image.Image | Path, *, beta: float, severity: float, crop: bool
    ) -> torch.Tensor:
        """Return one mixed training image, (3, S, S) float32."""
        clean = self.crop_flip(image) if crop else image
        partner_image = self.mixing_image(mixing_image)
        mixed = TO_TENSOR(self._augmented(clean, severity) if self.source.random() < 0.5 else clean)
        for _ in range(self.source.integers(5)):
            is_augmented = self.source.random() < 0.5
            partner = TO_TENSOR(self._augmented(clean, severity) if is_augmented else partner_image)
            mixing = self.mixings[int(self.source.integers(len(self.mixings)))]
            mixed = mixing(mixed, partner, beta).clip(0, 1)
        return mixed

    def _augmented(self, image: Image.Image, severity: float) -> Image.Image:
        chosen = self.operations[int(self.source.integers(len(self.operations)))]
        return chosen(image.copy(), severity)


def published_peer(reference: Path, size: int) -> Peer:
    """Return the pipeline with the operations and mixings of a checkout of the published code.

    Raises:
        FileNotFoundError: If the folder has no pixmix_utils.py.
    """
    path = reference / "pixmix_utils.py"
    if not path.is_file():
        raise FileNotFoundError(f"the reference must be a checkout with pixmix_utils.py, but {path} is missing")
    spec = importlib.util.spec_from_file_location("published_pixmix_utils", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.IMAGE_SIZE = size
    return Peer(
        name="published pipeline",
        operations=module.augmentations_all,
        mixings=module.mixings,
        size=size,
        source=np.random.default_rng(0),
    )


def derived_peer(size: int) -> Peer:
    """Return the same pipeline with operations and mixings written from their description."""
    source = np.random.default_rng(0)
    return Peer(
        name="Pillow pipeline", operations=_operations(source, size), mixings=_mixings(source), size=size, source=source
    )


def _operations(source: np.random.Generator, size: int) -> list[Operation]:
    def level(severity: float, scale: float) -> float:
        return float(source.uniform(0.1, severity) * scale / 10)

    def signed(value: float) -> float:
        return -value if source.random() > 0.5 else value

    def mapped(coefficients: Callable[[float], tuple[float, ...]]) -> Operation:
        return lambda image, severity: image.transform(
            (size, size), Image.Transform.AFFINE, coefficients(severity), resample=BILINEAR
        )

    def enhanced(kind: Callable[[Image.Image], Any]) -> Operation:
        return lambda image, severity: kind(image).enhance(level(severity, 1.8) + 0.1)

    return [
        lambda image, severity: ImageOps.autocontrast(image),
        lambda image, severity: ImageOps.equalize(image),
        lambda image, severity: ImageOps.posterize(image, 4 - int(level(severity, 4))),
        lambda image, severity: image.rotate(signed(int(level(severity, 30))), resample=BILINEAR),
        lambda image, severity: ImageOps.solarize(image, 256 - int(level(severity, 256))),
        mapped(lambda severity: (1, signed(level(severity, 0.3)), 0, 0, 1, 0)),
        mapped(lambda severity: (1, 0, 0, signed(level(severity, 0.3)), 1, 0)),
        mapped(lambda severity: (1, 0, signed(int(level(severity, size / 3))), 0, 1, 0)),
        mapped(lambda severity: (1, 0, 0, 0, 1, signed(int(level(severity, size / 3))))),
        enhanced(ImageEnhance.Color),
        enhanced(ImageEnhance.Contrast),
        enhanced(ImageEnhance.Brightness),
        enhanced(ImageEnhance.Sharpness),
    ]


def _mixings(source: np.random.Generator) -> list[Mixing]:
    def coefficients(beta: float) -> tuple[np.float32, np.float32]:
        if source.random() < 0.5:
            return np.float32(source.beta(beta, 1)), np.float32(source.beta(1, beta))
        return np.float32(1 + source.beta(1, beta)), np.float32(-source.beta(1, beta))

    def add(mixing_image: torch.Tensor, partner: torch.Tensor, beta: float) -> torch.Tensor:
        a, b = coefficients(beta)
        return (float(a) * (mixing_image * 2 - 1) + float(b) * (partner * 2 - 1) + 1) / 2

    def multiply(mixing_image: torch.Tensor, partner: torch.Tensor, beta: float) -> torch.Tensor:
        a, b = coefficients(beta)
        return (mixing_image * 2) ** float(a) * (partner * 2).clip(1e-37) ** float(b) / 2

    return [add, multiply]


def structured_images(count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """Return images with structure at several scales, (count, size, size, 3) uint8."""
    source = np.random.default_rng(seed)
    result = np.empty((count, size, size, 3), dtype=np.uint8)
    for index in range(count):
        coarse = source.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), dtype=np.int16)
        result[index] = np.clip(smooth + source.integers(-20, 21, smooth.shape), 0, 255)
    return result

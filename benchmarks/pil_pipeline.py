"""A training loop of the published kind: one image at a time through Pillow, default memory layout, a loader without workers.

It is the peer that `benchmarks.train` measures against. The operations are those of the PixMix paper, drawn from NumPy's
generator; with a checkout of the published code its own operations take their place.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import nn
from torch.utils.data import DataLoader, Dataset

SEVERITY, BETA, ROUNDS = 3.0, 3.0, 4
Operation = Callable[[Image.Image], Image.Image]
Mixing = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def operations(rng: np.random.Generator, size: int) -> list[Operation]:
    """Return the thirteen base operations, each with a magnitude drawn again at every call."""

    def level() -> float:
        return float(rng.uniform(0.1, SEVERITY))

    def signed(value: float) -> float:
        return -value if rng.random() < 0.5 else value

    def affine(*coefficients: float) -> Operation:
        return lambda mixing_image: mixing_image.transform(
            (size, size), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BILINEAR
        )

    def enhanced(kind: Any) -> Operation:
        return lambda mixing_image: kind(mixing_image).enhance(0.1 + 0.18 * level())

    return [
        ImageOps.autocontrast,
        ImageOps.equalize,
        lambda mixing_image: ImageOps.posterize(mixing_image, 4 - int(0.4 * level())),
        lambda mixing_image: mixing_image.rotate(signed(int(3 * level())), resample=Image.Resampling.BILINEAR),
        lambda mixing_image: ImageOps.solarize(mixing_image, 256 - int(25.6 * level())),
        lambda mixing_image: affine(1, signed(0.03 * level()), 0, 0, 1, 0)(mixing_image),
        lambda mixing_image: affine(1, 0, 0, signed(0.03 * level()), 1, 0)(mixing_image),
        lambda mixing_image: affine(1, 0, signed(int(level() * size / 30)), 0, 1, 0)(mixing_image),
        lambda mixing_image: affine(1, 0, 0, 0, 1, signed(int(level() * size / 30)))(mixing_image),
        *(enhanced(kind) for kind in (ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Brightness)),
        enhanced(ImageEnhance.Sharpness),
    ]


def mixings(rng: np.random.Generator) -> list[Mixing]:
    """Return additive and multiplicative mixing, each with coefficients drawn again at every call."""

    def coefficients() -> tuple[float, float]:
        if rng.random() < 0.5:
            return float(rng.beta(BETA, 1)), float(rng.beta(1, BETA))
        return 1 + float(rng.beta(1, BETA)), -float(rng.beta(1, BETA))

    def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a, b = coefficients()
        return (a * (2 * x - 1) + b * (2 * y - 1) + 1) / 2

    def multiply(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a, b = coefficients()
        return (2 * x) ** a * (2 * y).clip(1e-37) ** b / 2

    return [add, multiply]


def published(folder: Path) -> tuple[list[Operation], list[Mixing]]:
    """Return the operations and mixings of a checkout of the published code."""
    sys.path.insert(0, str(folder))
    try:
        code = importlib.import_module("pixmix_utils")
    finally:
        sys.path.remove(str(folder))
    return [_operation(op) for op in code.augmentations_all], [_mixing(op) for op in code.mixings]


def _operation(op: Any) -> Operation:
    return lambda mixing_image: op(mixing_image.copy(), int(SEVERITY))


def _mixing(op: Any) -> Mixing:
    return lambda x, y: op(x, y, int(BETA))


class PixMixOneImageAtATime(Dataset[tuple[torch.Tensor, int]]):
    """Flips, crops, mixes and normalises one image per call."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        mixing_set: NDArray[np.uint8],
        ops: Sequence[Operation],
        mixes: Sequence[Mixing],
        rng: np.random.Generator,
    ) -> None:
        from torchvision import transforms

        size = images.shape[1]
        self._images = [Image.fromarray(image) for image in images]
        self._labels = labels
        self._mixing_set = [Image.fromarray(mixing_image) for mixing_image in mixing_set]
        self._ops, self._mixes, self._rng = ops, mixes, rng
        self._crop = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.RandomCrop(size, padding=4)])
        self._cut = transforms.RandomCrop(size)
        self._tensor = transforms.ToTensor()
        self._normalise = transforms.Normalize([0.5] * 3, [0.5] * 3)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        rng = self._rng
        mixing_image = self._crop(self._images[index])
        partner = self._cut(self._mixing_image(int(rng.integers(len(self._mixing_set)))))
        mixed = self._tensor(self._augmented(mixing_image) if rng.random() < 0.5 else mixing_image)
        for _ in range(rng.integers(ROUNDS + 1)):
            other = self._tensor(self._augmented(mixing_image) if rng.random() < 0.5 else partner)
            mixed = self._mixes[int(rng.integers(len(self._mixes)))](mixed, other).clip(0, 1)
        return self._normalise(mixed), int(self._labels[index])

    def _mixing_image(self, index: int) -> Image.Image:
        return self._mixing_set[index]

    def _augmented(self, mixing_image: Image.Image) -> Image.Image:
        return self._ops[int(self._rng.integers(len(self._ops)))](mixing_image)


class PixMixFromFiles(PixMixOneImageAtATime):
    """The published data path: each mixing image is a file that is decoded, and resized to 36 px, for every sample."""

    def __init__(self, files: Sequence[Path], *arguments: Any) -> None:
        from torchvision import transforms

        super().__init__(*arguments)
        self._files = files
        self._resize = transforms.Resize(self._mixing_set[0].size[0])

    def _mixing_image(self, index: int) -> Image.Image:
        with Image.open(self._files[index % len(self._files)]) as mixing_image:
            resized: Image.Image = self._resize(mixing_image.convert("RGB"))
        return resized


def write_mixing_files(images: NDArray[np.uint8], folder: Path, *, side: int = 256) -> list[Path]:
    """Write images as JPEG files of a side, as the published mixing set has them (256 px and more, 85 kB on average)."""
    files = [folder / f"{number:04}.jpg" for number in range(len(images))]
    for path, mixing_image in zip(files, images, strict=True):
        Image.fromarray(mixing_image).resize((side, side), Image.Resampling.BICUBIC).save(path, quality=95)
    return files


def train_epoch(network: nn.Module, dataset: Dataset[tuple[torch.Tensor, int]], batch_size: int) -> None:
    """Run the published loop over an epoch: default layout, one optimiser and scheduler step per batch."""
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.999**step)
    network.train()
    average = 0.0
    for images, targets in DataLoader(dataset, batch_size=batch_size, shuffle=True, num_workers=0):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(images), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        scheduler.step()
        average = 0.9 * average + 0.1 * loss.item()

"""PixMix as a transform for anybody's own training loop: the pixels of DreamGrid's trainer, without the rest of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.compound import config_for
from augment.heavy import torch
from augment.kernels.counters import SampleKeys
from augment.methods.pixmix.pixmix import PIXMIX
from augment.mixing_sets.build import ensure_mixing_set, open_mixing_set
from augment.mixing_sets.registry import mixing_set_for
from augment.treatment import Treatment, TreatmentContext
from dreamgrid.images import batch_of
from orchestration.settings import read_settings

_INDICES = 2**32
"""A draw is addressed by an index below this."""


class PixMix:
    """Mixes images as in Hendrycks et al., "PixMix" (CVPR 2022); a transform of the kind of `torchvision.transforms.v2`.

    What an image becomes depends on the seed, the epoch and the image's index alone. With `indices` and `set_epoch` these are the
    dataset's own, and pixels are those of DreamGrid's trainer, bit for bit. Without, images are counted as they come; in worker
    processes of a `DataLoader`, whose copies of the transform would all count alike, the worker's seed from torch takes the
    place of the epoch, so that draws repeat under `torch.manual_seed`.

        transform = dreamgrid.PixMix("fractals", image_size=32, num_images=200, seed=0)
        mixed = transform(images)  # (N, C, H, W) uint8 -> (N, C, H, W) float32 in [0, 1]
        mixed, labels = transform(images, labels)  # what follows the images passes through
        tensor = transform(pillow_image)  # Pillow image -> (C, H, W) float32 in [0, 1]

    Put it behind crops and flips and before the normalisation; it takes the place of `ToTensor`.
    """

    def __init__(
        self,
        mixing_set: str | Path | NDArray[np.uint8] = "fractals",
        *,
        image_size: int | None = None,
        num_channels: int = 3,
        seed: int = 0,
        num_images: int | None = None,
        data_root: Path | str | None = None,
        **hyper_parameters: Any,
    ) -> None:
        """Describe the transform; with `image_size` its mixing set is made now, or found in the cache.

        Args:
            mixing_set: Name of a mixing set that needs no trained network ("fractals", "dead-leaves-squares", ...), a folder of
                images, or an array (M, S, S, C) uint8 with S at least the side of the images.
            image_size: Longer side of the images in pixels; None for that of the first images.
            num_channels: Of the set that is made now: 1 (grey) or 3.
            seed: Seed of all draws.
            num_images: Images of the mixing set; None for the published number, whose first rendering takes minutes.
            data_root: Folder of datasets, for sets that are made of files; by default as for the command line.
            hyper_parameters: `max_rounds`, `beta`, `severity`, `operations`, `augment_start`, `rounding`, as in sweeps. With
                rounding="uint8" results are bytes, and a Pillow image stays one.

        Raises:
            AugmentError: If a name or a value is wrong, or the set cannot be made.
        """
        self._set = mixing_set
        self._seed, self._num_images, self._data_root = seed, num_images, data_root
        self._config = config_for(PIXMIX, "", hyper_parameters)
        self._epoch, self._seen = 0, 0
        self._treatments: dict[tuple[int, int], Treatment] = {}
        if image_size is not None:
            self._treatment(image_size, num_channels)

    def __call__(self, images: Any, *others: Any, indices: NDArray[np.int64] | None = None) -> Any:
        """Return mixed images; of several arguments the first is mixed, and all are returned.

        Args:
            images: A Pillow image, a tensor (C, H, W) or (N, C, H, W) uint8, or an array (H, W, C) or (N, H, W, C) uint8.
            others: Labels, say; they pass through.
            indices: Index of each image in its dataset, (N,); None to count them as they come.

        Returns:
            Images of the same kind and shape, float32 in [0, 1], or uint8 where they are rounded; float32 of a Pillow image is a
            tensor.

        Raises:
            ValueError: If the images are of another kind.
        """
        batch = batch_of(images)
        count, height, width, channels = batch.arrays.shape
        keys = self._next_keys(count) if indices is None else SampleKeys(self._seed, self._epoch, np.asarray(indices))
        mixed = batch.back(self._treatment(max(height, width), channels).sample(batch.arrays, keys))
        return (mixed, *others) if others else mixed

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch, from 0: images are mixed in other ways than in the last one."""
        self._epoch, self._seen = epoch, 0

    def __repr__(self) -> str:
        shown = f"array of {len(self._set)} images" if isinstance(self._set, np.ndarray) else repr(str(self._set))
        return f"PixMix({shown}, seed={self._seed}, {self._config})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is mapped from files to the process that unpickles this."""
        return {**self.__dict__, "_treatments": {}}

    def _next_keys(self, count: int) -> SampleKeys:
        worker = torch.utils.data.get_worker_info() if "torch" in sys.modules else None
        numbers = np.arange(self._seen, self._seen + count, dtype=np.int64)
        self._seen += count
        if worker is None:
            return SampleKeys(self._seed, self._epoch, numbers % _INDICES)
        return SampleKeys(self._seed, worker.seed % _INDICES, (numbers * worker.num_workers + worker.id) % _INDICES)

    def _treatment(self, image_size: int, num_channels: int) -> Treatment:
        key = (image_size, num_channels)
        if key not in self._treatments:
            context = TreatmentContext(
                image_size=image_size,
                num_channels=num_channels,
                num_classes=1,
                mean=(0.0,) * num_channels,
                mixing_set=self._mixing_images(image_size, num_channels),
            )
            self._treatments[key] = PIXMIX.build(self._config, context)
        return self._treatments[key]

    def _mixing_images(self, image_size: int, num_channels: int) -> NDArray[np.uint8]:
        if isinstance(self._set, np.ndarray):
            return self._set
        settings = read_settings(data_root=None if self._data_root is None else Path(self._data_root))
        folder = Path(self._set).resolve() if isinstance(self._set, Path) else None
        described = mixing_set_for("folder" if folder else str(self._set))
        return open_mixing_set(
            ensure_mixing_set(
                described,
                num_images=self._num_images or described.num_images,
                image_size=described.stored_side(image_size),
                num_channels=num_channels,
                seed=0,
                params={"folder": folder.name} if folder else {},
                cache_dir=settings.cache_dir,
                data_root=folder.parent if folder else settings.data_root,
            )
        )

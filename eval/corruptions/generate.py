"""Corrupt batches of images, `corrupt(images, "fog", 3, fingerprint=..., indices=...)`, or whole datasets (`CorruptedSet`).

The output is a function of (fingerprint, index, kind, severity, seed) and the image alone: batch size and order play no part.
Bytes repeat on machines with the same versions and processor family; elsewhere rounding may move a value by one grey level, and
kinds marked `is_thresholded` may move single pixels further.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.corruptions.cache import SetKey, cached_array, fill
from eval.corruptions.contract import SMALLEST_SIDE, Draws, FrostImages, Setting
from eval.corruptions.families import family_named
from eval.corruptions.ice import ICE_IDENTITY, ICE_LABEL

VALUES_AT_ONCE: Final = 1 << 19


def corrupt(
    images: NDArray[np.uint8],
    kind: str,
    severity: int,
    *,
    fingerprint: str,
    indices: NDArray[np.int64],
    seed: int = 0,
    family: str = "c",
    frost: FrostImages | None = None,
) -> NDArray[np.uint8]:
    """Return corrupted images; the input is left alone.

    Args:
        images: (N, H, W, C) uint8 with C = 1 or 3 and sides of at least 8 px.
        kind: Name of the corruption, such as `fog`.
        severity: 1 to 5 (1 where a family has one severity only).
        fingerprint: Content identity of the dataset that the images belong to.
        indices: Index of each image in its dataset, (N,), from 0 and below 2**32.
        seed: Seed of the generated set.
        family: Key of `FAMILIES`: `c`, `cbar` or `mnist-c`.
        frost: Images for `frost`; None means procedural ice, which is not the published corruption.

    Raises:
        ValueError: If an argument breaks one of these rules.
    """
    check_images(images, indices, fingerprint, seed)
    chosen = family_named(family)
    kernel = chosen.corruption(kind).run
    scale, parameters = chosen.at(kind, severity, min(images.shape[1:3]))
    draws = Draws(seed, f"{family}/{fingerprint}/{kind}", severity, np.asarray(indices, dtype=np.int64))
    out = np.empty_like(images, order="C")
    for rows in batches(images.shape):
        setting = Setting(parameters=parameters, scale=scale, draws=draws.part(rows), frost=frost)
        out[rows] = kernel(images[rows], setting)
    return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorruptedSet:
    """A whole dataset under one corruption at one severity.

    Attributes:
        images: All images of the dataset in its order, (N, H, W, C) uint8; image i has index i.
        kind: Name of the corruption.
        severity: 1 to 5.
        fingerprint: Content identity of `images`.
        seed: Seed of the generated set.
        family: Key of `FAMILIES`.
        frost: Images for `frost`; None means procedural ice.
    """

    images: NDArray[np.uint8]
    kind: str
    severity: int
    fingerprint: str
    seed: int = 0
    family: str = "c"
    frost: FrostImages | None = None

    @property
    def key(self) -> SetKey:
        """What decides the bytes of the set.

        Raises:
            ValueError: If the corruption or the severity is unknown.
        """
        family = family_named(self.family)
        semantics = family.corruption(self.kind).semantics
        family.at(self.kind, self.severity, min(self.images.shape[1:3]))
        return SetKey(
            family=self.family,
            kind=self.kind,
            severity=self.severity,
            semantics=semantics,
            fingerprint=self.fingerprint,
            seed=self.seed,
            shape=tuple(int(side) for side in self.images.shape),
            substitute=(self.frost.identity if self.frost else ICE_IDENTITY) if self.kind == "frost" else "",
        )

    def at(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the corrupted images at some indices, made now."""
        return corrupt(
            self.images[indices],
            self.kind,
            self.severity,
            fingerprint=self.fingerprint,
            indices=indices,
            seed=self.seed,
            family=self.family,
            frost=self.frost,
        )

    def whole(self, cache_dir: Path | None, *, threads: int = 1) -> NDArray[np.uint8]:
        """Return all images, from the cache or into it: a read-only memory map with the shape of `images`.

        Args:
            cache_dir: Folder of generated sets; None makes an array in memory.
            threads: Threads that make it; the bytes do not depend on them.

        Raises:
            ValueError: If an attribute is outside its range.
            EvalError: If the set must be made and cannot be written.
        """
        check_images(self.images, np.arange(len(self.images)), self.fingerprint, self.seed)
        key = self.key
        if cache_dir is None:
            out = np.empty(self.images.shape, dtype=np.uint8)
            fill(out, self._rows, threads)
            return out
        notes = {"frost": self.frost.label if self.frost else ICE_LABEL} if self.kind == "frost" else {}
        return cached_array(key, self._rows, cache_dir, notes=notes, threads=threads)

    def _rows(self, rows: slice) -> NDArray[np.uint8]:
        return self.at(np.arange(rows.start, rows.stop))


def batches(shape: tuple[int, ...]) -> list[slice]:
    """Return slices of a set of images that are small enough to stay in the caches of the processor."""
    step = max(1, VALUES_AT_ONCE // int(np.prod(shape[1:])))
    return [slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]


def check_images(images: NDArray[np.uint8], indices: NDArray[np.int64], fingerprint: str, seed: int) -> None:
    """Check what every generator asks of its input.

    Raises:
        ValueError: With the rule and the value, if one is broken.
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        kind = getattr(images, "dtype", type(images).__name__)
        raise ValueError(f"images must be a uint8 array, but got {kind}; scale to 0..255 and convert")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images must have the shape (N, H, W, C) with C = 1 or 3, but got {images.shape}")
    if min(images.shape[1:3]) < SMALLEST_SIDE:
        raise ValueError(
            f"images must measure at least {SMALLEST_SIDE} x {SMALLEST_SIDE} px, but got {images.shape[1:3]}"
        )
    indices = np.asarray(indices)
    if indices.shape != (len(images),) or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(
            f"indices must be {len(images)} integers, one per image, but got {indices.dtype} {indices.shape}"
        )
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < 2**32:
        raise ValueError(f"indices must be in [0, 2**32), but range from {indices.min()} to {indices.max()}")
    if not fingerprint:
        raise ValueError("a fingerprint is needed: the content identity of the dataset, any non-empty text")
    if not 0 <= seed < 2**64:
        raise ValueError(f"a seed must be between 0 and 2**64 - 1, but got {seed}")

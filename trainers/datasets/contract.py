"""What a dataset is: names, sizes, checksums, and how it is read; light to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from augment.files.absent import absent_text, fetch_command
from augment.heavy import NDArray
from augment.heavy import numpy as np

SplitName = Literal["train", "test"]
Arrays = tuple["NDArray[np.uint8]", "NDArray[np.int64]"]
"""Images, (N, H, W, C), and their classes, (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split of a dataset, in memory or mapped from a file.

    Attributes:
        images: (N, H, W, C) uint8.
        labels: Classes, (N,) int64.
        fingerprint: Identity of the content: SHA-256 of pixels, labels and shape, or of the files and how they were decoded.
        broken: Names of files that could not be decoded and were left out.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    fingerprint: str
    broken: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One file of a dataset.

    Attributes:
        path: In the data root, with forward slashes.
        split: "train", "test" or "both".
        md5: Published checksum, or "".
        sha256: Checksum of the file, or "".
        packed_md5: Published checksum of `<path>.gz`, which the file is compared with where no other is known; or "".
    """

    path: str
    split: Literal["train", "test", "both"]
    md5: str = ""
    sha256: str = ""
    packed_md5: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A dataset, described.

    Attributes:
        name: Key in `DATASETS`.
        title: Label in tables.
        image_size: Side of the square images in pixels.
        num_channels: 1 (grey) or 3 (RGB).
        num_classes: Number of classes.
        num_train: Images of the training split.
        num_test: Images of the test split.
        identity: Declared checksum of the whole dataset, which represents its content in train keys while its files are absent or
            match it (`trainers.datasets.content`).
        mean: Per-channel pixel value in [0, 1] that normalisation maps to zero.
        std: Per-channel divisor of the normalisation.
        source: Where it comes from.
        files: Its files; empty for what ships inside a library, and for folders.
        read: Reads a split whose files are there and checked, given the data root; None for folders of images.
        download: Gets its files into a data root, or None.
        folders: Training and test folder in the data root, one sub-folder of images per class, or None.
        resize: Length that the shorter side of a test image is resized to before its centre is cropped, for folders.
        is_resident: Whether training images are decoded once and kept in memory; else they are decoded when needed.
        how_to_get: What a person does to get data that no command may download.
        left_out: A sentence on each kind of file in a user's folder that is not read, with names.
        unstated: What the published sources leave unstated about training on it, and what was chosen here; "" for nothing.
        layout: "entry-point" for a plug-in whose reader is an entry point of `dreamgrid.datasets.read`.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    title: str
    image_size: int
    num_channels: int
    num_classes: int
    num_train: int
    num_test: int
    identity: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    files: tuple[DataFile, ...] = ()
    read: Callable[[SplitName, Path], Arrays] | None = None
    download: Callable[[Path], None] | None = None
    folders: tuple[str, str] | None = None
    resize: int = 0
    is_resident: bool = True
    how_to_get: str = ""
    left_out: tuple[str, ...] = ()
    unstated: str = ""
    layout: Literal["", "entry-point"] = ""
    code: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if len(self.mean) != self.num_channels or len(self.std) != self.num_channels:
            raise ValueError(
                f"dataset {self.name!r} has {self.num_channels} channels: mean and std need one value each"
            )

    def fetch_hint(self, data_root: Path) -> str:
        """Return the command that gets the data, or what to do where there is none, or "" where nothing is needed."""
        if self.how_to_get:
            return self.how_to_get.replace("DIR", str(data_root))
        return fetch_command(self.name, data_root) if self.files else ""

    def absent_paths(self, data_root: str | Path, split: Literal["train", "test", "both"] = "both") -> list[str]:
        """Return the files and folders of the dataset, or of one split, that are not in the data root."""
        root, folders = Path(data_root), zip(self.folders or (), ("train", "test"), strict=False)
        files = [file.path for file in self.files if split in (file.split, "both") or file.split == "both"]
        absent = [path for path in files if not (root / path).is_file()]
        return absent + [path for path, of in folders if split in (of, "both") and not (root / path).is_dir()]

    def missing_line(self, data_root: str | Path, absent: list[str]) -> str:
        """Return one sentence on what is missing and how to get it."""
        hint = self.fetch_hint(Path(data_root))
        way = f"to get it, {hint}" if self.how_to_get else f"get it with: {hint}"
        return f"dataset {self.name!r} is not complete in {data_root}: {absent_text(absent)}; {way}"

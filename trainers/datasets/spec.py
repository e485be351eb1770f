"""What a dataset is, in names, sizes and checksums; light to import."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Layout = Literal["digits", "idx", "cifar", "svhn", "folders", "entry-point"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One file of a dataset.

    Attributes:
        path: Below the data root, with forward slashes.
        split: "train", "test" or "both".
        md5: Published checksum, or "" where only the packed file has one.
        sha256: Checksum of the unpacked file, or "".
    """

    path: str
    split: Literal["train", "test", "both"]
    md5: str = ""
    sha256: str = ""


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
        identity: Declared checksum of the whole dataset, which stands for its content in train keys while its files are absent or
            match it (`trainers.datasets.content`).
        mean: Per-channel pixel value in [0, 1] that normalisation maps to zero.
        std: Per-channel divisor of the normalisation.
        layout: How its files are read.
        torchvision: Name of torchvision's class, or "".
        files: Its files; empty for what ships inside a library.
        source: Where it comes from.
        folders: Training and test folder below the data root, one sub-folder per class, for the layout "folders".
        resize: Length that the shorter side of a test image is resized to before its centre is cropped, for "folders".
        is_resident: Whether training images are decoded once and kept in memory; else they are decoded when needed.
        how_to_get: What a person does to get data that no command may download.
        left_out: A sentence on each kind of file in a user's folder that is not read, with names.
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
    layout: Layout
    source: str
    torchvision: str = ""
    files: tuple[DataFile, ...] = ()
    folders: tuple[str, str] | None = None
    resize: int = 0
    is_resident: bool = True
    how_to_get: str = ""
    left_out: tuple[str, ...] = ()
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
        words = ["python", "-m", "trainers.datasets.fetch", self.name, "--data-root", str(data_root)]
        return shlex.join(words) if self.files else ""

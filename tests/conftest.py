"""Fixtures for every suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real MNIST and Fashion-MNIST; skips where there is none."""
    candidates = [os.environ.get("DREAMGRID_DATA"), REPOSITORY.parent / "shared" / "data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").exists():
            return Path(candidate)
    pytest.skip("real MNIST and Fashion-MNIST are needed: set DREAMGRID_DATA to a folder in torchvision's layout")

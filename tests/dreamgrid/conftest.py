"""Caches of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that all tests of this folder share, and no other does."""
    folder = tmp_path_factory.getbasetemp() / "dreamgrid-cache"
    monkeypatch.setenv("DREAMGRID_CACHE", str(folder))
    return folder

"""The product as a user meets it: the command line in a process of its own, on storage of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str
    wall_s: float

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        parsed = json.loads(self.out)
        assert isinstance(parsed, dict)
        return parsed


@dataclass(frozen=True)
class CommandLine:
    """Runs `dreamgrid` on one storage."""

    storage: Path
    cache: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DREAMGRID_", "MLFLOW_"))}
        kernels = {
            name: value for name, value in os.environ.items() if name in ("DREAMGRID_KERNEL_CACHE", "DREAMGRID_DATA")
        }
        return {**kept, **kernels, "DREAMGRID_STORAGE": str(self.storage), "DREAMGRID_CACHE": str(self.cache)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "dreamgrid", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, timeout: float = 280) -> Ran:
        """Run a command to its end."""
        started = time.monotonic()
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return Ran(process.returncode, out, err, time.monotonic() - started)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of mixing sets and generated benchmarks that all commands of the suite share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dreamgrid(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> CommandLine:
    """The command line on a storage that is empty when the module begins."""
    return CommandLine(tmp_path_factory.mktemp("product") / "storage", shared_cache)


@pytest.fixture(scope="session")
def sweep_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Writes a sweep of the smallest kind and returns its path."""
    folder = tmp_path_factory.mktemp("sweeps")

    def write(name: str, body: str) -> Path:
        path = folder / f"{name}.yaml"
        path.write_text(f"name: {name}\n{body}", encoding="utf-8")
        return path

    return write

"""What a node says of itself when a driver looks at its cluster; standard library only, for nodes where nothing is installed."""

from __future__ import annotations

import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """What a node is asked.

    Attributes:
        folders: Folders whose disk is written to.
        storage: Folder or s3:// prefix that every node must reach.
        marker: Path of an object that the driver has just written there, and `content` what it holds.
        content: See `marker`.
        tracking_uri: MLflow tracking server, or "" for none that nodes could reach.
    """

    libraries: tuple[str, ...]
    folders: tuple[str, ...]
    storage: str
    marker: str
    content: bytes
    tracking_uri: str


def probe(request: ProbeRequest) -> dict[str, Any]:
    """Return what a node has and reaches, as plain values; nothing is raised."""
    return {
        "python": sys.version.split()[0],
        "versions": _versions(request.libraries),
        "time": time.time(),
        "free_gib": {folder: _free_gib(folder) for folder in request.folders},
        "storage": _storage(request),
        "tracking": _tracking(request.tracking_uri),
    }


def _versions(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def _free_gib(folder: str) -> float:
    path = next(path for path in (Path(folder), *Path(folder).parents) if path.exists())
    return float(shutil.disk_usage(path).free / 2**30)


def _storage(request: ProbeRequest) -> str:
    """Return "" if the driver's marker is seen and something can be written next to it, else what is wrong."""
    try:
        from clusters.storage.open import open_storage  # a node where DreamGrid is not installed says so
    except ImportError as error:
        return f"cannot be checked: {error}"
    try:
        storage = open_storage(request.storage)
        if not storage.exists(request.marker):
            return "does not see what the driver writes"
        if storage.read_bytes(request.marker) != request.content:
            return "reads other bytes than the driver wrote"
        mine = f"{request.marker}-{os.getpid()}-{os.urandom(4).hex()}"
        storage.write_bytes(mine, b"probe")
        storage.delete(mine)
    except Exception as error:  # whatever a node meets is what its owner has to know
        return f"{type(error).__name__}: {error}"
    return ""


def _tracking(uri: str) -> str:
    """Return "" if the server answers, else what is wrong."""
    if not uri:
        return ""
    request = urllib.request.Request(f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        is_host = error.code == 403 and b"host" in error.read(2000).lower()
        return "refuses the host header" if is_host else "" if error.code == 401 else f"answers {error.code}"
    except (OSError, ValueError) as error:
        return f"does not answer: {getattr(error, 'reason', error)}"

"""What a node says of itself when a driver looks at its cluster; standard library only, for nodes where nothing is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

TIMEOUT_S = 30
GPU_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """What a node is asked.

    Attributes:
        folders: Folders whose disk is written to.
        storage: Folder or s3:// prefix that every node must reach.
        marker: Path of an object that the driver has just written there, and `content` what it holds.
        content: See `marker`.
        tracking_uri: MLflow tracking server, or "" for none that nodes could reach.
        gpu_module: Module that prints what it finds of GPUs as JSON, "" to ask none.
        offers_gpus: Whether Ray gives GPUs of this node to workers.
    """

    libraries: tuple[str, ...]
    folders: tuple[str, ...]
    storage: str
    marker: str
    content: bytes
    tracking_uri: str
    gpu_module: str = ""
    offers_gpus: bool = False


def probe(request: ProbeRequest) -> dict[str, Any]:
    """Return what a node has and reaches, as plain values; nothing is raised."""
    return {
        "python": sys.version.split()[0],
        "versions": _versions(request.libraries),
        "time": time.time(),
        "free_gib": {folder: _free_gib(folder) for folder in request.folders},
        "storage": _storage(request),
        "tracking": _tracking(request.tracking_uri),
        "gpus": _gpus(request),
    }


def present_gpus(devices: Path = Path("/dev")) -> int:
    """Return how many GPUs of NVIDIA the system has, whether or not this process may use them."""
    return sum(path.name.removeprefix("nvidia").isdigit() for path in devices.glob("nvidia*"))


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


def _gpus(request: ProbeRequest) -> dict[str, Any]:
    """Return what the module prints, or what went wrong as "error"; nothing on a node that has no GPU and offers none."""
    if not request.gpu_module or not (request.offers_gpus or present_gpus()):
        return {}
    try:
        from clusters.code.own_packages import command_of  # as above
    except ImportError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    # Ray hides all GPUs from a task that reserves none; in a process of its own the module sees them.
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        ran = subprocess.run(
            command_of(request.gpu_module),
            env=environment,
            capture_output=True,
            text=True,
            timeout=GPU_TIMEOUT_S,
            check=False,
        )
        if ran.returncode:
            return {"error": next(reversed(ran.stderr.strip().splitlines()), f"exit code {ran.returncode}")}
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return found

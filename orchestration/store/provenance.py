"""Where a result comes from: commit, configuration, versions, driver; and what is assumed of weights from elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from orchestration.cells.cell import PlannedCell
from orchestration.store.contract import Provenance, TrainingRecord
from trainers.models.weights.assumption import KEY, assumption_lines

_LIBRARIES = ("ray", "torch", "torchvision", "numpy", "numba", "scipy", "scikit-learn", "pillow", "dreamgrid")


def provenance_of(cell: PlannedCell) -> Provenance:
    """Return the provenance of a result of a cell that is recorded now."""
    commit, dirty = code_version()
    config = asdict(cell.config)
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), default=str)
    return Provenance(
        commit=commit,
        dirty=dirty,
        config=json.loads(text),
        config_hash=hashlib.sha256(text.encode()).hexdigest(),
        data_identity=cell.dataset_identity,
        versions=library_versions(),
        driver={"host": socket.gethostname(), "pid": os.getpid(), "ray": library_versions().get("ray", "")},
        recorded_at=time.time(),
    )


@cache
def code_version() -> tuple[str, bool]:
    """Return the commit of the code and whether the working tree differs from it; ("", False) outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    commit = _git(root, "rev-parse", "HEAD")
    return commit, bool(commit) and bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


@cache
def library_versions() -> Mapping[str, Any]:
    """Return the versions of Python, the platform and the main libraries."""
    versions = {"python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}"}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def origin_marks(environment: Mapping[str, Any]) -> set[str]:
    """Return the marks of a training record: "released", "adopted", "contradicted"; none for what was trained here."""
    marks = {"released"} if "released" in environment else set()
    marks |= {"adopted"} if "adopted_from" in environment else set()
    return marks | ({"contradicted"} if environment.get("adopted_against") else set())


def origin_lines(environment: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of weights that were not trained here: against what adopted, and what is assumed."""
    lines = [f"adopted although {reason}" for reason in environment.get("adopted_against", ())]
    assumed = environment.get(KEY)
    return lines + (assumption_lines(assumed) if assumed else [])


def precision_of(training: TrainingRecord) -> str:
    """Return the precision that a network was trained in: "fp32", "tf32" or "bf16"; "" of one that was not trained here.

    Records from before TF32 could be chosen do not say it: they were trained in IEEE float32 unless their recipe says bf16.
    """
    environment = training.summary.environment
    if "device_type" not in environment or "released" in environment:
        return ""
    recipe = training.provenance.config.get("recipe")
    asked = recipe.get("precision") if isinstance(recipe, Mapping) else None
    return str(environment.get("precision") or ("bf16" if asked == "bf16" else "fp32"))


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

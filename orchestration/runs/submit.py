"""A sweep as a job of a cluster: which command it runs there, in which surroundings, and how it is found again."""

from __future__ import annotations

import hashlib
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.ray_api.jobs import JobOrder
from clusters.storage.contract import StorageError
from clusters.storage.open import open_storage
from orchestration.errors import InputError, Mistake
from orchestration.settings import PREFIX_VARIABLE, STORAGE_VARIABLE, TRACKERS_VARIABLE, TRACKING_VARIABLE
from orchestration.tracking.secrets import is_secret_name, scrubbed

STOP_WAIT_S: Final = 60
"""Seconds that a stopped sweep has for its checkpoints before its driver is killed; Ray's own default is 3."""

_ALWAYS_CARRIED: Final = (TRACKING_VARIABLE, PREFIX_VARIABLE, TRACKERS_VARIABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What a person asked for.

    Attributes:
        sweep: Name of a built-in sweep, or path of a file inside `folder`.
        parsed: The same options by name, as `run` understands them.
        folder: What is uploaded: a checkout with the packages, or a folder with sweep files for an image that has them.
        carried: Names of environment variables that go with the job.
    """

    sweep: str
    arguments: tuple[str, ...]
    parsed: Mapping[str, Any]
    folder: Path
    carried: tuple[str, ...] = ()


def job_order(request: SubmitRequest, environment: Mapping[str, str] | None = None) -> JobOrder:
    """Return the job that runs a sweep on a cluster.

    Raises:
        InputError: With every mistake: no lasting storage, a sweep file outside the folder, secrets in variables.
    """
    variables = os.environ if environment is None else environment
    mistakes: list[Mistake] = []
    sweep = _sweep_there(request, mistakes)
    storage = _storage(request, variables, mistakes)
    carried = _carried(request, variables, mistakes)
    if mistakes:
        raise InputError(f"submission of sweep '{request.sweep}'", mistakes)
    words = ["python", "-m", "dreamgrid", "run", sweep, *request.arguments]
    if request.parsed.get("storage") is None:
        words += ["--storage", storage]
    return JobOrder(
        entrypoint=shlex.join(words),
        folder=request.folder,
        environment={"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), **carried},
        metadata=metadata_of(request, storage),
        submission_id=f"dreamgrid-{_plain(request.sweep)}-{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}",
    )


def metadata_of(request: SubmitRequest, storage: str) -> dict[str, str]:
    """Return the texts by which a submitted sweep is found: the same sweep with the same options on the same storage."""
    text = shlex.join([request.sweep, *request.arguments])
    return {
        "dreamgrid": "run",
        "sweep": request.sweep,
        "storage": storage,
        "request": hashlib.sha256(text.encode()).hexdigest()[:16],
    }


def exit_code(status: str, code: int | None) -> int:
    """Return the exit code that says how a submitted sweep ended: its own, else 1 for a stopped and 3 for a broken job."""
    if code is not None and (code > 0 or status == "SUCCEEDED"):
        return code
    return {"SUCCEEDED": 0, "STOPPED": 1}.get(status, 3)


def _sweep_there(request: SubmitRequest, mistakes: list[Mistake]) -> str:
    """Return the sweep as it is called on the cluster."""
    if not request.sweep.endswith((".yaml", ".yml")):
        return request.sweep
    path, folder = Path(request.sweep).resolve(), request.folder.resolve()
    if path.is_relative_to(folder):
        return str(path.relative_to(folder))
    text = (
        f"a sweep file must be in the uploaded folder ({folder}), but it is {path}; copy it there, "
        "or name its folder with --working-dir"
    )
    mistakes.append(Mistake(where="SWEEP", text=text))
    return request.sweep


def _storage(request: SubmitRequest, variables: Mapping[str, str], mistakes: list[Mistake]) -> str:
    storage = str(request.parsed.get("storage") or variables.get(STORAGE_VARIABLE) or "")
    if "://" not in storage and not Path(storage).is_absolute():
        text = (
            "a submitted sweep needs a storage that every node sees and that outlives the cluster, but got "
            f"'{storage}'; give s3://bucket/prefix, or the absolute path of a shared folder, or set {STORAGE_VARIABLE}"
        )
        mistakes.append(Mistake(where="--storage", text=text))
        return storage
    try:
        open_storage(storage)
    except StorageError as error:
        mistakes.append(Mistake(where="--storage", text=str(error)))
    return storage


def _carried(request: SubmitRequest, variables: Mapping[str, str], mistakes: list[Mistake]) -> dict[str, str]:
    """Return the variables that go with the job; whoever may list jobs can read them, so none of them is a secret."""
    names: Sequence[str] = [*request.carried, *(name for name in _ALWAYS_CARRIED if variables.get(name))]
    found = {name: variables.get(name, "") for name in names}
    fix = "give secrets to the nodes: an instance role, a Kubernetes secret, or a file in the image"
    for name, value in found.items():
        if not value:
            mistakes.append(Mistake(where="--env", text=f"{name} is not set here; set it, or leave it out"))
        elif is_secret_name(name) or scrubbed(value, {}) != value:
            text = f"others can read the settings of a job, but {name} looks like a secret; {fix}"
            mistakes.append(Mistake(where="--env", text=text))
    for option in ("tracking_uri", "storage"):
        value = str(request.parsed.get(option) or "")
        if scrubbed(value, {}) != value:
            text = f"others can read the settings of a job, but this address contains a password; {fix}"
            mistakes.append(Mistake(where=f"--{option.replace('_', '-')}", text=text))
    return found


def _plain(sweep: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in Path(sweep).stem)

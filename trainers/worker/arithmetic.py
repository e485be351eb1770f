"""How a worker's device computes: precision and determinism, set per job and recorded with its result. Light to import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from augment.heavy import torch
from eval.inference.products import Precision, precision_in_force, set_precision
from trainers.config import RecipeConfig
from trainers.errors import ImpossibleJob

Determinism = Literal["strict", "preferred", "off"]
"""Whether a GPU gives the same bits twice. "strict": an operation that has no deterministic form raises; "preferred": it warns;
"off": the fastest algorithms, found by trying. A CPU is always strict."""

CUBLAS_WORKSPACE: Final = "CUBLAS_WORKSPACE_CONFIG"
"""Environment variable with the buffers that cuBLAS works in."""
_REFUSED: Final = " does not have a deterministic implementation"
"""What follows the name of an operation in torch's error."""
_DETERMINISTIC_WORKSPACES: Final = (":4096:8", ":16:8")
"""Those of its values with which cuBLAS is deterministic, by its manual."""


def determinism_of(recipe: RecipeConfig) -> Determinism:
    """Return what a recipe asks for, of its training and of the evaluation of what was trained."""
    return "strict" if recipe.deterministic else "off"


def set_arithmetic(device: torch.device, precision: Precision, determinism: Determinism) -> None:
    """Set how a device computes in this process from now on, whatever was set before.

    Raises:
        ImpossibleJob: If a GPU is to be strict, and the environment has a workspace for cuBLAS that rules it out.
    """
    if device.type == "cuda":
        _set_workspace(determinism)
    set_precision(precision)
    wanted = determinism if device.type != "cpu" else "strict"
    torch.use_deterministic_algorithms(wanted != "off", warn_only=wanted == "preferred")
    # Deterministic mode also fills new tensors that are about to be written, which takes time.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 (a property of the module)
    torch.backends.cudnn.enabled = True
    torch.backends.cudnn.deterministic = wanted != "off"
    # Times the algorithms of a convolution at its first call; which one wins differs between runs.
    torch.backends.cudnn.benchmark = wanted == "off"


@contextmanager
def determinism_explained() -> Iterator[None]:
    """Say what may be changed, where torch refuses an operation because it is not deterministic.

    Raises:
        ImpossibleJob: In place of torch's error, with the operation and the fix.
    """
    try:
        yield
    except RuntimeError as error:
        operation, refused, _ = str(error).partition(_REFUSED)
        if not refused:
            raise
        raise ImpossibleJob(
            f"deterministic training must use deterministic operations only, but {operation.split()[-1]} has no such form here; "
            "train with deterministic: false, or with a network and a method that do without it"
        ) from error


def arithmetic_facts(device: torch.device, precision: Precision) -> dict[str, Any]:
    """Return what is recorded of a training that asks for a precision: how this process computes now."""
    is_strict = (
        torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    )
    return {
        "precision": precision_in_force(device, precision),
        "deterministic": is_strict,
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        "cublas_workspace": os.environ.get(CUBLAS_WORKSPACE, ""),
    }


def _set_workspace(determinism: Determinism) -> None:
    """Name the workspace of cuBLAS.

    cuBLAS and torch read it once, at the first product of the process, and a later job may ask for determinism. So every job
    names it; it costs up to 24 MiB of GPU memory.
    """
    workspace = os.environ.setdefault(CUBLAS_WORKSPACE, _DETERMINISTIC_WORKSPACES[0])
    if determinism == "strict" and workspace not in _DETERMINISTIC_WORKSPACES:
        raise ImpossibleJob(
            f"deterministic training needs {CUBLAS_WORKSPACE} to be one of {', '.join(_DETERMINISTIC_WORKSPACES)}, but it is "
            f"{workspace!r}; unset it on the workers, or train with deterministic: false"
        )

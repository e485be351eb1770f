"""The global state of a worker process, set again before every job. Light to import.

A warm process takes cell after cell. Whatever an earlier job, or a library that it used, left behind in torch or NumPy must
not reach the next one: a cell in a warm process is bit-identical to the same cell in a cold one.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from dataclasses import dataclass
from typing import Final

from augment.heavy import numpy as np
from augment.heavy import torch
from augment.kernels.cpus import available_cpus
from trainers.config import RecipeConfig
from trainers.seeding import seed_torch
from trainers.worker.arithmetic import determinism_of, set_arithmetic

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
"""Parameters of glibc's `mallopt`, by their numbers in malloc.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadBudget:
    """How a worker's CPU threads are shared: background threads that prepare images, and torch's own.

    Their sum is at most the worker's CPUs. On a CPU with few threads images are prepared between the steps, which costs
    about a hundredth of a step; next to a GPU, torch needs one thread and the images get the rest.
    """

    images: int
    torch: int


def thread_budget(threads: int | None, device: torch.device) -> ThreadBudget:
    """Divide a worker's threads.

    Args:
        threads: CPU threads of the worker, or None for the CPUs that this process may use.
    """
    total = max(1, threads or available_cpus())
    if device.type != "cpu":
        return ThreadBudget(images=max(1, total - 1), torch=1)
    if total < 4:
        return ThreadBudget(images=0, torch=total)
    images = max(1, total // 8)
    return ThreadBudget(images=images, torch=total - images)


def reset_process(budget: ThreadBudget, device: torch.device, recipe: RecipeConfig | None = None) -> None:
    """Set every global of torch and NumPy that can change a result, and the workspace of cuBLAS; other environment stays.

    Args:
        recipe: Whose precision and determinism hold on a GPU. None for what many trainings share (inputs that are generated):
            IEEE float32, deterministic where an operation has such a form.

    Raises:
        ImpossibleJob: See `set_arithmetic`.
    """
    hold_memory()
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_num_threads(budget.torch)
    torch.set_grad_enabled(True)
    torch.set_anomaly_enabled(False)
    torch.set_flush_denormal(False)
    torch.backends.mkldnn.set_flags(True)  # type: ignore[no-untyped-call]
    if recipe is None:
        set_arithmetic(device, "fp32", "preferred")
    else:
        set_arithmetic(device, recipe.precision, determinism_of(recipe))
    torch.set_autocast_enabled("cpu", False)
    torch.set_autocast_enabled("cuda", False)
    torch.set_autocast_cache_enabled(True)
    # Not imported for this: where nobody has, there is nothing to reset.
    if "torch._dynamo" in sys.modules:
        sys.modules["torch._dynamo"].reset()
    seed_torch(0, device)
    # NumPy's own defaults.
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def hold_memory() -> None:
    """Keep what a step frees for the next step, on systems whose allocator is glibc's; elsewhere do nothing.

    By default the activations of a step go back to the system as soon as they are freed, and the next step fetches them again
    page by page, which took 5 to 10 % of the CPU time of a small network. The most that a job has used stays with the process
    until `free_memory`.
    """
    libc = _glibc()
    if libc is not None:
        # The largest int: the heap never shrinks by itself. And no blocks by mmap, which go back when they are freed.
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_MMAP_MAX, 0)


def free_memory() -> None:
    """Free what earlier jobs left in cycles and give unused memory back; for the loop of a warm worker, between jobs.

    What is left are modules; they are set aside, since every later collection would walk them for a tenth of a second.
    """
    # Before freezing, which would keep garbage for good.
    gc.collect()
    gc.freeze()
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None

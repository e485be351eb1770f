"""The memory of a GPU that a worker may take when it shares the GPU with others. Light to import."""

from __future__ import annotations

from typing import Final

from augment.heavy import torch
from trainers.errors import UnusableDevice

CONTEXT_MIB: Final = 600.0
"""Memory that each process takes of a GPU on top of what its allocator counts: CUDA's context and loaded kernels; a rough figure
that was not measured here."""

GPUS_OPTION: Final = "--gpus-per-worker"
"""The option that says how many GPUs a worker reserves, where errors name none else."""

_MIB: Final = 2**20


def limit_memory(device: torch.device, share: float, option: str = GPUS_OPTION) -> None:
    """Keep this process to its share of a GPU's memory, so that it runs out of memory itself before a neighbour does.

    Args:
        share: GPUs that the worker reserved; from 1 on it has them for itself.
        option: What sets the share on the command line.

    Raises:
        UnusableDevice: If the share has no room for a process of CUDA.
    """
    if share >= 1:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    total_mib = torch.cuda.get_device_properties(device).total_memory / _MIB
    left_mib = share * total_mib - CONTEXT_MIB
    if left_mib <= 0:
        raise UnusableDevice(
            f"a share of a GPU must have more than the {CONTEXT_MIB:.0f} MiB that a process of CUDA takes, but {share:g} of "
            f"{total_mib:.0f} MiB has {share * total_mib:.0f} MiB; reserve more with {option}"
        )
    torch.cuda.set_per_process_memory_fraction(left_mib / total_mib, device)

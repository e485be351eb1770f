"""Reads how busy the machine of a worker is: the CPUs and the memory of all its processes, not of the training alone."""

from __future__ import annotations

from typing import Final

import psutil

from trainers.job import MachineUse

_MIB: Final = 2**20


class MachineWatch:
    """Reads the use of the CPUs between two looks, from its making on; a look costs less than a millisecond."""

    def __init__(self) -> None:
        psutil.cpu_percent(None)  # the first look of a thread has nothing to compare with

    def take(self, epoch: int) -> MachineUse:
        """Return the use since the last look."""
        used = psutil.virtual_memory().used
        return MachineUse(epoch=epoch, cpu_busy=psutil.cpu_percent(None) / 100, memory_mib=used / _MIB)

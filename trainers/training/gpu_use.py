"""How busy the GPUs of a training are: readings of NVML, averaged over an epoch and over the workers.

A thread reads them, so that a driver that answers slowly, or never, holds up no step; what cannot be read is left out.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from augment.heavy import torch
from trainers.training.group import ProcessGroup

SAMPLE_EVERY_S: Final = 1.0
"""NVML's own share of busy time covers up to a second."""

_MIB: Final = 2**20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """What one GPU, or several on average, did; None where NVML does not say it (busy and power of a slice of a GPU).

    Attributes:
        busy: Share of the time in which a kernel ran, 0 to 1.
        memory_mib: Memory in use on the GPU, that of other processes included.
        power_w: Power that it drew, in watts.
    """

    busy: float | None = None
    memory_mib: float | None = None
    power_w: float | None = None


NO_USE: Final = GpuUse()
"""Nothing is known."""


def mean_use(found: Sequence[GpuUse]) -> GpuUse:
    """Return the mean of each value over those that have it."""
    return GpuUse(
        busy=_mean([use.busy for use in found]),
        memory_mib=_mean([use.memory_mib for use in found]),
        power_w=_mean([use.power_w for use in found]),
    )


@contextmanager
def gpu_use_of(group: ProcessGroup) -> Iterator[Callable[[], GpuUse]]:
    """Watch the GPUs of a job; the function that is given returns their mean use since its last call, on every rank.

    Every rank must call it together. On CPUs nothing is watched, and no rank waits for another.
    """
    if group.device.type != "cuda":
        yield lambda: NO_USE
        return
    with GpuWatch(group.device) as watch:
        yield lambda: mean_use(group.gather(watch.take()))


class GpuWatch:
    """Reads one GPU every `SAMPLE_EVERY_S` seconds in the background, from `with` on."""

    def __init__(self, device: torch.device) -> None:
        """Watch the GPU that a device of torch is."""
        # By UUID: torch and NVML number GPUs differently where CUDA_VISIBLE_DEVICES hides some.
        self._uuid = str(torch.cuda.get_device_properties(device).uuid)
        self._since: list[GpuUse] = []
        self._last = NO_USE
        self._lock = threading.Lock()
        self._failed: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpu-use", daemon=True)

    def __enter__(self) -> GpuWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        # Not for ever: the thread may wait for a driver that does not answer.
        self._thread.join(timeout=2.0)

    def take(self) -> GpuUse:
        """Return the mean use since the last call; the last reading where there was none since, as after a short epoch."""
        with self._lock:
            found, self._since = self._since, []
            return mean_use(found) if found else self._last

    def _watch(self) -> None:
        try:
            nvml = importlib.import_module("pynvml")
            nvml.nvmlInit()
        except Exception as error:  # whatever it is, training goes on without readings
            self._report("any use of the GPU", error)
            return
        try:
            handle = _handle_of(nvml, self._uuid)
            while not self._stop.wait(SAMPLE_EVERY_S):
                use = self._read(nvml, handle)
                with self._lock:
                    self._since.append(use)
                    self._last = use
        except Exception as error:
            self._report("any use of the GPU", error)
        finally:
            nvml.nvmlShutdown()

    def _read(self, nvml: Any, handle: Any) -> GpuUse:
        return GpuUse(
            busy=self._value("busy time", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            memory_mib=self._value("memory", lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used / _MIB),
            power_w=self._value("power", lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        )

    def _value(self, name: str, read: Callable[[], float]) -> float | None:
        try:
            return read()
        except Exception as error:
            self._report(name, error)
            return None

    def _report(self, name: str, error: Exception) -> None:
        """Say once what cannot be read."""
        if name not in self._failed:
            self._failed.add(name)
            logger.warning("NVML does not report %s, so it is left out: %s", name, error)


def _handle_of(nvml: Any, uuid: str) -> Any:
    """Return NVML's handle of the GPU, or slice of one, that has this UUID; torch leaves out what kind it is."""
    kinds = ("",) if uuid.startswith(("GPU-", "MIG-")) else ("GPU-", "MIG-")
    for kind in kinds[:-1]:
        try:
            return nvml.nvmlDeviceGetHandleByUUID(f"{kind}{uuid}")
        except nvml.NVMLError:
            continue
    return nvml.nvmlDeviceGetHandleByUUID(f"{kinds[-1]}{uuid}")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

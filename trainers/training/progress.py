"""How far a training is: the part of its state that is numbers, and the rows that it reports."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch

from trainers.errors import NonFiniteLoss
from trainers.job import EpochRow, MachineUse
from trainers.training.gpu_use import NO_USE, GpuUse
from trainers.training.shards import Signals


@dataclass(slots=True)
class EpochSums:
    """Sums over the steps of the current epoch, also of the steps before a resume."""

    loss: float = 0.0
    correct: float = 0.0
    samples: int = 0
    seconds: float = 0.0
    wait_s: float = 0.0


@dataclass(slots=True)
class Progress:
    """How far a training is.

    Attributes:
        wall_s: Seconds of training over all attempts, up to the last checkpoint or epoch.
        device_s: The same times workers.
        workers: (first step, number of workers) of each stretch of the training, in order.
        machine: How busy the machine was in each epoch.
    """

    step: int = 0
    rows: list[EpochRow] = field(default_factory=list)
    sums: EpochSums = field(default_factory=EpochSums)
    wall_s: float = 0.0
    device_s: float = 0.0
    workers: list[tuple[int, int]] = field(default_factory=list)
    machine: list[MachineUse] = field(default_factory=list)

    def goes_on_with(self, num_workers: int) -> None:
        """Note how many workers train from here on."""
        if not self.workers or self.workers[-1][1] != num_workers:
            self.workers.append((self.step, num_workers))

    def state_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        """Restore what `state_dict` returned."""
        rows = [EpochRow(**row) for row in state["rows"]]
        return cls(
            step=state["step"],
            rows=rows,
            sums=EpochSums(**state["sums"]),
            wall_s=state["wall_s"],
            device_s=state["device_s"],
            workers=[(first, number) for first, number in state.get("workers", [])],
            machine=[MachineUse(**use) for use in state.get("machine", [])],
        )

    def end_epoch(
        self, *, lr: float, device: torch.device, held_out: tuple[float, float] | None = None, gpu: GpuUse = NO_USE
    ) -> EpochRow:
        """Turn the sums into a row and start the next epoch.

        Args:
            held_out: Loss and accuracy on the held-out images, or None where there are none.
            gpu: What the GPUs did in the epoch.
        """
        sums = self.sums
        row = EpochRow(
            epoch=len(self.rows),
            step=self.step,
            loss=sums.loss / sums.samples,
            accuracy=sums.correct / sums.samples,
            lr=lr,
            images_per_s=sums.samples / max(sums.seconds, 1e-9),
            data_wait_share=min(1.0, sums.wait_s / max(sums.seconds, 1e-9)),
            memory_mib=memory_mib(device),
            time=time.time(),
            validation_loss=None if held_out is None else held_out[0],
            validation_accuracy=None if held_out is None else held_out[1],
            gpu_busy=gpu.busy,
            gpu_memory_mib=gpu.memory_mib,
            gpu_power_w=gpu.power_w,
        )
        self.rows.append(row)
        self.sums = EpochSums()
        return row


def memory_mib(device: torch.device) -> float:
    """Return the most memory of a GPU that this process has reserved since its job began, or its resident memory, in MiB."""
    if device.type == "cuda":
        # Not what tensors took of it: what the allocator keeps for the next ones is taken from other processes all the same.
        return float(torch.cuda.max_memory_reserved(device)) / 2**20
    return float(psutil.Process().memory_info().rss) / 2**20


class SignalReader:
    """Reads the signals of the steps, on a GPU a few steps late so that the device never waits for the host.

    All ranks read the same values at the same step, so they act alike.
    """

    def __init__(self, device: torch.device, *, lag: int = 4, remembered: int = 8) -> None:
        """Describe the reader.

        Args:
            device: Where the signals are; on the CPU they are read at once.
            lag: Steps between a step and the reading of its signals on a GPU.
            remembered: Losses that an error reports.
        """
        self._lag = lag if device.type == "cuda" else 0
        self._pending: deque[tuple[int, float, int, torch.Tensor, torch.cuda.Event | None]] = deque()
        self._losses: deque[float] = deque(maxlen=remembered)

    def push(self, step: int, lr: float, num_samples: int, signals: torch.Tensor) -> None:
        """Remember the signals of a step."""
        if signals.device.type != "cuda":
            self._pending.append((step, lr, num_samples, signals.clone(), None))
            return
        host = torch.empty(signals.shape, dtype=signals.dtype, pin_memory=True)
        host.copy_(signals, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._pending.append((step, lr, num_samples, host, event))

    def read(self, *, everything: bool = False) -> list[tuple[int, Signals]]:
        """Return (samples, signals) of the steps whose turn it is, or of all.

        Raises:
            NonFiniteLoss: If one of their losses is NaN or infinite.
        """
        ready = []
        while len(self._pending) > (0 if everything else self._lag):
            step, lr, num_samples, tensor, event = self._pending.popleft()
            if event is not None:
                event.synchronize()
            signals = Signals(*tensor.tolist())
            self._losses.append(signals.loss)
            if not math.isfinite(signals.loss):
                raise NonFiniteLoss(step, lr, self._losses)
            ready.append((num_samples, signals))
        return ready

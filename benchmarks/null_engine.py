"""A device that takes batches in no time, for benchmarks of what batches for a GPU cost its host."""

from __future__ import annotations

import torch
from torch import Tensor

from eval.inference.streams import Event


class _Done:
    def synchronize(self) -> None:
        """Return at once."""


class NullEngine:
    """Copies nothing: a GPU copies by itself, so that its host's part remains."""

    def host_bytes(self, size: int) -> Tensor:
        """Return memory of the host."""
        return torch.empty(size, dtype=torch.uint8)

    device_bytes = host_bytes

    def upload(self, source: Tensor, target: Tensor, after: Event | None) -> Event:
        """Copy nothing."""
        return _Done()

    def receive(self, memory: Tensor, copied: Event) -> None:
        """Do nothing."""

    def mark(self) -> Event:
        """Return an event that has happened."""
        return _Done()

"""A results store that lives as long as its process; for tests and for trying things out."""

from __future__ import annotations

import time
from collections.abc import Callable

from clusters.storage.memory import MemoryStorage
from orchestration.store.files import DEFAULT_LEASE_EXPIRY_S, FileStore


class MemoryStore(FileStore):
    """The store over a dictionary; threads may share it, processes cannot."""

    def __init__(
        self, *, lease_expiry_s: float = DEFAULT_LEASE_EXPIRY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(MemoryStorage(), lease_expiry_s=lease_expiry_s, clock=clock)

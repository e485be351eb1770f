"""The lease under which runs and models are created, so that several drivers never make two of one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.temporary.owners import owner_here
from orchestration.store.contract import Leases
from orchestration.tracking.contract import TrackingError

_POLL_S: Final = 0.1
_PATIENCE_S: Final = 300.0


class CreationLock:
    """The store's lease for a tracking server.

    Args:
        uri: Address of the server; names the lease.
    """

    def __init__(self, store: Leases, uri: str) -> None:
        self._store = store
        # By the hash: an address has characters that a lease's name must not have, and may have a password.
        self._name = f"tracking-{hashlib.sha256(uri.encode()).hexdigest()[:16]}"
        self._owner = owner_here()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease; others wait their turn.

        Raises:
            TrackingError: If another driver has it for minutes.
        """
        patience = time.monotonic() + _PATIENCE_S
        while (lease := self._store.acquire(self._name, self._owner)) is None:
            if time.monotonic() > patience:
                raise TrackingError("another driver has been creating runs for minutes; try again", passing=True)
            time.sleep(_POLL_S)
        try:
            yield
        finally:
            self._store.release(lease)

"""The leases that a driver holds, and the thread that renews them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from orchestration.store.contract import Lease, Leases

LOCK_S: Final = 1.0
"""So long a thread that is left behind may hold the lock."""


class HeldLeases:
    """Takes, renews and gives back the leases of one driver; a context manager that gives all back at its end.

    Args:
        lock: Held around every call of the store, which other threads use too.
        heartbeat_s: Seconds between renewals.
        on_lost: Called with the train key of a lease that another driver took over, in the heartbeat's thread.
    """

    def __init__(
        self, store: Leases, lock: threading.RLock, *, owner: str, heartbeat_s: float, on_lost: Callable[[str], None]
    ) -> None:
        self._store = store
        self._lock = lock
        self._owner = owner
        self._heartbeat_s = heartbeat_s
        self._on_lost = on_lost
        self._held: dict[str, Lease] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="dreamgrid-leases", daemon=True)

    def acquire(self, train_key: str) -> bool:
        """Take the lease of a cell; return False while another driver holds it."""
        with self._lock:
            # The store would give the same lease again, for the price of its requests.
            if train_key in self._held:
                return True
            lease = self._store.acquire(train_key, self._owner)
            if lease is not None:
                self._held[train_key] = lease
            return lease is not None

    def release(self, train_key: str) -> None:
        """Give a lease back if it is held."""
        with self._lock:
            lease = self._held.pop(train_key, None)
            if lease is not None:
                self._store.release(lease)

    def holds(self, train_key: str) -> bool:
        """Return whether the lease of a cell is held, as far as the last heartbeat knows."""
        return train_key in self._held

    def beat(self) -> None:
        """Renew all leases once and report the lost ones."""
        with self._lock:
            held = dict(self._held)
            lost = self._store.renew(held.values()) if held else frozenset()
            for train_key in lost:
                self._held.pop(train_key, None)
        for train_key in sorted(lost):
            self._on_lost(train_key)

    def give_up(self) -> None:
        """Give all leases back without waiting for a thread that holds the lock and may never return."""
        self._is_over.set()
        has_lock = self._lock.acquire(timeout=LOCK_S)
        try:
            for lease in list(self._held.values()):
                self._store.release(lease)
            self._held.clear()
        finally:
            if has_lock:
                self._lock.release()

    def __enter__(self) -> HeldLeases:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # The heartbeat ends first: it must not renew what is given back below.
        self._is_over.set()
        # With a limit: a store that hangs must not hold up the end of the run, and the thread is a daemon.
        self._thread.join(timeout=self._heartbeat_s + 5.0)
        for train_key in list(self._held):
            self.release(train_key)

    def _beat(self) -> None:
        while not self._is_over.wait(self._heartbeat_s):
            try:
                self.beat()
            except Exception:
                # A store that cannot be reached for a moment is no reason to stop: the lease's expiry decides, and the
                # next beat shows whether another driver took over.
                continue

"""Leases by generations: the right to work on a cell, held by one driver at a time.

The files `leases/<train_key>/<generation>.json` of a cell count up; whoever creates the next number holds the lease,
and the exclusive creation has one winner. The holder rewrites its own file as a heartbeat. A lease is stale when that
file has not changed for `expiry_s` seconds by the waiter's own monotonic clock (clocks of machines are never
compared), and at once when its owner is a dead process of this host. The newest file is never deleted, so a number is
never used twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from clusters.storage.contract import MissingObjectError, Storage
from clusters.temporary.owners import is_dead
from orchestration.store.contract import Lease, Leases
from orchestration.store.parallel import each

_FOLDER: Final = "leases"
_FEW: Final = 16


class _State(msgspec.Struct, frozen=True):
    owner: str = ""
    state: str = ""


class FileLeases(Leases):
    """The leases in a storage. One instance remembers when it last saw the heartbeat of another driver.

    Args:
        expiry_s: Seconds without a heartbeat after which a lease may be taken over.
    """

    def __init__(self, storage: Storage, *, expiry_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._expiry_s = expiry_s
        self._clock = clock
        self._seen: dict[tuple[str, int], tuple[bytes, float]] = {}

    def acquire(self, train_key: str, owner: str) -> Lease | None:
        names = self._names(train_key)
        newest = _newest(names)
        if newest:
            data = self._read(train_key, newest)
            state = _state(data)
            # Ours from an earlier call: the same lease, not another generation.
            if state.owner == owner and state.state == "held":
                return Lease(train_key=train_key, owner=owner, generation=newest)
            if not self._is_free(train_key, newest, data, state):
                return None
        lease = Lease(train_key=train_key, owner=owner, generation=newest + 1)
        if not self._storage.write_exclusive(_path(train_key, newest + 1), _content(owner, "held"), durable=False):
            return None
        # After the next generation exists: without any file its number could be used twice.
        self._forget(train_key, names)
        return lease

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        def is_lost(lease: Lease) -> bool:
            # Taken over after a silence. Ours is not written again: the new holder may have deleted it.
            if _newest(self._names(lease.train_key)) != lease.generation:
                return True
            self._write(lease, "held")
            return False

        renewed = tuple(leases)
        lost = each(self._storage, renewed, is_lost)
        return frozenset(lease.train_key for lease, is_gone in zip(renewed, lost, strict=True) if is_gone)

    def release(self, lease: Lease) -> None:
        names = self._names(lease.train_key)
        if _newest(names) == lease.generation:
            # Marked, not deleted: the number stays used.
            self._write(lease, "released")
            self._forget(lease.train_key, [name for name in names if _generation(name) < lease.generation])

    def holders(self, train_keys: Iterable[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for key, newest in self._newest_of(frozenset(train_keys)).items():
            data = self._read(key, newest)
            state = _state(data)
            if not self._is_free(key, newest, data, state):
                found[key] = state.owner or "unknown"
        return found

    def _newest_of(self, keys: frozenset[str]) -> Mapping[str, int]:
        if len(keys) <= _FEW:
            return {key: newest for key in sorted(keys) if (newest := _newest(self._names(key)))}
        found: dict[str, int] = {}
        for info in self._storage.list(_FOLDER):
            _, key, *inside = info.path.split("/")
            name = inside[0] if len(inside) == 1 else ""
            if key in keys and _generation(name):
                found[key] = max(found.get(key, 0), _generation(name))
        return found

    def _is_free(self, key: str, generation: int, data: bytes, state: _State) -> bool:
        if state.state == "released" or is_dead(state.owner):
            return True
        now = self._clock()
        before, since = self._seen.get((key, generation), (None, now))
        # Seen for the first time, or changed: it has `expiry_s` from now on, by our own clock.
        if before != data:
            self._seen[key, generation] = (data, now)
            return False
        # While the storage was away no heartbeat could be written, nor seen.
        return now - max(since, self._storage.back_at) >= self._expiry_s

    def _names(self, key: str) -> tuple[str, ...]:
        return self._storage.names(f"{_FOLDER}/{key}")

    def _read(self, key: str, generation: int) -> bytes:
        try:
            return self._storage.read_bytes(_path(key, generation))
        except MissingObjectError:  # taken over and tidied between the two requests: its taker lives
            return b""

    def _write(self, lease: Lease, state: str) -> None:
        self._storage.write_bytes(_path(lease.train_key, lease.generation), _content(lease.owner, state), durable=False)

    def _forget(self, key: str, names: Iterable[str]) -> None:
        """Delete the files of generations that are over."""
        for name in names:
            if _generation(name):
                self._storage.delete(f"{_FOLDER}/{key}/{name}")
                self._seen.pop((key, _generation(name)), None)


def _path(key: str, generation: int) -> str:
    return f"{_FOLDER}/{key}/{generation:06d}.json"


def _newest(names: Iterable[str]) -> int:
    return max(map(_generation, names), default=0)


def _generation(name: str) -> int:
    stem = name.removesuffix(".json")
    return int(stem) if stem.isdecimal() else 0


def _content(owner: str, state: str) -> bytes:
    """Every heartbeat differs from the one before by its time; nobody compares that time with another clock."""
    return json.dumps({"owner": owner, "state": state, "beat": time.time_ns()}).encode()


def _state(data: bytes) -> _State:
    """Return the state in a lease file; one that cannot be read has none, and is stale once it stays unchanged."""
    try:
        return msgspec.json.decode(data, type=_State)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _State()

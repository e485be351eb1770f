"""The request to pause or stop, read again and again while files and storage misbehave."""

from __future__ import annotations

from clusters.storage.contract import StorageError
from clusters.storage.memory import MemoryStorage
from orchestration.engine.requested import StandingRequest
from orchestration.store.files import FileStore


class Away(MemoryStorage):
    """A storage that can be away."""

    is_away = False

    def read_bytes(self, path: str) -> bytes:
        if self.is_away:
            raise StorageError("unreachable", path, "the object storage returned SlowDown")
        return super().read_bytes(path)


def test_garbage_counts_as_no_request_and_is_reported_once() -> None:
    store, said = FileStore(MemoryStorage()), []
    request = StandingRequest(store, "sweep", said.append)
    store.storage.write_bytes("control/sweep.json", b"garbage")

    assert [request.read() for _ in range(3)] == [None] * 3
    (line,) = said
    assert "control/sweep.json" in line
    store.request("sweep", "stop")
    assert request.read() == "stop"


def test_while_the_storage_is_away_the_last_request_counts() -> None:
    storage, said = Away(), []
    store = FileStore(storage)
    request = StandingRequest(store, "sweep", said.append)
    store.request("sweep", "pause")
    assert request.read() == "pause"

    storage.is_away = True
    assert [request.read(), request.read()] == ["pause", "pause"]
    assert len(said) == 1
    storage.is_away = False
    store.request("sweep", None)
    assert request.read() is None

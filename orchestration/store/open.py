"""Open the results store: the truth about what was computed."""

from __future__ import annotations

import os

from clusters.storage.open import open_storage
from orchestration.errors import EnvironmentRefused
from orchestration.settings import STORAGE_VARIABLE
from orchestration.store.files import DEFAULT_LEASE_EXPIRY_S, FileStore, MemoryStore


def open_store(uri: str | os.PathLike[str], *, lease_expiry_s: float = DEFAULT_LEASE_EXPIRY_S) -> FileStore:
    """Open the results store in a local folder or at an s3://bucket/prefix; nothing is created before the first record.

    Args:
        uri: Storage root (DREAMGRID_STORAGE); "memory:" gives a store that ends with the process.

    Raises:
        StorageError: If the URI names no storage.
    """
    if os.fspath(uri) == "memory:":
        return MemoryStore(lease_expiry_s=lease_expiry_s)
    return FileStore(open_storage(uri), lease_expiry_s=lease_expiry_s)


def open_existing_store(uri: str | os.PathLike[str]) -> FileStore:
    """Open a results store that is only read: one that does not exist is a wrong name, not an empty store.

    Raises:
        EnvironmentRefused: If there is no such folder, or nothing under the prefix.
        StorageError: If the URI names no storage.
    """
    store = open_store(uri)
    if not store.exists():
        raise EnvironmentRefused(
            f"a storage must exist before it can be read, but '{store.uri}' does not; "
            f"name another with --storage or {STORAGE_VARIABLE}; a run creates it"
        )
    return store

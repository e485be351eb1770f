"""Forgetting cells: a tombstone in the store, and their checkpoints removed, so that they are missing and train afresh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clusters.storage import join, open_storage
from orchestration.errors import SweepError

if TYPE_CHECKING:
    from orchestration.store.base import ResultsStore


def forget(train_keys: Sequence[str], *, store: ResultsStore, checkpoints: str, reason: str) -> int:
    """Forget cells; return the bytes of checkpoints that were removed.

    The tombstone comes first: a forgetting that is cut short leaves cells missing, never recorded without a checkpoint.

    Args:
        train_keys: The cells.
        store: The results store.
        checkpoints: URI of the folder of all checkpoints.
        reason: Why, for the tombstone.

    Raises:
        SweepError: If a driver is at work on one of them; nothing is forgotten then.
    """
    holders = store.holders(train_keys)
    if holders:
        key, owner = next(iter(holders.items()))
        raise SweepError(
            f"cells under work cannot be forgotten, but {len(holders)} are held (cell {key[:12]} by {owner}); "
            "stop that sweep first: dreamgrid stop SWEEP"
        )
    removed = 0
    for key in train_keys:
        store.invalidate(key, reason)
        removed += remove_checkpoints(key, checkpoints)
    return removed


def remove_checkpoints(train_key: str, checkpoints: str) -> int:
    """Remove the checkpoint files of a cell; return their bytes."""
    storage = open_storage(join(checkpoints, train_key))
    files = storage.list()
    for file in files:
        storage.delete(file.path)
    return sum(file.size for file in files)

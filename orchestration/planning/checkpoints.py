"""Checkpoints of recorded cells: which a plan needs and cannot use, and forgetting cells with theirs.

A tombstone ends an era of a cell. Checkpoints and records belong to the era in which the lease was taken that they were made
under, so that whatever a forgetting could not delete, because it was killed or the folder is read-only, never counts again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from clusters.temporary.owners import owner_here
from orchestration.errors import SweepError, command
from orchestration.store.contract import CellResult, ResultsStore
from trainers.training.checkpoints import fault_of_final, remove_checkpoints


def unusable_checkpoints(
    incomplete: Iterable[str],
    *,
    results: Mapping[str, CellResult],
    ancestors: Callable[[str], Iterable[str]],
    store: ResultsStore,
    checkpoints: str,
) -> dict[str, str]:
    """Return the recorded cells whose checkpoint is needed and cannot be used, with the reason; they are trained again.

    Needed is the checkpoint of a wanted cell that has a benchmark missing, and those that an untrained one starts from; a cell
    that must be trained again needs its own parents in turn.

    Args:
        incomplete: Train keys of the wanted cells that something is missing of.
        ancestors: Train key -> those of the cells that it starts from.
        checkpoints: URI of the folder of all checkpoints.
    """
    faults: dict[str, str] = {}
    waiting, seen = list(incomplete), set[str]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        fault = _fault_of(key, results[key], store, checkpoints) if key in results else None
        if fault is not None:
            faults[key] = fault
        if fault is not None or key not in results:
            waiting += ancestors(key)
    return faults


def _fault_of(key: str, result: CellResult, store: ResultsStore, checkpoints: str) -> str | None:
    summary = result.training.summary
    etag = str(summary.environment.get("checkpoint_etag", ""))
    return fault_of_final(checkpoints, key, store.era(key), etag=etag, recorded=summary.checkpoint_sha256)


def forget(train_keys: Sequence[str], *, store: ResultsStore, checkpoints: str, reason: str) -> int:
    """Forget cells; return the bytes of checkpoints that were removed.

    Each cell is forgotten under its lease, and its tombstone comes first: wherever a forgetting is cut short, a cell is either
    recorded as before or missing, and training starts afresh.

    Args:
        checkpoints: URI of the folder of all checkpoints.
        reason: Why, for the tombstone.

    Raises:
        SweepError: If a driver is at work on one of them; nothing is forgotten then. If one takes a cell up meanwhile, the cells
            before it are forgotten.
    """
    holders = store.holders(train_keys)
    if holders:
        key, holder = next(iter(holders.items()))
        raise _held(key, holder, len(holders))
    owner = owner_here()
    return sum(_forget_one(key, owner, store=store, checkpoints=checkpoints, reason=reason) for key in train_keys)


def _forget_one(train_key: str, owner: str, *, store: ResultsStore, checkpoints: str, reason: str) -> int:
    lease = store.acquire(train_key, owner)
    if lease is None:
        raise _held(train_key, store.holders([train_key]).get(train_key, "another driver"), 1)
    try:
        store.invalidate(train_key, reason)
        return remove_checkpoints(checkpoints, train_key)
    finally:
        store.release(lease)


def _held(train_key: str, holder: str, number: int) -> SweepError:
    return SweepError(
        f"cells that a driver works on cannot be forgotten, but {number} are held (cell {train_key[:12]} by {holder}); "
        f"stop that sweep first: {command('stop', 'SWEEP')}"
    )

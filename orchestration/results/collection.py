"""Garbage collection: the cells of a storage that no sweep wants, neither a built-in one nor any that was run on it.

And what killed processes left: files that they were writing into the storage, and temporary folders of which the next start
cannot say whether their processes run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from augment.lookup.parameters import nearest
from clusters.storage.leftovers import discard, unfinished_writes
from clusters.storage.open import join, open_storage
from clusters.temporary.leftovers import Leftover, undecided_folders
from orchestration.errors import InputError, Mistake
from orchestration.planning.checkpoints import forget
from orchestration.planning.lookup import whole_results
from orchestration.planning.sweep_records import reachable_keys
from orchestration.store.contract import (
    AttemptRecord,
    CellResult,
    CorruptRecordError,
    OnDamage,
    ResultsStore,
    SweepRecord,
    SweptCell,
)
from orchestration.store.files import FileStore
from orchestration.sweeps.model import label_of

UNKNOWN = "(unknown)"
"""Sweep of a cell that was recorded before storages remembered their sweeps, or by none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """A cell that no sweep wants.

    Attributes:
        row: Row of the sweep that wanted it, else what it is: method, dataset and model.
        sweep: The sweep that wanted it, or `UNKNOWN`.
        seed: Its seed, or None where only failed attempts are recorded.
        recorded_at: When its training, or its last failed attempt, was recorded, in seconds since the epoch.
        checkpoint_bytes: Bytes of its checkpoints.
    """

    train_key: str
    row: str
    sweep: str
    seed: int | None
    recorded_at: float | None
    checkpoint_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a collection of garbage keeps and finds.

    Attributes:
        kept: The sweeps that were run on the storage and whose cells are kept, oldest first.
        dropped: Those whose cells are not kept because the user said so.
        leftovers: Files and folders of processes that ended without tidying up.
    """

    unwanted: tuple[Unwanted, ...]
    kept: tuple[SweepRecord, ...]
    dropped: tuple[SweepRecord, ...]
    leftovers: tuple[Leftover, ...] = ()

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes of the checkpoints of all unwanted cells."""
        return sum(cell.checkpoint_bytes for cell in self.unwanted)

    @property
    def leftover_bytes(self) -> int:
        """Bytes of all leftovers."""
        return sum(left.size for left in self.leftovers)


def collection(
    store: FileStore,
    *,
    checkpoints: str,
    data_root: Path,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    on_damage: OnDamage,
) -> Collection:
    """Return what could be deleted: cells that no built-in sweep wants, none that was run here, and no kept file.

    Imported cells, which cannot be computed, and cells that a driver works on are never among them.

    Args:
        checkpoints: URI of the folder of all checkpoints.
        keep: Paths of other sweep files whose cells are kept.
        drop: Labels of sweeps that were run here and whose cells need not be kept.
        on_damage: Is handed each record of a cell that is not whole; that cell, which may be imported, is kept.

    Raises:
        InputError: If a kept file is mistaken or a dropped sweep was never run here.
        CorruptRecordError: If the record of a sweep is not whole: what it wants is unknown then.
    """
    kept, dropped = _divided(store.sweeps(), drop)
    wanted = reachable_keys(keep, data_root=data_root).union(*(_keys(record) for record in kept))
    unwanted = _unwanted(store, wanted, dropped, checkpoints, on_damage)
    leftovers = (*unfinished_writes(store.storage), *undecided_folders())
    return Collection(unwanted=unwanted, kept=kept, dropped=dropped, leftovers=leftovers)


def delete(found: Collection, store: FileStore, *, checkpoints: str) -> tuple[Unwanted, ...]:
    """Delete leftovers and unwanted cells, and forget dropped sweeps; return the cells that were deleted.

    Time may have passed since they were found: what a sweep that was run meanwhile wants, or somebody works on, stays.

    Raises:
        SweepError: If a driver takes one of them up at this very moment; nothing is deleted then.
    """
    for left in found.leftovers:
        discard(left, store.storage)
    now_kept = [record for record in store.sweeps() if record not in found.dropped]
    wanted = frozenset[str]().union(*(_keys(record) for record in now_kept))
    held = store.holders(cell.train_key for cell in found.unwanted)
    cells = tuple(cell for cell in found.unwanted if cell.train_key not in wanted and cell.train_key not in held)
    keys = [cell.train_key for cell in cells]
    forget(keys, store=store, checkpoints=checkpoints, reason="no sweep needs it")
    for record in found.dropped:  # last: a deletion that is cut short goes on with the same command
        store.forget_sweep(record)
    return cells


def record_label(record: SweepRecord) -> str:
    """Return how a sweep that was run is called: its name with its size, as in `status`."""
    return label_of(record.name, record.size)  # type: ignore[arg-type]


def _divided(
    records: Sequence[SweepRecord], drop: Sequence[str]
) -> tuple[tuple[SweepRecord, ...], tuple[SweepRecord, ...]]:
    labels = list(dict.fromkeys(record_label(record) for record in records))
    mistakes = [
        Mistake(where=f"--drop {label}", text=f"no sweep '{label}' was run on this storage{nearest(label, labels)}")
        for label in drop
        if label not in labels
    ]
    if mistakes:
        raise InputError("options", mistakes)
    dropped = tuple(record for record in records if record_label(record) in drop)
    return tuple(record for record in records if record_label(record) not in drop), dropped


def _keys(record: SweepRecord) -> frozenset[str]:
    return frozenset(cell.train_key for cell in record.cells)


def _unwanted(
    store: ResultsStore, wanted: frozenset[str], dropped: Iterable[SweepRecord], checkpoints: str, on_damage: OnDamage
) -> tuple[Unwanted, ...]:
    others = sorted(set(store.train_keys()) - wanted)
    held = store.holders(others)
    damaged: list[CorruptRecordError] = []
    results, failures = whole_results(others, store, damaged.append), store.failures(others)
    not_whole = {error.train_key for error in damaged}
    for error in damaged:
        on_damage(error)
    known = {cell.train_key: (record_label(record), cell) for record in dropped for cell in record.cells}
    found = []
    for key in others:
        if key in held or key in not_whole or (key in results and results[key].is_imported):
            continue
        size = sum(file.size for file in open_storage(join(checkpoints, key)).list())
        if size or key in results:
            found.append(_described(key, size, known, results.get(key), failures.get(key, ())))
    return tuple(found)


def _described(
    key: str,
    size: int,
    known: Mapping[str, tuple[str, SweptCell]],
    result: CellResult | None,
    attempts: Sequence[AttemptRecord],
) -> Unwanted:
    config = result.training.provenance.config if result is not None else {}
    parts = [str(config[name]) for name in ("method", "dataset", "model") if config.get(name)]
    sweep, cell = known.get(key, (UNKNOWN, None))
    row = (cell.row or "(supporting)") if cell is not None else ", ".join(parts) or UNKNOWN
    seed = cell.seed if cell is not None else config.get("seed")
    recorded_at = result.training.provenance.recorded_at if result is not None else None
    return Unwanted(
        train_key=key,
        row=row,
        sweep=sweep,
        seed=seed if isinstance(seed, int) else None,
        recorded_at=recorded_at or max((attempt.ended_at for attempt in attempts), default=None),
        checkpoint_bytes=size,
    )

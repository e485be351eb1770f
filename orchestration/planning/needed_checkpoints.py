"""Which recorded checkpoints a plan needs, and which of those cannot be used: their cells are trained again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orchestration.store.contract import CellResult, ResultsStore
from trainers.training.checkpoints import fault_of_final


def unusable_checkpoints(
    incomplete: Iterable[str],
    *,
    results: Mapping[str, CellResult],
    ancestors: Callable[[str], Iterable[str]],
    store: ResultsStore,
    checkpoints: str,
) -> dict[str, str]:
    """Return the recorded cells whose checkpoint is needed and cannot be used, with the reason.

    Needed is the checkpoint of a wanted cell that has a benchmark missing, and those that an untrained one starts from; a cell
    that must be trained again needs its own parents in turn.

    Args:
        incomplete: Train keys of the wanted cells that something is missing of.
        results: What is recorded, by train key.
        ancestors: Train key -> those of the cells that it starts from.
        store: The results store.
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

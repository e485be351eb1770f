"""Taking a checkpoint over as the training of a cell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.temporary.owners import describe, is_alive_here, owner_here
from orchestration.cells.cell import PlannedCell
from orchestration.engine.driver.leases import HeldLeases
from orchestration.engine.options import LeaseTimings
from orchestration.errors import EnvironmentRefused, command
from orchestration.evaluation.checkpoints import LoadedNetwork, Reading, load_network, refused, tried
from orchestration.settings import Settings
from orchestration.store.contract import ResultsStore, TrainingRecord
from orchestration.store.files import DEFAULT_LEASE_EXPIRY_S
from orchestration.store.provenance import provenance_of
from trainers.job import TrainSummary
from trainers.training.checkpoints import Checkpoints, tensors_sha256
from trainers.training.networks import network_facts
from trainers.training.own_record import contradictions
from trainers.training.progress import Progress

PATIENCE_S: Final = DEFAULT_LEASE_EXPIRY_S + 10.0
"""How long a lease may be silent before it is taken over, and a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What was adopted.

    Attributes:
        sha256: Hash of the checkpoint as it is stored.
        assumed: What is assumed of the weights, as `trainers.models.weights.assumption` describes it.
        against: What in the file's own record contradicts the row, if it was adopted anyway.
    """

    sha256: str
    assumed: Mapping[str, Any]
    against: tuple[str, ...]


def adopt(
    path: Path,
    cell: PlannedCell,
    *,
    settings: Settings,
    store: ResultsStore,
    reading: Reading | None = None,
    is_forced: bool = False,
    patience_s: float = PATIENCE_S,
) -> Adopted:
    """Take a checkpoint over as the training of a cell. The cell's benchmarks are then missing, not done.

    The weights must fit the cell's network, and nothing that the file records of itself may contradict the row. Nothing can prove
    that they were trained as the cell says: the record names the file that they came from, and tables mark what comes of them.

    Args:
        is_forced: Whether to adopt it against its own record, with a mark.
        patience_s: Seconds to wait for the lease of a driver that gives no sign of life.

    Raises:
        InputError: If the cell is trained already, is that of a released network, or the file does not fit.
        EnvironmentRefused: If a driver is at work on the cell.
    """
    if cell.config.released is not None:
        raise refused(path, f"the row is that of the released network {cell.config.released!r}; its own file is read")
    _check_untrained(path, cell, is_trained=cell.trained)
    network = load_network(path, config=cell.config, reading=reading)
    against = _against(network, cell)
    if against and not is_forced:
        text = f"its own record contradicts the row: {'; '.join(against)}; adopt it in the row that it belongs to, or "
        raise refused(path, f"{text}with --force, which marks the row")
    assumed = tried(network, settings)
    assert assumed is not None  # a network that is read for a configuration always has one
    environment: dict[str, Any] = {"adopted_from": str(path), "adopted_sha256": network.sha256, "assumed": assumed}
    environment |= {"adopted_against": list(against)} if against else {}
    with _held(cell, store, patience_s):
        _check_untrained(path, cell, is_trained=store.result(cell.train_key) is not None)
        digest = _record(network, cell, environment, settings, store)
    return Adopted(sha256=digest, assumed=assumed, against=against)


def _check_untrained(path: Path, cell: PlannedCell, *, is_trained: bool) -> None:
    if is_trained:
        again = command("cells invalidate", cell.cell_id, options=("--reason", "why"))
        raise refused(path, f"cell {cell.cell_id} is trained already; forget it first: {again}")


def _against(network: LoadedNetwork, cell: PlannedCell) -> tuple[str, ...]:
    """Return what the file says of itself against the row; a checkpoint of ours names the cell that it is the training of."""
    found = contradictions(network.record, cell.config)
    own = network.record.get("train_key")
    if isinstance(own, str) and own != cell.train_key:
        found.append(f"it is the training of cell {own[:12]}, the row is cell {cell.cell_id}")
    if own is not None and "network.model" not in network.record:
        found.append("it is an intermediate checkpoint, not a final one")
    return (*found, *_inherited(network))


def _inherited(network: LoadedNetwork) -> list[str]:
    """Return what an adopted checkpoint was adopted against before."""
    before = "environment.adopted_against."
    return [str(value) for path, value in network.record.items() if path.startswith(before)]


def _record(
    network: LoadedNetwork, cell: PlannedCell, environment: dict[str, Any], settings: Settings, store: ResultsStore
) -> str:
    weights = network.model.cpu().state_dict()
    environment = {**environment, "weights_sha256": tensors_sha256(weights), "finished_at": time.time()}
    state = {
        "model": weights,
        "progress": Progress().state_dict(),
        "network": network_facts(cell.config),
        "resumed_from": None,
        "environment": environment,
    }
    checkpoints = Checkpoints(settings.checkpoints, cell.train_key, era=store.era(cell.train_key))
    stored = checkpoints.save_final(state)
    summary = TrainSummary(
        checkpoint_sha256=stored.sha256,
        checkpoint_uri=stored.uri,
        epochs=(),
        resumed_from_step=None,
        wall_s=0.0,
        device_s=0.0,
        environment=environment,
    )
    store.record_training(TrainingRecord(train_key=cell.train_key, summary=summary, provenance=provenance_of(cell)))
    return stored.sha256


@contextmanager
def _held(cell: PlannedCell, store: ResultsStore, patience_s: float) -> Iterator[None]:
    """Hold the lease of a cell while the body runs.

    A driver that is seen to live is not waited for, since a training can take days; a silent one is given its time.

    Raises:
        EnvironmentRefused: If a driver holds it.
    """
    timings = LeaseTimings()
    keeper = HeldLeases(
        store, threading.RLock(), owner=owner_here(), heartbeat_s=timings.heartbeat_s, on_lost=lambda key: None
    )
    with keeper:
        if not _taken(lambda: keeper.acquire(cell.train_key), cell, store, patience_s, timings.poll_s):
            holder = store.holders([cell.train_key]).get(cell.train_key, "another driver")
            raise EnvironmentRefused(
                f"a cell can be adopted only while no driver works on it, but cell {cell.cell_id} is held by "
                f"{describe(holder)}; wait until it ends, or stop that sweep first: {command('stop', 'SWEEP')}"
            )
        yield


def _taken(
    acquire: Callable[[], bool], cell: PlannedCell, store: ResultsStore, patience_s: float, poll_s: float
) -> bool:
    deadline = time.monotonic() + patience_s
    while not acquire():
        holder = store.holders([cell.train_key]).get(cell.train_key)
        if (holder is not None and is_alive_here(holder)) or time.monotonic() >= deadline:
            return False
        time.sleep(min(poll_s, max(0.0, deadline - time.monotonic())))
    return True

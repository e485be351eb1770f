"""What must hold after any fault, once the sweep was run to its end: nothing lost, doubled, altered or left behind."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from clusters.storage.contract import TEMPORARY
from clusters.temporary.private import is_log
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.store.files import FileStore
from tests.faults.harness.processes import described, end, remaining
from tests.faults.harness.recorded import Numbers, numbers_of, plan_of
from tests.faults.harness.scene import Scene

BROKEN: Final = (
    "lost",
    "doubled",
    "altered",
    "tracking",
    "lease",
    "process",
    "shared memory",
    "temporary file",
    "outcome",
)
"""The ways in which a promise can be broken; each problem begins with one of them."""
_SHARED: Final = Path("/dev/shm")
_TRACKED: Final = """
select runs.run_uuid, runs.status, tags.value from runs
join tags on tags.run_uuid = runs.run_uuid and tags.key = 'cell_key'
join experiments on experiments.experiment_id = runs.experiment_id and experiments.name = ?
where runs.lifecycle_stage = 'active'
"""


def shared_memory() -> frozenset[str]:
    """Return the names of what is in shared memory now."""
    return frozenset(os.listdir(_SHARED)) if _SHARED.is_dir() else frozenset()


def audit(scene: Scene, expected: Mapping[str, Numbers], *, shared_before: frozenset[str]) -> list[str]:
    """Return every broken promise of a scene whose sweep was run to its end; an empty list where all of them held.

    Args:
        expected: Train key -> the numbers of an undisturbed run.
        shared_before: What was in shared memory before the scene.
    """
    plan, store = plan_of(scene.sweep, scene.storage)
    problems = [*left_running(scene), *_cells(scene, plan, store, expected), *_computed_once(scene, plan, store)]
    problems += held_leases(plan, store)
    if not scene.tracking:
        problems += tracking_problems(scene.database, plan, store)
    return [*problems, *_left_files(scene), *_left_shared(shared_before)]


def left_running(scene: Scene) -> Iterator[str]:
    """Yield the processes of a scene that do not end by themselves, and end them."""
    found = remaining(scene.mark)
    yield from (f"process: still running: {described(process)}" for process in found)
    end(found)


def _cells(scene: Scene, plan: Plan, store: FileStore, expected: Mapping[str, Numbers]) -> Iterator[str]:
    results = store.results(cell.train_key for cell in plan.cells)
    failed = [cell for cell in plan.cells if cell.train_key not in results and cell.failed]
    if len(failed) != scene.workload.num_failing:
        yield f"lost: {len(failed)} cells failed, but {scene.workload.num_failing} must: {[c.failed for c in failed]}"
    for cell in plan.cells:
        result = results.get(cell.train_key)
        if result is None:
            if cell not in failed:
                yield f"lost: nothing is recorded of cell {cell.cell_id}"
            continue
        if not cell.is_done:
            yield f"lost: cell {cell.cell_id} lacks {[request.name for request in cell.missing]}"
        if numbers_of(result) != expected.get(cell.train_key):
            yield f"altered: cell {cell.cell_id} is not what an undisturbed run computes"
        yield from _doubled(store, cell)


def _doubled(store: FileStore, cell: PlannedCell) -> Iterator[str]:
    era = store.era(cell.train_key)
    folders = [name.rstrip("/") for name in store.storage.names(f"results/{cell.train_key}")]
    counted = [name for name in folders if name.partition("~")[2] == (str(era) if era else "")]
    if len(counted) != 1:
        yield f"doubled: cell {cell.cell_id} has results of {len(counted)} trainings"


def _computed_once(scene: Scene, plan: Plan, store: FileStore) -> Iterator[str]:
    """No cell that one run completed was completed by another, unless it was invalidated in between."""
    kept = {cell.cell_id: cell.train_key for cell in plan.cells if store.era(cell.train_key) == 0}
    counts: Counter[str] = Counter()
    for driver in scene.drivers:
        computed = set(driver.document().get("computed", ()))
        if "computed" not in driver.document():
            # It was killed: what it said last counts.
            computed = {event[1][:12] for event in driver.events("completed")}
        counts.update(computed & kept.keys())
    yield from (f"doubled: cell {cell} was completed by {number} runs" for cell, number in counts.items() if number > 1)


def held_leases(plan: Plan, store: FileStore) -> Iterator[str]:
    """Yield the cells of a plan that somebody still has a lease of, though nobody works on them."""
    holders = store.holders(cell.train_key for cell in plan.cells)
    yield from (f"lease: cell {key[:12]} is still held by {owner}" for key, owner in holders.items())


def tracking_problems(database: Path, plan: Plan, store: FileStore) -> list[str]:
    """Return where a database of MLflow differs from what the store has of a sweep; read without MLflow."""
    if not database.is_file():
        return [f"tracking: there is no database at {database}"]
    results = store.results(cell.train_key for cell in plan.cells)
    problems = []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = list(connection.execute(_TRACKED, (plan.sweep,)))
        for cell in plan.cells:
            runs = [(run, status) for run, status, key in rows if key == cell.train_key]
            if len(runs) != 1:
                problems.append(f"tracking: cell {cell.cell_id} has {len(runs)} runs")
                continue
            ((run, status),) = runs
            is_recorded = cell.train_key in results
            if status != ("FINISHED" if is_recorded else "FAILED"):
                problems.append(f"tracking: the run of cell {cell.cell_id} is {status}")
            if is_recorded:
                problems += _metrics(connection, run, cell, numbers_of(results[cell.train_key]))
    return problems


def _metrics(connection: sqlite3.Connection, run: str, cell: PlannedCell, numbers: Numbers) -> Iterator[str]:
    question = "select key, value from latest_metrics where run_uuid = ?"
    shown: dict[str, float] = dict(connection.execute(question, (run,)).fetchall())
    for name, (value, _) in numbers.metrics.items():
        if shown.get(name) != value:
            yield f"tracking: {name} of cell {cell.cell_id} is {shown.get(name)}, but {value} is recorded"
    curve = "select count(distinct step), count(*) from metrics where run_uuid = ? and key = 'train/loss'"
    steps, points = connection.execute(curve, (run,)).fetchone()
    if not steps == points == len(numbers.losses):
        yield f"tracking: the curve of cell {cell.cell_id} has {points} points of {steps} epochs, not {len(numbers.losses)}"


def _left_files(scene: Scene) -> Iterator[str]:
    """Yield temporary files that nobody is left to remove: in the folder for them, and in the storage."""
    for folder in (scene.temporary, scene.folder):
        for root, _, names in os.walk(folder):
            for path in (Path(root, name) for name in names):
                is_left = path.name.startswith(TEMPORARY) if folder == scene.folder else not _outlasts(path)
                if is_left:
                    yield f"temporary file: {path}"


def _outlasts(path: Path) -> bool:
    """Whether a temporary file is meant to outlast its process: a log, which messages name, and whose it is."""
    return is_log(path) or path.name == "owner"


def _left_shared(before: frozenset[str]) -> Iterator[str]:
    mapped = _mapped_names()
    left = sorted(name for name in shared_memory() - before if name not in mapped)
    yield from (f"shared memory: {name}" for name in left)


def _mapped_names() -> set[str]:
    """Return the names in shared memory that some process of this machine still maps: those are not left over."""
    found: set[str] = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        except OSError:
            continue
        found.update(line.rpartition("/")[2] for line in lines if f"{_SHARED}/" in line)
    return found


def kinds_of(problems: list[str]) -> Counter[str]:
    """Return how many of the problems are of each kind of `BROKEN`, those of none included."""
    counts: Counter[Any] = Counter(dict.fromkeys(BROKEN, 0))
    counts.update(problem.partition(":")[0] for problem in problems)
    return counts

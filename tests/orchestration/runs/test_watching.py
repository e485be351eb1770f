"""What `watch` finds in a storage and says of it: before, while and after a driver runs; and how often it looks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clusters.storage.contract import StorageError
from clusters.storage.memory import MemoryStorage
from clusters.temporary.owners import owner_here
from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.costs.estimate import estimate
from orchestration.planning.costs.machines import read_machine
from orchestration.planning.plan import make_plan
from orchestration.planning.states import STATES
from orchestration.runs.watching.lines import (
    COLOURS,
    cell_columns,
    cell_texts,
    failure_lines,
    load_lines,
    summary_lines,
)
from orchestration.runs.watching.looks import Looks
from orchestration.runs.watching.snapshot import Load, Snapshot, loads_of
from orchestration.store.contract import AttemptRecord
from orchestration.store.driver_report import DriverReport, RunningCell, UseOfWorker
from orchestration.store.files import FileStore
from orchestration.sweeps.model import Overrides
from tests.fakes.clock import Time
from tests.fakes.recorded_sweep import record_cell

WRITES = {"write_bytes", "write_exclusive", "delete", "upload_file"}
LISTINGS = {"list", "names"}
OWNER = owner_here()


class NotedStorage(MemoryStorage):
    """A storage that notes the calls that it answers; it may be far away, or not answer."""

    def __init__(self, *, is_remote: bool = False) -> None:
        super().__init__()
        self.is_remote = is_remote
        self.calls: list[tuple[str, str]] = []
        self.is_away = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in WRITES | LISTINGS | {"read_bytes", "read_range", "stat"}:
            return found

        def noted(path: str = "", *arguments: Any, **named: Any) -> Any:
            if self.is_away:
                raise StorageError("unreachable", path, "the storage does not answer")
            self.calls.append((name, path))
            return found(path, *arguments, **named)

        return noted


@pytest.fixture
def sweep() -> ResolvedSweep:
    return load_sweep("demo", size="smoke", overrides=Overrides(settings={"train.epochs": 3}))


@pytest.fixture
def store() -> FileStore:
    return FileStore(NotedStorage())


@pytest.fixture
def plan(sweep: ResolvedSweep, store: FileStore) -> Plan:
    return make_plan(sweep, store=store)


def looks_at(sweep: ResolvedSweep, store: FileStore, **options: Any) -> Looks:
    return Looks(sweep, store, machine=read_machine(), on_damage=lambda error: pytest.fail(str(error)), **options)


def look(sweep: ResolvedSweep, store: FileStore) -> Snapshot:
    return looks_at(sweep, store).look()


def attempt(key: str, message: str = "it broke") -> AttemptRecord:
    return AttemptRecord(train_key=key, attempt=1, error_class="bug", message=message, started_at=1.0, ended_at=2.0)


def running(plan: Plan, **changes: Any) -> DriverReport:
    """Return the report of a driver of this process that trains the first two cells."""
    first, second = plan.to_run[:2]
    use = UseOfWorker(node="node-1", rank=0, cpu_busy=0.5, gpu_busy=None)
    cells = (
        RunningCell(
            train_key=first.train_key, stage="train", done=1, total=2, epoch=1, loss=1.5, accuracy=0.25,
            images_per_s=80.0, running_s=9.0, workers=(use,),
        ),
        RunningCell(train_key=second.train_key),
    )  # fmt: skip
    values: dict[str, Any] = {
        "cells": cells,
        "share": 0.25,
        "eta_s": 250.0,
        "cells_per_hour": 120.0,
        "log_file": "/logs/run.log",
    }
    return DriverReport(**{"owner": OWNER, "sweep": "demo-smoke", "beat": 1, **values, **changes})


def test_before_any_driver_runs_the_whole_sweep_is_there_to_see(sweep: ResolvedSweep, store: FileStore) -> None:
    shown = look(sweep, store)

    assert (shown.label, shown.title) == ("demo-smoke", "Five methods on the digits")
    assert shown.counts == "5 cells: 5 waiting"
    assert (shown.activity, shown.is_run, shown.share, shown.eta_s) == ("no driver runs it", False, None, None)
    assert len(shown.tables) == 1
    assert shown.cost.spent_h == 0.0


def test_the_expected_cost_is_the_one_that_plan_shows(sweep: ResolvedSweep, store: FileStore, plan: Plan) -> None:
    made = estimate(plan, store=store, catalogue=sweep.catalogue, machine=read_machine())
    cost = look(sweep, store).cost

    assert cost.expected_h == pytest.approx(made.device_hours)
    assert cost.money(cost.expected_h) == pytest.approx(made.money)


def test_a_driver_anywhere_shows_by_what_it_reports(sweep: ResolvedSweep, store: FileStore, plan: Plan) -> None:
    store.report_driver(running(plan))
    shown = look(sweep, store)
    first, second, third, *_ = shown.cells

    assert shown.counts == "5 cells: 2 running, 3 waiting"
    assert shown.activity.startswith("running: process ")
    assert (shown.eta_s, shown.cells_per_hour, shown.images_per_s) == (250.0, 120.0, 80.0)
    assert (first.state, first.progress, first.loss, first.accuracy) == (
        "running",
        "training 50 %, epoch 2 of 3",
        1.5,
        0.25,
    )
    assert (second.progress, third.state) == ("starting", "waiting")
    assert shown.share == 0.25
    assert 0.0 < shown.cost.spent_h < shown.cost.expected_h
    assert "25 % of this run done, about 4.2 min left, 120 cells/h, training on 80 images/s" in summary_lines(shown)
    assert "busy: node-1 CPU 50 % (no GPU reported)" in summary_lines(shown)


def test_a_cell_that_another_sweeps_driver_runs_is_running_here_too(
    sweep: ResolvedSweep, store: FileStore, plan: Plan
) -> None:
    store.report_driver(running(plan, sweep="table-3"))
    shown = look(sweep, store)

    assert shown.counts == "5 cells: 2 running, 3 waiting"
    assert (shown.activity, shown.eta_s) == ("no driver runs it", None)


def test_what_an_earlier_version_runs_shows_by_its_leases(sweep: ResolvedSweep, store: FileStore, plan: Plan) -> None:
    store.acquire(plan.cells[0].train_key, owner_here())

    assert look(sweep, store).counts == "5 cells: 1 running, 4 waiting"


def test_a_driver_that_died_here_is_gone_at_once(sweep: ResolvedSweep, store: FileStore, plan: Plan) -> None:
    here = owner_here().split("/")
    store.report_driver(running(plan, owner="/".join([*here[:2], "999999999", "1", "x"])))
    shown = look(sweep, store)

    assert shown.counts == "5 cells: 5 waiting"
    assert shown.activity == (
        f"no driver runs it: process 999999999 on {here[0]} died or lost the storage; run it again to continue"
    )


def test_a_driver_elsewhere_is_gone_when_it_is_silent_for_as_long_as_its_leases_last(
    sweep: ResolvedSweep, store: FileStore, plan: Plan
) -> None:
    clock, elsewhere = Time(), "far/boot/12/1/x"
    looks = looks_at(sweep, store, clock=clock)
    store.report_driver(running(plan, owner=elsewhere))
    assert looks.look().is_run

    clock.now = 30.0
    shown = looks.look()
    assert shown.activity == "running: process 12 on far, silent for 30 s"
    assert shown.eta_s == 220.0
    store.report_driver(running(plan, owner=elsewhere, beat=2))
    clock.now = 80.0
    assert looks.look().activity == "running: process 12 on far"
    clock.now = 140.0
    assert looks.look().counts == "5 cells: 5 waiting"


def test_when_all_is_done_it_says_so_and_shows_the_table(sweep: ResolvedSweep, store: FileStore) -> None:
    for cell in sweep.cells:
        record_cell(cell, store)
    shown = look(sweep, store)

    assert (shown.activity, shown.is_over) == ("complete", True)
    assert any(entry is not None for row in shown.tables[0].entries for entry in row)
    assert summary_lines(shown)[-1].startswith(("cost: ", "not complete: "))


def test_failures_are_shown_with_their_reasons(sweep: ResolvedSweep, store: FileStore, plan: Plan) -> None:
    for cell in plan.cells:
        store.record_attempt(attempt(cell.train_key, "it broke\nat length"))
    shown = look(sweep, store)

    assert shown.activity == "over: every cell is done or failed"
    assert failure_lines(shown)[0] == "failed: Baseline seed 0: bug: it broke"
    assert failure_lines(shown)[-1] == "and 2 more failed"


def test_requests_to_the_drivers_are_shown(sweep: ResolvedSweep, store: FileStore) -> None:
    store.request("demo-smoke", "pause")

    assert look(sweep, store).activity == "no driver runs it; asked to pause"


def test_records_are_read_again_only_when_a_driver_says_that_there_are_more(
    sweep: ResolvedSweep, store: FileStore, plan: Plan
) -> None:
    looks, storage = looks_at(sweep, store), store.storage
    assert isinstance(storage, NotedStorage)
    store.report_driver(running(plan))
    looks.look()
    record_cell(sweep.cells[2], store)
    storage.calls.clear()
    store.report_driver(running(plan, beat=2))
    storage.calls.clear()

    looks.look()
    assert [path.split("/")[0] for _, path in storage.calls] == ["drivers", "drivers", "control"]
    assert sum(call in LISTINGS for call, _ in storage.calls) == 1

    store.report_driver(running(plan, beat=3, changes=1))
    assert looks.look().cells[2].state == "done"


@pytest.mark.parametrize("is_remote", [False, True])
def test_looking_writes_nothing(sweep: ResolvedSweep, plan: Plan, is_remote: bool) -> None:
    storage = NotedStorage(is_remote=is_remote)
    store = FileStore(storage)
    store.report_driver(running(plan))
    for cell in sweep.cells[:3]:
        record_cell(cell, store)
    store.record_attempt(attempt(plan.cells[4].train_key))
    storage.calls.clear()
    looks = looks_at(sweep, store)
    for _ in range(3):
        looks.look(is_asked=True)
    looks.detail(plan.cells[0].train_key)

    assert storage.calls
    assert not [call for call in storage.calls if call[0] in WRITES]


def test_looks_become_rare_while_nothing_happens(sweep: ResolvedSweep, store: FileStore, plan: Plan) -> None:
    looks = looks_at(sweep, store, every_s=2.0)
    waits = []
    for _ in range(6):
        looks.look()
        waits.append(looks.wait_s)
    assert waits == [2.0, 4.0, 8.0, 16.0, 16.0, 16.0]

    looks.look(is_asked=True)
    assert looks.wait_s == 2.0
    store.report_driver(running(plan))
    looks.look()
    looks.look()
    assert looks.wait_s == 2.0


def test_an_object_store_is_never_listed_more_often_than_every_few_seconds(sweep: ResolvedSweep) -> None:
    store = FileStore(NotedStorage(is_remote=True))

    assert looks_at(sweep, store).wait_s == 10.0
    assert looks_at(sweep, store, every_s=0.2).wait_s == 3.0


def test_a_storage_that_goes_away_leaves_the_last_picture_with_the_reason(
    sweep: ResolvedSweep, store: FileStore
) -> None:
    looks, storage = looks_at(sweep, store), store.storage
    assert isinstance(storage, NotedStorage)
    looks.look()
    storage.is_away = True
    shown = looks.look()

    assert shown.counts == "5 cells: 5 waiting"
    assert any(
        line.startswith("the storage does not answer: the storage does not answer") for line in summary_lines(shown)
    )
    storage.is_away = False
    assert looks.look().trouble == ""


def test_a_storage_that_never_answered_is_an_error(sweep: ResolvedSweep, store: FileStore) -> None:
    assert isinstance(store.storage, NotedStorage)
    store.storage.is_away = True

    with pytest.raises(StorageError):
        look(sweep, store)


def test_the_detail_of_a_cell_has_settings_times_and_the_last_error(
    sweep: ResolvedSweep, store: FileStore, plan: Plan
) -> None:
    first, second, third = plan.cells[:3]
    trace = {"ranks": [{"rank": 0, "message": "m", "trace": "Traceback\n  File x\nValueError: 7"}]}
    store.record_attempt(msgspec.structs.replace(attempt(third.train_key), context=trace))
    record_cell(sweep.cells[1], store)
    store.report_driver(running(plan))
    looks = looks_at(sweep, store)
    looks.look()

    text = "\n".join(looks.detail(first.train_key))
    assert f"cell {first.cell_id}: Baseline, seed 0" in text
    assert "method: baseline" in text
    assert "running for 9 s (training 50 %)" in text
    assert "log of Ray on that machine: /logs/run.log" in text
    assert f"more of it: dreamgrid cells logs {first.cell_id}" in text
    recorded = "\n".join(looks.detail(second.train_key))
    assert "trained in 1 s" in recorded
    assert "clean in 0 s: error 0.00 %" in recorded
    text = "\n".join(looks.detail(third.train_key))
    assert "attempt 1 failed after 1 s: bug: it broke" in text
    assert "    ValueError: 7" in text


def test_the_load_is_that_of_machines_with_a_gpu_for_each_worker() -> None:
    uses = [
        UseOfWorker(node="b", rank=0, cpu_busy=0.2, gpu_busy=0.9),
        UseOfWorker(node="b", rank=1, cpu_busy=0.4, gpu_busy=0.8),
    ]
    other = UseOfWorker(node="a", rank=0, cpu_busy=1.0, gpu_busy=None)
    found = loads_of([RunningCell(train_key="x", workers=tuple(uses)), RunningCell(train_key="y", workers=(other,))])

    assert found == (Load(node="a", cpu=1.0), Load(node="b", cpu=pytest.approx(0.3), gpus=(0.9, 0.8)))
    assert load_lines(found) == ["busy: a CPU 100 % (no GPU reported); b GPU 90 % 80 %, CPU 30 %"]


def test_many_machines_are_summed_up() -> None:
    (line,) = load_lines([Load(node=f"n{number}", cpu=0.5, gpus=(number / 10,)) for number in range(6)])

    assert "n3 GPU 30 %, CPU 50 %; 2 more; all 6: GPU 25 % on average" in line


@pytest.mark.parametrize(("width", "headings"), [(120, 9), (80, 6), (50, 4)])
def test_narrow_terminals_show_fewer_columns_of_the_same_cells(
    width: int, headings: int, sweep: ResolvedSweep, store: FileStore, plan: Plan
) -> None:
    store.report_driver(running(plan))
    cell = look(sweep, store).cells[0]

    assert len(cell_columns(width)) == len(cell_texts(cell, width)) == headings
    assert {"Baseline", "0", "running"} <= set(cell_texts(cell, width))


def test_every_state_has_its_colour() -> None:
    assert set(COLOURS) == set(STATES)

"""What a driver reports of itself: the numbers of its own display, at every moment, and nothing once its run is over."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from clusters.storage.contract import StorageError
from clusters.temporary.owners import owner_here
from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.engine.observer import Observers
from orchestration.planning.plan import make_plan
from orchestration.runs.driver_reports import DriverReports
from orchestration.runs.eta import RunProgress
from orchestration.store.driver_report import DriverReport
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from tests.fakes.clock import Time
from trainers.job import EpochRow, WorkerUse

ROW = EpochRow(
    epoch=1, step=2, loss=1.5, accuracy=0.25, lr=0.1, images_per_s=80.0, data_wait_share=0.0, memory_mib=1.0, time=0.0
)


@pytest.fixture
def store() -> FileStore:
    return open_store("memory:")


@pytest.fixture
def plan(store: FileStore) -> Plan:
    return make_plan(load_sweep("demo", size="smoke"), store=store)


def wait_for(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20.0
    while not is_so():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.01)


def test_a_report_has_the_running_cells_and_what_they_last_said(store: FileStore, plan: Plan) -> None:
    clock = Time()
    reports = DriverReports(store, "demo-smoke", every_s=1.0, clock=clock)
    first, second = plan.to_run[:2]
    reports.stage("starting Ray")
    assert (reports.report().stage, reports.report().eta_s) == ("starting Ray", None)

    reports.log_opened("/logs/run.log")
    reports.run_started(plan)
    reports.cell_state(first, "running", "group-0")
    reports.cell_state(second, "running", "group-1")
    clock.now = 10.0
    reports.cell_progress(first, "train", 3, 4)
    reports.epoch_ended(first, ROW)
    reports.worker_use(first, WorkerUse(node="n", rank=0, cpu_busy=0.5, gpu_busy=0.9))
    found = reports.report()

    assert (found.sweep, found.stage, found.log_file) == ("demo-smoke", "", "/logs/run.log")
    one, other = found.cells
    assert (one.train_key, one.stage, one.done, one.total, one.running_s) == (first.train_key, "train", 3, 4, 10.0)
    assert (one.epoch, one.loss, one.accuracy, one.images_per_s) == (2, 1.5, 0.25, 80.0)
    assert [(use.node, use.rank, use.gpu_busy) for use in one.workers] == [("n", 0, 0.9)]
    assert (other.stage, other.loss, other.workers) == ("", None, ())


def test_rates_and_time_left_are_those_of_the_run_itself(store: FileStore, plan: Plan) -> None:
    clock, own = Time(), RunProgress(plan.to_run)
    reports = DriverReports(store, "demo-smoke", every_s=1.0, clock=clock)
    reports.run_started(plan)
    clock.now = 100.0
    first, second = plan.to_run[:2]
    for cell, ends in ((first, 130.0), (second, 160.0)):
        for seen in (reports.cell_state, lambda cell, state: own.state(cell.train_key, state, clock.now)):
            seen(cell, "running")
        reports.cell_progress(cell, "train", 1, 2)
        own.progress(cell.train_key, "train", 1, 2, clock.now)
        clock.now = ends
        reports.cell_state(cell, "done")
        own.state(cell.train_key, "done", ends)
    reports.cell_state(plan.to_run[2], "done", "computed by another driver")
    own.state(plan.to_run[2].train_key, "done", clock.now)

    found = reports.report()
    assert found.cells_per_hour == pytest.approx(120.0)  # two cells in the minute since the first began
    assert (found.eta_s, found.share) == (own.eta_s(160.0), own.share_done())
    assert found.eta_s is not None
    assert found.cells == ()


def test_whatever_is_recorded_is_a_change_and_progress_is_none(store: FileStore, plan: Plan) -> None:
    reports = DriverReports(store, "demo-smoke", every_s=1.0)
    cell = plan.to_run[0]
    reports.run_started(plan)
    reports.cell_state(cell, "running")
    before = reports.report().changes
    reports.cell_progress(cell, "train", 1, 2)
    reports.epoch_ended(cell, ROW)
    assert reports.report().changes == before

    reports.cell_state(cell, "failed", "bug")
    assert reports.report().changes > before


def test_a_run_is_seen_while_it_goes_on_and_leaves_nothing(store: FileStore, plan: Plan) -> None:
    reports = DriverReports(store, "demo-smoke", every_s=0.01)
    with reports:
        Observers([reports]).run_started(plan)
        wait_for(lambda: any(each.beat > 2 for each in store.drivers()))

    assert store.drivers() == ()


def test_reports_of_dead_drivers_of_the_sweep_are_withdrawn_by_the_next(store: FileStore, plan: Plan) -> None:
    here = owner_here().split("/")
    dead = "/".join([*here[:2], "999999999", "1", "x"])
    store.report_driver(DriverReport(owner=dead, sweep="demo-smoke", beat=1))
    store.report_driver(DriverReport(owner=f"{dead}y", sweep="another", beat=1))

    with DriverReports(store, "demo-smoke", every_s=0.01):
        wait_for(lambda: dead not in [each.owner for each in store.drivers()])

    assert [each.owner for each in store.drivers()] == [f"{dead}y"]


def test_a_driver_of_another_machine_is_withdrawn_only_when_it_has_long_been_silent(store: FileStore) -> None:
    clock = Time()
    store.report_driver(DriverReport(owner="silent", sweep="demo-smoke", beat=1))
    store.report_driver(DriverReport(owner="alive", sweep="demo-smoke", beat=1))
    with DriverReports(store, "demo-smoke", every_s=0.01, clock=clock):
        wait_for(lambda: len(store.drivers()) == 3)
        store.report_driver(DriverReport(owner="alive", sweep="demo-smoke", beat=2))
        clock.now = 61.0
        wait_for(lambda: len(store.drivers()) == 2)

    assert [each.owner for each in store.drivers()] == ["alive"]


def test_a_storage_that_refuses_reports_does_not_end_the_run(
    store: FileStore, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def refuse(path: str, data: bytes, *, durable: bool = True) -> None:
        calls.append(path)
        raise StorageError("no-space", path, "the disk is full")

    monkeypatch.setattr(store.storage, "write_bytes", refuse)
    with DriverReports(store, "demo-smoke", every_s=0.01) as reports:
        reports.run_started(plan)
        wait_for(lambda: len(calls) > 2)

    assert set(calls) == {calls[0]}

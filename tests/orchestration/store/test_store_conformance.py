"""What every results store promises: in memory, in local files, on an S3-compatible server."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from orchestration.store.contract import MeasuredSeconds, StoreError, SweepRecord, SweptCell
from orchestration.store.driver_report import DriverReport, RunningCell, UseOfWorker
from orchestration.store.files import FileStore
from tests.fakes.clock import Time


def test_a_recorded_training_comes_back_equal(store: FileStore, records: Any) -> None:
    record = records.training("x")

    assert store.record_training(record)
    found = store.result(record.train_key)

    assert found is not None
    assert found.training == record
    assert found.reports == {}


def test_nothing_recorded_is_none(store: FileStore, records: Any) -> None:
    assert store.result(records.key("x")) is None
    assert store.results([records.key("x"), records.key("y")]) == {}
    assert store.attempts(records.key("x")) == ()
    assert store.train_keys() == ()


def test_cells_of_which_only_failures_are_recorded_are_listed_too(store: FileStore, records: Any) -> None:
    store.record_training(records.training("x"))
    store.record_attempt(records.attempt("y"))

    assert set(store.train_keys()) == {records.key("x"), records.key("y")}


def test_reports_come_back_with_their_values_rows_and_notes(store: FileStore, records: Any) -> None:
    training, report = records.training("x"), records.report("c", rows=3)
    store.record_training(training)

    assert store.record_report(training.train_key, training.summary.checkpoint_sha256, report)
    found = store.result(training.train_key).reports[report.benchmark_key]

    assert found.outcome.metrics["error"] == report.outcome.metrics["error"]
    assert np.isnan(found.outcome.metrics["ece"].value)
    assert found.outcome.rows == report.outcome.rows
    assert found.outcome.notes == report.outcome.notes
    assert (found.benchmark, found.semantics, found.wall_s) == ("c", 1, 3.0)


def test_arrays_come_back_bit_for_bit(store: FileStore, records: Any) -> None:
    training, report = records.training("x"), records.report("c", arrays=True)
    store.record_training(training)
    store.record_report(training.train_key, training.summary.checkpoint_sha256, report)

    found = store.result(training.train_key).reports[report.benchmark_key].outcome.arrays

    assert set(found) == {"logits", "labels"}
    for name, array in report.outcome.arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_the_first_writer_wins(store: FileStore, records: Any) -> None:
    first, second = records.training("x", at=1.0), records.training("x", at=2.0)
    checkpoint = first.summary.checkpoint_sha256
    assert store.record_training(first)
    assert not store.record_training(second)
    assert store.record_report(first.train_key, checkpoint, records.report("c", error=0.1))
    assert not store.record_report(first.train_key, checkpoint, records.report("c", error=0.9, arrays=True))

    found = store.result(first.train_key)

    assert found.training == first
    assert found.reports[records.report("c").benchmark_key].outcome.metrics["error"].value == 0.1


def test_a_report_without_its_training_is_no_result(store: FileStore, records: Any) -> None:
    training = records.training("x")
    store.record_report(training.train_key, training.summary.checkpoint_sha256, records.report())
    assert store.result(training.train_key) is None

    store.record_training(training)
    assert len(store.result(training.train_key).reports) == 1


def test_only_the_newest_complete_checkpoint_is_read(store: FileStore, records: Any) -> None:
    older, newer = records.training("x", checkpoint="z", at=1.0), records.training("x", checkpoint="a", at=4e9)
    store.record_training(newer)
    store.record_report(newer.train_key, newer.summary.checkpoint_sha256, records.report("clean", error=0.2))
    store.record_training(older)
    store.record_report(older.train_key, older.summary.checkpoint_sha256, records.report("c", error=0.9))
    store.record_report(older.train_key, records.key("a checkpoint without training"), records.report("pgd"))

    found = store.result(newer.train_key)

    assert found.training == newer
    assert [report.benchmark for report in found.reports.values()] == ["clean"]


def test_new_records_are_seen_by_a_store_that_read_before(stores: Any, records: Any) -> None:
    reader, writer = stores.open(), stores.open()
    training = records.training("x")
    writer.record_training(training)
    assert len(reader.result(training.train_key).reports) == 0

    writer.record_report(training.train_key, training.summary.checkpoint_sha256, records.report("c"))

    assert len(reader.result(training.train_key).reports) == 1


def test_failed_reports_are_refused_as_results(store: FileStore, records: Any) -> None:
    from dataclasses import replace

    failed = replace(records.report(), outcome=None, error="no such folder")
    with pytest.raises(StoreError, match="only successful reports are results"):
        store.record_report(records.key("x"), records.key("a"), failed)


def test_values_that_no_record_can_hold_are_named(store: FileStore, records: Any) -> None:
    from dataclasses import replace

    report = records.report()
    strange = replace(report, outcome=replace(report.outcome, notes={"model": object()}))
    with pytest.raises(StoreError, match="plain values"):
        store.record_report(records.key("x"), records.key("a"), strange)
    objects = replace(report, outcome=replace(report.outcome, arrays={"x": np.array([object()])}))
    with pytest.raises(StoreError, match="'x' has dtype object"):
        store.record_report(records.key("x"), records.key("a"), objects)


def test_array_scalars_are_recorded_as_numbers(store: FileStore, records: Any) -> None:
    from dataclasses import replace

    training, report = records.training("x"), records.report()
    rows = ({"severity": np.int64(3), "error": np.float32(0.5)},)
    store.record_training(training)
    report = replace(report, outcome=replace(report.outcome, rows=rows))
    store.record_report(training.train_key, training.summary.checkpoint_sha256, report)

    assert store.result(training.train_key).reports[report.benchmark_key].outcome.rows == (
        {"severity": 3, "error": 0.5},
    )


@pytest.mark.parametrize("key", ["", "../x", "a/b", "a~1", ".hidden", "x" * 201])
def test_keys_cannot_leave_their_place(store: FileStore, key: str) -> None:
    with pytest.raises(StoreError, match="keys must be"):
        store.result(key)
    with pytest.raises(StoreError, match="keys must be"):
        store.acquire(key, "me")


def test_attempts_are_kept_oldest_first_and_once(store: FileStore, records: Any) -> None:
    second, first = records.attempt("x", 2, at=20.0), records.attempt("x", 1, at=10.0)
    for attempt in (second, first, second, records.attempt("y")):
        store.record_attempt(attempt)

    assert store.attempts(first.train_key) == (first, second)
    assert set(store.failures([records.key("x"), records.key("z"), records.key("y")])) == {
        records.key("x"),
        records.key("y"),
    }
    assert store.result(first.train_key) is None


def test_invalidation_hides_a_cell_and_its_attempts(store: FileStore, records: Any) -> None:
    training = records.training("x")
    store.record_training(training)
    store.record_report(training.train_key, training.summary.checkpoint_sha256, records.report())
    store.record_attempt(records.attempt("x"))
    store.record_training(records.training("y"))

    store.invalidate(training.train_key, "wrong data")

    assert store.result(training.train_key) is None
    assert store.attempts(training.train_key) == ()
    assert set(store.results([records.key("x"), records.key("y")])) == {records.key("y")}


def test_an_identical_checkpoint_counts_again_after_invalidation(store: FileStore, records: Any) -> None:
    training = records.training("x")
    checkpoint = training.summary.checkpoint_sha256
    store.record_training(training)
    store.record_report(training.train_key, checkpoint, records.report("c"))
    for _ in range(2):
        store.invalidate(training.train_key, "again")

        assert store.record_training(training)
        assert len(store.result(training.train_key).reports) == 0
        assert store.record_report(training.train_key, checkpoint, records.report("c"))
        assert len(store.result(training.train_key).reports) == 1


def test_results_survive_pickling(store: FileStore, records: Any) -> None:
    training, report = records.training("x"), records.report("c", arrays=True)
    store.record_training(training)
    store.record_report(training.train_key, training.summary.checkpoint_sha256, report)

    again = pickle.loads(pickle.dumps(store.result(training.train_key)))

    np.testing.assert_array_equal(again.reports[report.benchmark_key].outcome.arrays["labels"], np.arange(3))


def test_a_lease_has_one_holder(stores: Any, records: Any) -> None:
    mine, yours = stores.open(), stores.open()
    lease = mine.acquire(records.key("x"), "me")

    assert lease is not None
    assert yours.acquire(records.key("x"), "you") is None
    assert yours.acquire(records.key("y"), "you") is not None
    assert yours.holders([records.key("x"), records.key("z")]) == {records.key("x"): "me"}


def test_the_holder_gets_its_own_lease_again(store: FileStore, records: Any) -> None:
    assert store.acquire(records.key("x"), "me") == store.acquire(records.key("x"), "me")


def test_a_released_lease_is_free_at_once(stores: Any, records: Any) -> None:
    mine, yours = stores.open(), stores.open()
    lease = mine.acquire(records.key("x"), "me")
    assert yours.acquire(records.key("x"), "you") is None

    mine.release(lease)
    taken = yours.acquire(records.key("x"), "you")

    assert taken is not None
    assert taken.generation > lease.generation
    assert mine.acquire(records.key("x"), "me") is None
    assert yours.holders([records.key("x")]) == {records.key("x"): "you"}


def test_a_beating_lease_is_never_taken_over(stores: Any, records: Any) -> None:
    clock = Time()
    mine, yours = stores.open(), stores.open(lease_expiry_s=60.0, clock=clock)
    lease = mine.acquire(records.key("x"), "me")
    for _ in range(10):
        assert yours.acquire(records.key("x"), "you") is None
        clock.now += 50.0
        assert mine.renew([lease]) == frozenset()


def test_a_silent_lease_is_taken_over_after_its_expiry_and_its_holder_learns_of_it(stores: Any, records: Any) -> None:
    clock = Time()
    mine, yours = stores.open(), stores.open(lease_expiry_s=60.0, clock=clock)
    lease, other = mine.acquire(records.key("x"), "me"), mine.acquire(records.key("y"), "me")
    assert yours.acquire(records.key("x"), "you") is None
    clock.now = 59.0
    assert yours.acquire(records.key("x"), "you") is None

    clock.now = 61.0
    taken = yours.acquire(records.key("x"), "you")

    assert taken is not None
    assert mine.renew([lease, other]) == {records.key("x")}
    mine.release(lease)
    assert mine.acquire(records.key("x"), "me") is None


def test_requests_stand_until_cleared(stores: Any) -> None:
    asking, driver = stores.open(), stores.open()
    assert driver.requested("table 3/α", pytest.fail) is None

    asking.request("table 3/α", "pause")
    assert driver.requested("table 3/α", pytest.fail) == "pause"
    asking.request("table 3/α", "stop")
    assert driver.requested("table 3/α", pytest.fail) == "stop"
    assert driver.requested("table-10", pytest.fail) is None
    asking.request("table 3/α", None)
    assert driver.requested("table 3/α", pytest.fail) is None


def test_a_report_on_a_checkpoint_that_was_invalidated_meanwhile_does_not_count(stores: Any, records: Any) -> None:
    driver, user = stores.open(), stores.open()
    record = records.training("a")
    driver.record_training(record)
    user.invalidate(record.train_key, "wrong data")
    driver.record_report(record.train_key, record.summary.checkpoint_sha256, records.report("clean"))

    assert user.result(record.train_key) is None

    again = records.training("a", at=2000.0)
    driver.record_training(again)
    driver.record_report(record.train_key, record.summary.checkpoint_sha256, records.report("pgd"))
    found = user.result(record.train_key)

    assert found is not None
    assert [report.benchmark for report in found.reports.values()] == ["pgd"]


def test_a_training_and_its_reports_are_recorded_together(stores: Any, records: Any) -> None:
    record, reports = records.training("x"), [records.report("clean"), records.report("c", arrays=True)]
    store = stores.open()

    assert store.record_cell(record, reports)
    found = stores.open().result(record.train_key)

    assert found.training == record
    assert set(found.reports) == {report.benchmark_key for report in reports}
    arrays = found.reports[reports[1].benchmark_key].outcome.arrays
    np.testing.assert_array_equal(arrays["labels"], np.arange(3))
    assert stores.open().results([record.train_key])[record.train_key].reports.keys() == found.reports.keys()


def test_what_was_recorded_together_stands_and_more_reports_join_it(stores: Any, records: Any) -> None:
    record, first = records.training("x"), records.report("clean", error=0.1)
    sha = record.summary.checkpoint_sha256
    mine, yours = stores.open(), stores.open()
    mine.record_cell(record, [first])

    again = [records.report("clean", error=0.9), records.report("pgd")]
    assert not yours.record_cell(records.training("x", at=2000.0), again)
    for store in (mine, yours, stores.open()):
        assert not store.record_report(record.train_key, sha, again[0])
        assert not store.record_report(record.train_key, sha, again[1])
    found = stores.open().result(record.train_key)

    assert found.training.provenance.recorded_at == 1000.0
    assert found.reports[first.benchmark_key].outcome.metrics["error"].value == 0.1
    assert {report.benchmark for report in found.reports.values()} == {"clean", "pgd"}


def test_a_report_that_stood_before_its_training_is_not_replaced(stores: Any, records: Any) -> None:
    record, first = records.training("x"), records.report("clean", error=0.1)
    assert stores.open().record_report(record.train_key, record.summary.checkpoint_sha256, first)

    assert stores.open().record_cell(record, [records.report("clean", error=0.9)])
    found = stores.open().result(record.train_key)

    assert found.reports[first.benchmark_key].outcome.metrics["error"].value == 0.1


def test_nothing_is_recorded_together_with_a_report_that_failed(stores: Any, records: Any) -> None:
    from dataclasses import replace

    record = records.training("x")
    failed = replace(records.report("c"), outcome=None, error="no such folder")
    with pytest.raises(StoreError, match="only successful reports are results"):
        stores.open().record_cell(record, [records.report("clean"), failed])

    assert stores.open().result(record.train_key) is None


def test_what_was_recorded_together_is_invalidated_together_and_can_be_recorded_again(
    store: FileStore, records: Any
) -> None:
    record, report = records.training("x"), records.report("clean")
    store.record_cell(record, [report])
    store.invalidate(record.train_key, "wrong data")
    assert store.result(record.train_key) is None

    assert store.record_report(record.train_key, record.summary.checkpoint_sha256, report)
    assert store.result(record.train_key) is None
    assert store.record_cell(record, [records.report("pgd")])

    assert {found.benchmark for found in store.result(record.train_key).reports.values()} == {"clean", "pgd"}


def sweep_record(name: str = "demo", *, at: float = 1.0, seeds: int = 2) -> SweepRecord:
    cells = tuple(SweptCell(train_key=f"{seed:064x}", row="PixMix", seed=seed) for seed in range(seeds))
    return SweepRecord(
        name=name,
        size="full",
        files={"a": "x: 1"},
        overrides=("seeds=0,1",),
        data_root="/d",
        cells=cells,
        recorded_at=at,
    )


def test_sweeps_are_remembered_once_oldest_first_until_forgotten(stores: Any) -> None:
    store, first, second = stores.open(), sweep_record("b", at=1.0), sweep_record("a", at=2.0)

    assert store.record_sweep(second)
    assert store.record_sweep(first)
    assert not stores.open().record_sweep(sweep_record("a", at=3.0))
    assert stores.open().sweeps() == (first, second)
    assert store.record_sweep(sweep_record("a", at=3.0, seeds=1))

    store.forget_sweep(second)
    assert [record.recorded_at for record in stores.open().sweeps()] == [1.0, 3.0]


def test_a_newer_measurement_replaces_an_older_one_of_its_kind(stores: Any) -> None:
    kind, other = ("digits", "m", "pixmix", "tf32"), ("digits", "m", "pixmix", "bf16")
    damaged: list[StoreError] = []
    assert stores.open().calibrated("v100", damaged.append) == MeasuredSeconds()

    stores.open().record_calibration("v100", "here", MeasuredSeconds(training={kind: 1.0, other: 5.0}))
    stores.open().record_calibration("v100", "there", MeasuredSeconds(training={kind: 2.0}, evaluation={other: 0.5}))
    stores.open().record_calibration("a100", "here", MeasuredSeconds(training={kind: 9.0}))
    found = stores.open().calibrated("v100", damaged.append)

    assert found.training == {kind: 2.0, other: 5.0}
    assert found.evaluation == {other: 0.5}
    assert sorted(found.hardware) == ["here", "there"]
    assert damaged == []


def test_a_released_lease_is_never_taken_up_again_under_its_number(store: FileStore, records: Any) -> None:
    first = store.acquire(records.key("x"), "me")
    assert first is not None
    store.release(first)
    again = store.acquire(records.key("x"), "me")

    assert again is not None
    assert again.generation > first.generation
    store.release(first)  # of the past: it frees nothing, and its file does not come back
    assert store.holders([records.key("x")]) == {records.key("x"): "me"}
    assert len(store.storage.names(f"leases/{records.key('x')}")) == 1


def test_a_driver_is_seen_as_it_last_reported_itself_until_it_withdraws(stores: Any) -> None:
    cell = RunningCell(
        train_key="a" * 64,
        stage="train",
        done=3,
        total=4,
        loss=float("nan"),
        workers=(UseOfWorker(node="n", rank=0, cpu_busy=0.5, gpu_busy=None),),
    )
    stores.open().report_driver(DriverReport(owner="host/boot/12/0/x", sweep="demo", beat=1))
    stores.open().report_driver(DriverReport(owner="host/boot/12/0/x", sweep="demo", beat=2, eta_s=60.0, cells=(cell,)))
    stores.open().report_driver(DriverReport(owner="other", sweep="table-3", beat=1))

    found = {each.owner: each for each in stores.open().drivers()}
    assert {owner: each.beat for owner, each in found.items()} == {"host/boot/12/0/x": 2, "other": 1}
    (again,) = found["host/boot/12/0/x"].cells
    assert (again.done, again.total, again.workers) == (3, 4, cell.workers)
    assert again.loss is not None
    assert np.isnan(again.loss)

    stores.open().forget_driver("host/boot/12/0/x")
    assert [each.owner for each in stores.open().drivers()] == ["other"]


@pytest.mark.parametrize("damage", [b"", b"half a rep", b'{"format":"dreamgrid/driver","version":99,"sha256":""}'])
def test_a_report_of_a_driver_that_is_not_whole_counts_as_none(store: FileStore, damage: bytes) -> None:
    store.report_driver(DriverReport(owner="me", sweep="demo", beat=1))
    store.storage.write_bytes("drivers/other.json", damage)

    assert [each.owner for each in store.drivers()] == ["me"]

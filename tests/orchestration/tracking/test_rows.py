"""Row runs: mean, deviation and number of each column over the seeds of a row, searchable by MLflow's own client."""

from __future__ import annotations

import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from orchestration.settings import sqlite_address
from orchestration.tracking.content.tracked_values import tracked_sweep
from orchestration.tracking.gathering import ROWS_PAUSE_S, Writer
from orchestration.tracking.sync import sync
from tests.fakes.clock import Time

URI = "fake"


def finished(store: Any, lab: Any, plan: Any, errors: tuple[float, ...]) -> Any:
    for cell, error in zip(plan.cells, errors, strict=True):
        lab.finish(store, cell, error=error)
    return lab.done(plan)


def row_runs(server: Any) -> dict[str, Any]:
    runs = server.find(["1"], {"kind": "row"})
    found = {run.tags["row"]: run for run in runs}
    assert len(found) == len(runs)
    return found


def test_mlflow_finds_the_rows_by_their_means(store: Any, lab: Any, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    errors = (0.1, 0.3, 0.2, 0.25)
    plan = finished(store, lab, lab.plan(), errors)
    uri = sqlite_address(tmp_path / "mlflow.db")
    done = sync(store, plan, uri)
    client = MlflowClient(uri)

    rows = client.search_runs([done.experiment_id], "tags.kind = 'row'", order_by=["metrics.`clean/error`"])
    (better,) = client.search_runs([done.experiment_id], "tags.kind = 'row' and metrics.`clean/error` < 0.21")

    assert [run.info.run_name for run in rows] == ["Baseline", "Pixmix"]
    assert better.info.run_id == rows[0].info.run_id
    metrics = better.data.metrics
    assert metrics["clean/error"] == pytest.approx(statistics.mean(errors[:2]), rel=1e-12)
    assert metrics["clean/error.std"] == pytest.approx(statistics.stdev(errors[:2]), rel=1e-12)
    assert metrics["clean/error.n"] == 2
    assert better.data.params["train.epochs"] == "2"
    assert "seed" not in better.data.params
    assert (better.info.status, better.data.tags["cells"]) == ("FINISHED", "2 of 2")
    assert sync(store, plan, uri).written == 0
    assert len(client.search_runs([done.experiment_id], "tags.kind = 'row'")) == 2


def test_a_seed_that_is_added_changes_the_same_run(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan(methods=("pixmix",), seeds=3)
    lab.finish(store, plan.cells[0], error=0.1)
    sync(store, plan, URI, client=server)
    first = row_runs(server)["Pixmix"]
    assert (first.status, first.tags["cells"], first.metrics["clean/error"]) == ("KILLED", "1 of 3", 0.1)
    assert "clean/error.std" not in first.metrics

    for cell in plan.cells[1:]:
        lab.finish(store, cell, error=0.4, at=3000.0)
    sync(store, lab.done(plan), URI, client=server)

    run = row_runs(server)["Pixmix"]
    assert (run.run_id, run.status) == (first.run_id, "FINISHED")
    assert run.metrics["clean/error"] == pytest.approx(0.3)
    assert run.metrics["clean/error.n"] == 3


def test_a_replay_writes_nothing(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan(), (0.1, 0.2, 0.3, 0.4))
    sync(store, plan, URI, client=server)
    before = (dict(server.runs), {name: set(points) for name, points in server.points.items()})

    sync(store, plan, URI, client=server)

    assert (server.runs, server.points) == before


def test_a_row_that_left_the_sweep_is_marked_and_returns(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan(), (0.1, 0.2, 0.3, 0.4))
    sync(store, plan, URI, client=server)
    sync(store, replace(plan, cells=plan.cells[:2]), URI, client=server)
    assert {row: run.tags["wanted"] for row, run in row_runs(server).items()} == {"Baseline": "true", "Pixmix": "false"}

    sync(store, plan, URI, client=server)
    assert {run.tags["wanted"] for run in row_runs(server).values()} == {"true"}


def test_a_row_trained_otherwise_has_another_run(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan(methods=("pixmix",)), (0.1, 0.2))
    sync(store, plan, URI, client=server)
    first = row_runs(server)["Pixmix"]
    cells = tuple(lab.cell("pixmix", seed, beta=4.0) for seed in (0, 1))
    other = finished(store, lab, replace(plan, cells=cells), (0.5, 0.7))

    sync(store, other, URI, client=server)

    run = row_runs(server)["Pixmix"]
    assert first.run_id in server.deleted
    assert (run.params["beta"], run.metrics["clean/error"]) == ("4", pytest.approx(0.6))


def test_a_column_that_a_row_no_longer_has_is_not_shown(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan(methods=("pixmix",)), (0.1, 0.2))
    sync(store, plan, URI, client=server)
    assert "pgd/error" in row_runs(server)["Pixmix"].metrics
    fewer = tuple(replace(cell, benchmarks=cell.benchmarks[:1]) for cell in plan.cells)

    sync(store, replace(plan, cells=fewer), URI, client=server)

    assert "pgd/error" not in row_runs(server)["Pixmix"].metrics


def test_a_result_that_replaces_a_larger_one_changes_the_mean(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan(methods=("pixmix",)), (0.1, 0.2))
    sync(store, plan, URI, client=server)
    smaller = BenchmarkRequest(name="clean", params={"max_images": 5}, key="f" * 64)
    for cell in plan.cells:
        report = replace(lab.report("clean", 0.05), benchmark_key="f" * 64)
        store.record_report(cell.train_key, lab.training(cell).summary.checkpoint_sha256, report)
    changed = tuple(replace(cell, benchmarks=(smaller, cell.benchmarks[1])) for cell in plan.cells)

    sync(store, replace(plan, cells=changed), URI, client=server)

    assert row_runs(server)["Pixmix"].metrics["clean/error"] == 0.05


def test_a_row_run_deleted_in_the_ui_comes_back(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan(), (0.1, 0.2, 0.3, 0.4))
    sync(store, plan, URI, client=server)
    run = row_runs(server)["Baseline"]
    server.delete(run.run_id)

    sync(store, plan, URI, client=server)

    assert row_runs(server)["Baseline"].run_id == run.run_id


def test_while_a_sweep_goes_on_the_means_follow_once_a_minute(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan(methods=("pixmix",), seeds=3)
    clock = Time()
    writer = Writer(lambda: server, store, URI, None, clock)
    writer.take({"type": "sweep", "sweep": asdict(tracked_sweep(plan)), "recorded": []})
    writer.flush()
    seen = []
    for number, cell in enumerate(plan.cells):
        clock.now += ROWS_PAUSE_S if number != 1 else 5.0
        lab.finish(store, cell, error=0.1 * (number + 1))
        writer.take({"type": "state", "key": cell.train_key, "state": "done"})
        writer.flush()
        seen.append((row_runs(server)["Pixmix"].tags["cells"], row_runs(server)["Pixmix"].status))
    writer.take({"type": "ended", "status": "complete"})
    writer.flush(everything=True)

    assert seen == [("1 of 3", "RUNNING"), ("1 of 3", "RUNNING"), ("3 of 3", "FINISHED")]
    assert row_runs(server)["Pixmix"].metrics["clean/error"] == pytest.approx(0.2)


def test_of_an_interrupted_sweep_no_row_seems_to_go_on(store: Any, lab: Any, server: Any) -> None:
    """The last cell of a row was written minutes before the end: the row was not looked at again, and stayed "running"."""
    plan = lab.plan(methods=("pixmix",), seeds=2)
    clock = Time()
    writer = Writer(lambda: server, store, URI, None, clock)
    writer.take({"type": "sweep", "sweep": asdict(tracked_sweep(plan)), "recorded": []})
    lab.finish(store, plan.cells[0], error=0.1)
    writer.take({"type": "state", "key": plan.cells[0].train_key, "state": "done"})
    writer.flush()
    assert row_runs(server)["Pixmix"].status == "RUNNING"

    clock.now += ROWS_PAUSE_S
    writer.close()
    writer.flush(everything=True)

    assert (row_runs(server)["Pixmix"].status, row_runs(server)["Pixmix"].tags["cells"]) == ("KILLED", "1 of 2")


def test_descriptions_say_what_a_run_is_as_text_and_a_persons_own_stays(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan(methods=("pixmix",), seeds=2)
    hostile = "<img src=x> [x](javascript:alert(1)) `code`"
    cells = tuple(replace(cell, cell=replace(cell.cell, row=hostile)) for cell in plan.cells)
    plan = finished(store, lab, replace(plan, cells=cells), (0.1, 0.2))
    sync(store, plan, URI, client=server)
    run, other = (server.of(cell) for cell in plan.cells)
    note = run.tags["mlflow.note.content"]

    assert "Row **&lt;img src=x> [x]\\(javascript:alert(1)) \\`code\\`** of demo, seed 0: pixmix · digits" in note
    assert "(#/experiments/1/runs/" in note
    assert "viewStateShareKey=rows&" in note
    assert "Checkpoint: `/checkpoints/x`" in note
    assert f"`dreamgrid cells show {plan.cells[0].cell_id}`" in note
    assert "<img" not in row_runs(server)[hostile].tags["mlflow.note.content"]

    server.log(run.run_id, (), {}, {"mlflow.note.content": "my own words"})
    for cell in plan.cells:
        store.record_attempt(lab.attempt(cell))
        store.invalidate(cell.train_key, "again")
        lab.finish(store, cell, error=0.5, at=5000.0)
    sync(store, plan, URI, client=server)

    assert server.of(plan.cells[0]).tags["mlflow.note.content"] == "my own words"
    assert server.of(plan.cells[1]).run_id == other.run_id
    assert server.of(plan.cells[1]).tags["mlflow.note.content"] != "my own words"

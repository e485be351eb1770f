"""The projection: what a tracking server shows is a function of the store, however often and in whatever order it is written."""

from __future__ import annotations

import base64
import json
import sys
import zlib
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.tables.column import Column
from orchestration.tracking.content.state import epoch_points
from orchestration.tracking.content.tracked_values import TrackedSweep, tracked_sweep
from orchestration.tracking.content.views import experiment_note
from orchestration.tracking.gathering import Writer
from orchestration.tracking.models.linking import MODEL_TAG
from orchestration.tracking.models.registering import register_cell
from orchestration.tracking.sync import sync
from tests.fakes.clock import Time

URI = "fake"


def finished(store: Any, lab: Any, plan: Any) -> Any:
    for number, cell in enumerate(plan.cells):
        lab.finish(store, cell, error=round(0.1 + number / 100, 2))
    return lab.done(plan)


def view(server: Any, key: str) -> Any:
    """A prepared view of the first experiment."""
    text = server.experiment_tags["1"][f"mlflow.sharedViewState.{key}"]
    assert text.startswith("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(text.removeprefix("deflate;"))))


def test_every_recorded_cell_has_one_complete_run(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    done = sync(store, plan, URI, client=server)

    assert (done.written, done.unchanged, done.absent) == (4, 0, 0)
    run = server.of(plan.cells[2])
    assert run.status == "FINISHED"
    assert run.params["method"] == "pixmix"
    assert run.params["beta"] == "3"
    assert run.metrics["clean/error"] == 0.12
    assert run.metrics["pgd/rms"] == 0.1234567
    assert run.tags["name"] == "Pixmix · seed 0"
    assert run.tags["result"] == "complete"
    assert run.tags["commit"] == "c0ffee (dirty)"
    assert run.tags["primary"] == "true"
    assert run.start_ms == 1_988_000


def test_the_epochs_keep_the_times_at_which_they_ended(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)

    points = server.points[server.of(plan.cells[0]).run_id]

    assert sorted((p.step, p.time_ms, p.value) for p in points if p.key == "train/loss") == [
        (0, 1_990_000, 1.0),
        (1, 1_991_000, 0.5),
    ]


def test_what_the_gpus_did_has_the_names_and_units_of_system_metrics(lab: Any) -> None:
    rows = [replace(lab.epoch(0, 10.0), gpu_busy=0.93, gpu_memory_mib=1000.0, gpu_power_w=250.5), lab.epoch(1, 11.0)]

    found = [point for point in epoch_points(rows) if point.key.startswith("system/")]

    assert [(point.key, point.value, point.step) for point in found] == [
        ("system/gpu_0_utilization_percentage", pytest.approx(93.0), 0),
        ("system/gpu_0_memory_usage_megabytes", pytest.approx(1048.576), 0),
        ("system/gpu_0_power_usage_watts", 250.5, 0),
    ]


def test_what_the_machine_did_has_the_names_and_units_of_mlflows_own_monitor(store: Any, lab: Any, server: Any) -> None:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor

    monitor = CPUMonitor()
    monitor.collect_metrics()
    theirs = {f"system/{name}" for name in monitor.aggregate_metrics()}
    (cell,) = (plan := lab.plan(seeds=1, methods=("baseline",))).cells
    uses = [{"epoch": epoch, "cpu_busy": 0.25, "memory_mib": 1000.0} for epoch in (0, 1, 7)]
    store.record_training(lab.training(cell, environment={"torch": "2.14", "machine_use": uses}))

    sync(store, plan, URI, client=server)

    run = server.of(cell)
    found = {point for point in server.points[run.run_id] if point.key.startswith("system/")}
    assert {point.key for point in found} <= theirs
    assert sorted((point.key, point.value, point.time_ms, point.step) for point in found) == [
        ("system/cpu_utilization_percentage", 25.0, 1_990_000, 0),
        ("system/cpu_utilization_percentage", 25.0, 1_991_000, 1),
        ("system/system_memory_usage_megabytes", pytest.approx(1048.576), 1_990_000, 0),
        ("system/system_memory_usage_megabytes", pytest.approx(1048.576), 1_991_000, 1),
    ]
    assert "environment.machine_use" not in run.tags


def test_our_names_are_those_that_mlflow_gives_the_first_gpu(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own monitor, on a fake driver with one GPU that is as busy."""
    used = SimpleNamespace(used=1000 * 2**20, total=2000 * 2**20)
    fake = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda handle: used,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=93),
        nvmlDeviceGetPowerUsage=lambda handle: 250_500,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: 501_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    from mlflow.system_metrics.metrics import gpu_monitor

    monkeypatch.setattr(gpu_monitor, "pynvml", fake, raising=False)
    monitor = gpu_monitor.GPUMonitor()
    monitor.collect_metrics()
    theirs = {f"system/{name}": value for name, value in monitor.aggregate_metrics().items()}

    row = replace(lab.epoch(0, 10.0), gpu_busy=0.93, gpu_memory_mib=1000.0, gpu_power_w=250.5)
    ours = {point.key: round(point.value, 1) for point in epoch_points([row]) if point.key.startswith("system/")}

    assert ours.items() <= theirs.items()
    assert len(ours) == 3


def test_a_replay_changes_nothing(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)
    runs, points, artifacts = dict(server.runs), {k: set(v) for k, v in server.points.items()}, dict(server.artifacts)

    again = sync(store, plan, URI, client=server)

    assert (again.written, again.unchanged) == (0, 4)
    assert (server.runs, server.points, server.artifacts) == (runs, points, artifacts)


def test_the_fine_values_are_one_table(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)
    run = server.of(plan.cells[0])

    table = json.loads(server.artifacts[run.run_id, "fine.json"])

    assert table["columns"] == ["benchmark", "severity", "error"]
    assert len(table["data"]) == 4
    assert json.loads(run.tags["mlflow.loggedArtifacts"]) == [{"path": "fine.json", "type": "table"}]


def test_a_run_deleted_in_the_ui_comes_back(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)
    run = server.of(plan.cells[0])
    server.delete(run.run_id)

    sync(store, plan, URI, client=server)

    assert server.of(plan.cells[0]).metrics == run.metrics
    assert len(server.find(["1"], {"kind": "cell"})) == 4


def test_lost_metrics_and_params_are_written_again(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)
    run = server.of(plan.cells[1])
    server.runs[run.run_id] = replace(run, metrics={}, params={})

    assert sync(store, plan, URI, client=server).written == 1
    assert server.of(plan.cells[1]).metrics == run.metrics
    assert server.of(plan.cells[1]).params == run.params


def test_of_doubles_the_earliest_stays(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)
    run = server.of(plan.cells[0])
    tags = {name: run.tags[name] for name in ("cell_key", "kind")}
    double = server.create("1", "a double", run.start_ms + 5, tags)

    sync(store, plan, URI, client=server)
    sync(store, plan, URI, client=server)

    assert server.of(plan.cells[0]).run_id == run.run_id
    assert double in server.deleted
    assert server.runs[double].tags["superseded_by"] == run.run_id


def test_of_a_shared_cell_exactly_one_run_is_primary(store: Any, lab: Any, server: Any) -> None:
    one, two = finished(store, lab, lab.plan("one")), lab.done(lab.plan("two"))
    sync(store, one, URI, client=server)
    sync(store, two, URI, client=server)
    cell = one.cells[0]

    def primaries() -> list[str]:
        return [run.experiment_id for run in server.find(["1", "2"], {"cell_key": cell.train_key, "primary": "true"})]

    assert primaries() == ["1"]
    server.delete(server.of(cell, "one").run_id)
    sync(store, two, URI, client=server)
    assert primaries() == ["2"]
    sync(store, one, URI, client=server)
    assert primaries() == ["2"]


def test_only_the_cells_that_the_sweep_wants_now_are_marked_and_shown(store: Any, lab: Any, server: Any) -> None:
    """Another `--set` leaves its runs in the experiment; the views filter them out, so that no mean has them."""
    before, now = finished(store, lab, lab.plan()), lab.plan()
    other = [lab.cell("pixmix", seed, beta=4.0) for seed in (0, 1)]
    now = finished(store, lab, replace(now, cells=(*now.cells[:2], *other)))
    sync(store, before, URI, client=server)
    sync(store, now, URI, client=server)

    def wanted() -> dict[str, str]:
        return {cell.train_key: server.of(cell).tags["wanted"] for cell in (*before.cells, *other)}

    assert {key for key, tag in wanted().items() if tag == "true"} == {cell.train_key for cell in now.cells}
    assert len(wanted()) == 6
    for name in ("cells", "methods", "rows"):
        assert view(server, name)["searchFilter"] == "tags.kind = 'cell' and tags.wanted = 'true'"

    sync(store, before, URI, client=server)
    assert {key for key, tag in wanted().items() if tag == "true"} == {cell.train_key for cell in before.cells}


def test_a_run_with_other_settings_marks_what_an_earlier_one_showed(store: Any, lab: Any, server: Any) -> None:
    """Also runs that were shown before runs were marked at all."""
    before = finished(store, lab, lab.plan())
    sync(store, before, URI, client=server)
    for run in server.find(["1"], {"kind": "cell"}):
        server.runs[run.run_id] = replace(run, tags={k: v for k, v in run.tags.items() if k != "wanted"})
    now = replace(before, cells=before.cells[:1])
    writer = Writer(lambda: server, store, URI, None)
    tracked = asdict(tracked_sweep(now))

    writer.take({"type": "sweep", "sweep": tracked, "recorded": []})
    writer.take({"type": "ended", "status": "complete"})
    writer.flush(everything=True)

    assert [server.of(cell).tags["wanted"] for cell in before.cells] == ["true", "false", "false", "false"]


def test_a_row_that_was_renamed_is_shown_under_its_new_name(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)
    renamed = [replace(cell, cell=replace(cell.cell, row=f"{cell.cell.row} (ours)")) for cell in plan.cells]

    again = sync(store, replace(plan, cells=tuple(renamed)), URI, client=server)

    assert again.written == 4
    run = server.of(plan.cells[0])
    assert run.tags["row"] == "Baseline (ours)"
    assert run.tags["mlflow.runName"] == "Baseline (ours) · seed 0"


def test_a_result_that_replaces_a_larger_one_is_the_one_that_is_shown(store: Any, lab: Any, server: Any) -> None:
    """Of two values with one step and time MLflow shows the larger: other benchmark settings must not lose to it."""
    plan = finished(store, lab, lab.plan(methods=("baseline",), seeds=1))
    sync(store, plan, URI, client=server)
    (cell,) = plan.cells
    smaller = BenchmarkRequest(name="clean", params={"max_images": 5}, key="f" * 64)
    report = replace(lab.report("clean", 0.05), benchmark_key="f" * 64)
    store.record_report(cell.train_key, lab.training(cell).summary.checkpoint_sha256, report)

    sync(store, replace(plan, cells=(replace(cell, benchmarks=(smaller, cell.benchmarks[1])),)), URI, client=server)

    assert server.of(cell).metrics["clean/error"] == 0.05


def test_a_run_says_which_marks_its_numbers_bear_and_no_longer_once_they_do_not(
    store: Any, lab: Any, server: Any
) -> None:
    plan = lab.plan(methods=("baseline",), seeds=1)
    (cell,) = plan.cells
    training = lab.training(cell)
    store.record_training(training)
    limited = replace(cell.benchmarks[0], params={"max_images": 5}, key="f" * 64)
    whole = lab.report("clean")
    assert whole.outcome is not None
    partial = replace(
        whole, benchmark_key="f" * 64, outcome=replace(whole.outcome, notes={"limited": {"used": 5, "of": 9}})
    )
    for report in (whole, partial, lab.report("pgd")):
        store.record_report(cell.train_key, training.summary.checkpoint_sha256, report)

    limited_plan = replace(plan, cells=(replace(cell, benchmarks=(limited, cell.benchmarks[1])),))
    sync(store, lab.done(limited_plan), URI, client=server)
    (row,) = server.find(["1"], {"kind": "row"})
    assert (server.of(cell).tags["marks"], row.tags["marks"]) == ("limited (clean)", "limited (clean)")
    assert json.loads(server.artifacts[server.of(cell).run_id, "record.json"])["benchmarks"]["clean"]["notes"]

    sync(store, lab.done(plan), URI, client=server)
    (row,) = server.find(["1"], {"kind": "row"})
    assert (server.of(cell).tags["marks"], row.tags["marks"]) == ("none", "none")
    assert not json.loads(server.artifacts[server.of(cell).run_id, "record.json"])["benchmarks"]["clean"]["notes"]


def test_a_registered_version_has_the_numbers_of_its_run_and_its_marks(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan(methods=("baseline",), seeds=1))
    (cell,) = plan.cells
    sha256 = lab.training(cell).summary.checkpoint_sha256
    for digits, error in (("0" * 64, 0.05), ("f" * 64, 0.06)):  # one before, one behind the key that the sweep wants
        store.record_report(cell.train_key, sha256, replace(lab.report("clean", error), benchmark_key=digits))
    sync(store, plan, URI, client=server)
    server.log(server.of(cell).run_id, (), {}, {MODEL_TAG: "m-1"})
    result = store.result(cell.train_key)
    assert result is not None

    register_cell(result, "mine", client=server)

    version = server.registered["mine"]
    assert (version["clean/error"], version["clean/rms"]) == ("0.1", "0.1234567")
    assert version["marks"] == "none"


def test_values_and_parameters_are_exact(store: Any, lab: Any, server: Any) -> None:
    beta, error = 3.1415926535897931, 0.12345678901234567
    cell = lab.cell("pixmix", 0, beta=beta)
    plan = replace(lab.plan(), cells=(cell,))
    lab.finish(store, cell, error=error)
    sync(store, lab.done(plan), URI, client=server)

    run = server.of(cell)

    assert float(run.params["beta"]) == beta
    assert run.metrics["clean/error"] == error
    assert {point.value for point in server.points[run.run_id] if point.key == "train/loss"} == {1.0, 0.5}


def test_a_failed_cell_says_why(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan()
    store.record_attempt(lab.attempt(plan.cells[0]))

    done = sync(store, plan, URI, client=server)

    assert done.absent == 3
    run = server.of(plan.cells[0])
    assert (run.status, run.tags["failure"], run.tags["failure.message"]) == ("FAILED", "nan", "loss is NaN")
    assert run.tags["result"] == "none"


def test_what_was_said_of_an_earlier_try_is_not_said_of_the_result(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan(methods=("baseline",), seeds=1)
    (cell,) = plan.cells
    store.record_attempt(lab.attempt(cell))
    sync(store, plan, URI, client=server)
    assert server.of(cell).tags["failure"] == "nan"
    server.log(server.of(cell).run_id, (), {}, {"origin": "adopted"})

    sync(store, finished(store, lab, plan), URI, client=server)

    tags = server.of(cell).tags
    assert tags["result"] == "complete"
    assert {tags[name] for name in ("failure", "failure.message", "attempts", "origin")} == {"none"}


def test_a_cell_whose_benchmarks_are_missing_is_no_finished_run(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan()
    store.record_training(lab.training(plan.cells[0]))

    sync(store, plan, URI, client=server)

    assert server.of(plan.cells[0]).status == "KILLED"
    assert server.of(plan.cells[0]).tags["result"] == "partial"


def test_a_retrained_cell_shows_its_new_numbers_in_the_same_run(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    sync(store, plan, URI, client=server)
    run = server.of(plan.cells[0])
    store.invalidate(plan.cells[0].train_key, "wrong data")
    lab.finish(store, plan.cells[0], error=0.99, at=5000.0)

    sync(store, plan, URI, client=server)

    again = server.of(plan.cells[0])
    assert again.run_id == run.run_id
    assert again.metrics["clean/error"] == 0.99


def test_values_that_are_not_finite_are_named_instead_of_shown(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan(seeds=1, methods=("baseline",))
    lab.finish(store, plan.cells[0], error=float("inf"))

    sync(store, plan, URI, client=server)

    run = server.of(plan.cells[0])
    assert "clean/error" not in run.metrics
    assert run.tags["not_finite"] == "clean/error, pgd/error"


def test_prepared_views_hold_the_columns_that_matter(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    done = sync(
        store,
        plan,
        URI,
        client=server,
        columns=tuple(map(Column.of, ("pgd/error", "clean/error", "c/error/fog", "c/error/snow"))),
    )
    tags = server.experiment_tags[done.experiment_id]

    flat, grouped = view(server, "cells"), view(server, "methods")
    metrics = ["metrics.`pgd/error`", "metrics.`clean/error`", "metrics.`c/error`"]
    assert flat["selectedColumns"] == [
        "attributes.`Created`",
        "params.`method`",
        "params.`seed`",
        *metrics,
    ]
    assert flat["orderByKey"] == "metrics.`pgd/error`"
    assert flat["groupBy"] is None
    assert grouped["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "method"}]
    note = tags["mlflow.note.content"]
    assert f"#/experiments/{done.experiment_id}/runs?viewStateShareKey=methods" in note


def test_a_name_is_text_in_a_description() -> None:
    hostile = "<img src=x onerror=alert(1)> [x](javascript:alert(1))"
    note = experiment_note(TrackedSweep(name=hostile, cells=(), columns=(), varying=()), "1", "2")

    assert note.startswith("**&lt;img src=x onerror=alert(1)> [x]\\(javascript:alert(1))**: ")


def test_the_sweeps_run_carries_the_grid(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    grid = {"grid.md": "| a |\n| - |\n| **1** |", "grid.html": "<p>", "grid.csv": "a", "grid.tex": "\\bf"}
    done = sync(store, plan, URI, client=server, grid=grid)
    run = server.runs[done.sweep_run_id]

    assert run.tags["mlflow.note.content"].endswith(grid["grid.md"])
    assert "viewStateShareKey=cells" in run.tags["mlflow.note.content"]
    assert {path for run_id, path in server.artifacts if run_id == run.run_id} == {f"grid/{name}" for name in grid}
    assert run.status == "FINISHED"


def test_run_names_spell_out_what_differs_within_a_row(lab: Any) -> None:
    from orchestration.cells.cell import Plan
    from orchestration.tracking.content.tracked_values import tracked_sweep

    plan = Plan(
        sweep="betas", cells=tuple(lab.cell("pixmix", seed, beta=beta) for beta in (1.0, 2.5) for seed in (0, 1))
    )

    tracked = tracked_sweep(plan, (Column("clean", "error"),))

    assert [cell.name for cell in tracked.cells][1:3] == ["Pixmix · beta 1 · seed 1", "Pixmix · beta 2.5 · seed 0"]
    assert tracked.varying == ("beta", "seed")


def test_a_grid_too_long_for_a_description_is_cut_at_a_line_and_linked(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    rows = "\n".join(f"| row {i} | {'9' * 90} |" for i in range(500))
    done = sync(store, plan, URI, client=server, grid={"grid.md": rows})
    note = server.runs[done.sweep_run_id].tags["mlflow.note.content"]

    assert len(note) <= 8000
    assert "artifacts/grid/grid.html" in note.splitlines()[-1]
    assert all(line.endswith("|") for line in note.splitlines() if line.startswith("| row"))


def test_secrets_reach_neither_params_nor_tags_nor_artifacts(
    store: Any, lab: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-in-the-environment")
    plan = lab.plan(seeds=1, methods=("baseline",))
    cell = plan.cells[0]
    planted = {
        "uri": "https://user:planted-password@host/x?X-Amz-Signature=planted-signature",
        "api_token": "planted-token",
        "nested": {"password": "planted-nested"},
        "note": "the key is planted-in-the-environment",
    }
    store.record_training(lab.training(cell, environment=planted))
    store.record_attempt(lab.attempt(cell, message="401 at https://user:planted-password@host"))

    sync(store, plan, URI, client=server, grid={"grid.md": "planted-in-the-environment"})

    shown = repr((server.runs, server.artifacts, server.experiment_tags))
    assert "planted" not in shown
    assert "***@host" in shown


def begin(store: Any, server: Any, plan: Any, recorded: tuple[str, ...] = ()) -> tuple[Writer, Time]:
    from orchestration.tracking.content.tracked_values import tracked_sweep

    clock = Time()
    writer = Writer(lambda: server, store, URI, None, clock)
    writer.take({"type": "sweep", "sweep": asdict(tracked_sweep(plan)), "recorded": list(recorded)})
    writer.flush()
    return writer, clock


def epoch_message(lab: Any, cell: Any, number: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {"type": "epoch", "key": cell.train_key, "row": asdict(lab.epoch(number, 1990.0 + number))}


def test_the_epochs_of_a_running_cell_take_one_call_in_ten_seconds(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan()
    cell = plan.cells[0]
    writer, clock = begin(store, server, plan)
    writer.take({"type": "state", "key": cell.train_key, "state": "running"})
    calls = []
    for second in range(60):
        clock.now = float(second)
        writer.take(epoch_message(lab, cell, second))
        before = len(server.calls)
        writer.flush()
        calls.append(len(server.calls) - before)

    assert sum(count > 0 for count in calls) == 6
    assert server.of(cell).status == "RUNNING"
    assert "cells show" in server.of(cell).tags["mlflow.note.content"]
    assert len({point.step for point in server.points[server.of(cell).run_id]}) >= 50


def test_what_is_told_live_equals_what_a_replay_writes(store: Any, lab: Any, server: Any, another_server: Any) -> None:
    plan = lab.plan(seeds=1, methods=("pixmix",))
    cell = plan.cells[0]
    writer, clock = begin(store, server, plan)
    writer.take({"type": "state", "key": cell.train_key, "state": "running"})
    for number in range(2):
        writer.take(epoch_message(lab, cell, number))
        clock.now += 20.0
        writer.flush()
    lab.finish(store, cell)
    writer.take({"type": "recorded", "key": cell.train_key})
    writer.take({"type": "state", "key": cell.train_key, "state": "done"})
    writer.flush()
    writer.take({"type": "ended", "status": "complete"})
    writer.flush(everything=True)

    sync(store, lab.done(plan), URI, client=another_server)

    told, replayed = server.of(cell), another_server.of(cell)
    assert (told.params, told.metrics, told.status) == (replayed.params, replayed.metrics, replayed.status)
    assert told.tags == replayed.tags
    assert server.points[told.run_id] == another_server.points[replayed.run_id]
    assert server.runs[server.find(["1"], {"kind": "sweep"})[0].run_id].status == "FINISHED"


def test_while_the_server_is_away_nothing_is_lost_or_doubled(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan()
    server.is_away = True
    writer, clock = begin(store, server, plan)
    for cell in plan.cells:
        writer.take({"type": "state", "key": cell.train_key, "state": "running"})
        writer.take(epoch_message(lab, cell, 0))
        writer.take(epoch_message(lab, cell, 1))
        lab.finish(store, cell)
        writer.take({"type": "state", "key": cell.train_key, "state": "done"})
        writer.flush()
    assert writer.problem == "connection refused"
    assert writer.waiting == 5

    server.is_away = False
    clock.now += 100.0
    writer.flush()

    assert writer.problem is None
    assert writer.waiting == 0
    assert [server.of(cell).status for cell in plan.cells] == ["FINISHED"] * 4
    assert sync(store, lab.done(plan), URI, client=server).written == 0


def test_a_server_that_goes_away_in_the_middle_of_a_cell_leaves_no_double(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    for break_at in range(1, 60, 3):
        left = [break_at]

        def leave_once(left: list[int] = left) -> None:
            left[0] -= 1
            server.is_away = left[0] == 0

        server.before_call = leave_once
        writer, clock = begin(store, server, plan, tuple(cell.train_key for cell in plan.cells))
        for _ in range(5):
            clock.now += 100.0
            server.is_away = False
            writer.flush()
        assert writer.waiting == 0

    assert len(server.find(["1"], {"kind": "cell"})) == 4
    assert len(server.find(["1"], {"kind": "sweep"})) == 1


def test_an_interrupted_driver_leaves_no_run_that_seems_to_go_on(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan()
    writer, clock = begin(store, server, plan)
    writer.take({"type": "state", "key": plan.cells[0].train_key, "state": "running"})
    writer.take(epoch_message(lab, plan.cells[0], 0))
    clock.now = 20.0
    writer.flush()
    assert server.of(plan.cells[0]).status == "RUNNING"

    writer.close()
    writer.flush(everything=True)

    assert server.of(plan.cells[0]).status == "KILLED"
    (sweep_run,) = server.find(["1"], {"kind": "sweep"})
    assert (sweep_run.status, sweep_run.tags["result"]) == ("KILLED", "interrupted")


def test_a_refused_benchmark_leaves_its_reason(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan()
    cell = plan.cells[0]
    writer, clock = begin(store, server, plan)
    writer.take({"type": "refused", "key": cell.train_key, "benchmark": "c", "reason": "no such folder"})
    clock.now = 5.0
    writer.flush()

    assert server.of(cell).tags["refused.c"] == "no such folder"


def test_one_cell_that_the_server_refuses_does_not_hold_up_the_others(store: Any, lab: Any, server: Any) -> None:
    plan = finished(store, lab, lab.plan())
    run_id = server.create(
        server.experiment("demo", None, {}), "x", 1, {"cell_key": plan.cells[0].train_key, "kind": "cell"}
    )
    server.runs[run_id] = replace(server.runs[run_id], params={"method": "other"})
    server.deleted.discard(run_id)
    refuse = server.write_text
    server.write_text = lambda run, path, text: (
        server.log(run, (), {"method": "changed"}, {}) if run == run_id else refuse(run, path, text)
    )

    writer, _ = begin(store, server, plan, tuple(cell.train_key for cell in plan.cells))

    assert writer.problem == "refused"
    assert writer.waiting == 0
    assert [server.of(cell).status for cell in plan.cells[1:]] == ["FINISHED"] * 3

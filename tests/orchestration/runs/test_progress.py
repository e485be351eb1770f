"""What a person sees of a run: counts, an estimate of what is left, quiet lines, and a live image."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.engine.observer import CellState, Observers, QueuedObserver, RunObserver
from orchestration.planning.plan import make_plan
from orchestration.runs.eta import RunProgress, time_left
from orchestration.runs.progress import LineProgress, LiveProgress, attempt_text, cell_name, progress_for
from orchestration.store.contract import AttemptRecord
from orchestration.store.open import open_store
from trainers.job import EpochRow


@pytest.fixture
def plan() -> Plan:
    sweep = load_sweep("demo", size="smoke")
    return make_plan(sweep, store=open_store("memory:"))


def test_nothing_is_estimated_before_anything_is_known(plan: Plan) -> None:
    assert RunProgress(plan.to_run).eta_s(10.0) is None
    assert time_left(None) == "estimating ..."
    assert time_left(250.0) == "about 4.2 min left"


def test_before_a_stage_has_finished_the_running_one_teaches_without_the_time_of_starting(plan: Plan) -> None:
    """A cell that started 40 s ago and has a half of its training behind it after 10 s more."""
    progress = RunProgress(plan.to_run)
    first = plan.to_run[0]
    progress.state(first.train_key, "running", 0.0)
    progress.progress(first.train_key, "train", 0, 10, 40.0)
    progress.progress(first.train_key, "train", 2, 10, 44.0)
    assert progress.eta_s(44.0) is None

    progress.progress(first.train_key, "train", 5, 10, 50.0)

    stages = sum(1 + len(cell.missing) for cell in plan.to_run)
    assert progress.eta_s(50.0) == pytest.approx(20.0 * (stages - 0.5))


def test_a_stage_that_is_heard_of_at_its_end_took_the_time_since_the_stage_before(plan: Plan) -> None:
    """As the trainings of a smoke run, which said "about 0 s left"."""
    progress = RunProgress(plan.to_run)
    first = plan.to_run[0]
    progress.state(first.train_key, "running", 0.0)
    progress.progress(first.train_key, "train", 3, 3, 6.0)
    progress.progress(first.train_key, first.missing[0].name, 0, 1, 6.0)

    stages = sum(1 + len(cell.missing) for cell in plan.to_run)
    assert progress.eta_s(6.0) == pytest.approx(6.0 * (stages - 1))


def test_finished_stages_teach_how_long_the_others_take(plan: Plan) -> None:
    progress = RunProgress(plan.to_run)
    first = plan.to_run[0]
    progress.state(first.train_key, "running", 0.0)
    progress.progress(first.train_key, "train", 1, 2, 0.0)
    now = 0.0
    for request in first.missing:
        now += 10.0
        progress.progress(first.train_key, request.name, 0, 1, now)
    progress.state(first.train_key, "done", now + 10.0)

    stages = 1 + len(first.missing)
    assert progress.share_done() == pytest.approx(1 / 5)
    assert progress.eta_s(now + 10.0) == pytest.approx(4 * stages * 10.0)


def test_cells_that_run_side_by_side_shorten_what_is_left(plan: Plan) -> None:
    progress = RunProgress(plan.to_run)
    for cell in plan.to_run[:2]:
        progress.state(cell.train_key, "running", 0.0)
        progress.progress(cell.train_key, "train", 0, 1, 0.0)
    progress.progress(plan.to_run[0].train_key, "clean", 0, 1, 8.0)

    alone = RunProgress(plan.to_run)
    alone.state(plan.to_run[0].train_key, "running", 0.0)
    alone.progress(plan.to_run[0].train_key, "train", 0, 1, 0.0)
    alone.progress(plan.to_run[0].train_key, "clean", 0, 1, 8.0)

    assert progress.eta_s(8.0) == pytest.approx((alone.eta_s(8.0) or 0.0) / 2)


def test_estimates_of_the_plan_weigh_what_is_left(plan: Plan) -> None:
    """A training that took twice as long as estimated says that the others will, however short the benchmarks are."""
    cells = plan.to_run[:3]
    estimates = {cell.train_key: {"train": 10.0 * place, "clean": 1.0} for place, cell in enumerate(cells, 1)}
    short = [replace(cell, benchmarks=cell.benchmarks[:1], missing=cell.missing[:1]) for cell in cells]
    progress = RunProgress(short, estimates)
    first = short[0].train_key
    progress.state(first, "running", 0.0)
    progress.progress(first, "mixing set", 1, 2, 0.0)
    progress.progress(first, "train", 0, 1, 100.0)
    progress.progress(first, "clean", 0, 1, 120.0)
    progress.state(first, "done", 122.0)

    assert progress.share_done() == pytest.approx(11 / 63)
    assert progress.eta_s(122.0) == pytest.approx(2 * (20 + 1 + 30 + 1))


def test_failed_and_foreign_cells_have_nothing_left(plan: Plan) -> None:
    progress = RunProgress(plan.to_run)
    states: list[CellState] = ["failed", "skipped", "leased-elsewhere", "done", "done"]
    for cell, state in zip(plan.to_run, states, strict=True):
        progress.state(cell.train_key, state, 1.0)

    assert progress.share_done() == 1.0
    assert progress.counts() == {"failed": 1, "skipped": 1, "leased-elsewhere": 1, "done": 2}


def tell_everything(observer: RunObserver, plan: Plan) -> None:
    cell = plan.to_run[0]
    row = EpochRow(
        epoch=0,
        step=2,
        loss=1.0,
        accuracy=0.5,
        lr=0.1,
        images_per_s=10.0,
        data_wait_share=0.0,
        memory_mib=1.0,
        time=0.0,
        gpu_busy=0.934,
    )
    attempt = AttemptRecord(
        train_key=cell.train_key,
        attempt=1,
        error_class="nan",
        message="not a number\nmore",
        started_at=0.0,
        ended_at=1.0,
    )
    observer.run_started(plan)
    observer.cell_state(cell, "running", "group-0")
    observer.cell_progress(cell, "train", 1, 2)
    observer.epoch_ended(cell, row)
    observer.attempt_failed(cell, attempt, "set aside")
    observer.cell_state(cell, "failed", "nan: not a number")
    observer.message("look here")
    observer.run_ended(plan, "failed")


def test_lines_tell_what_matters_and_where_the_run_is(plan: Plan) -> None:
    stream = io.StringIO()

    tell_everything(LineProgress(stream), plan)

    lines = stream.getvalue().splitlines()
    assert lines[0] == "demo-smoke: 5 cells to run, 0 done"
    assert lines[1].startswith("[0/5] ")
    assert "attempt 1 failed: not a number; set aside" in stream.getvalue()
    assert lines[-3].startswith("[1/5] ")
    assert lines[-2:] == ["look here", "demo-smoke: failed"]


def test_a_summary_with_what_is_left_comes_now_and_then(plan: Plan) -> None:
    stream, now = io.StringIO(), [0.0]
    observer = LineProgress(stream, clock=lambda: now[0])
    observer.run_started(plan)
    observer.cell_state(plan.to_run[0], "running")
    for step in range(1, 13):
        now[0] = 10.0 * step
        observer.cell_progress(plan.to_run[0], "train", step, 12)

    assert stream.getvalue().count(" % done, ") == 4


def test_a_summary_says_how_busy_the_gpus_of_running_cells_are(plan: Plan) -> None:
    stream, now = io.StringIO(), [0.0]
    observer = LineProgress(stream, clock=lambda: now[0])
    observer.run_started(plan)
    row = EpochRow(epoch=0, step=1, loss=1, accuracy=0, lr=0, images_per_s=1, data_wait_share=0, memory_mib=1, time=0)
    first, second, third, *_ = plan.to_run
    for cell, busy in ((first, 0.9), (second, 0.7), (third, None)):
        observer.cell_state(cell, "running")
        observer.epoch_ended(cell, replace(row, gpu_busy=busy))

    def summary() -> str:
        now[0] += 60.0
        observer.cell_progress(second, "train", 1, 2)
        return stream.getvalue().splitlines()[-1]

    assert ", GPU 80 %;" in summary()
    observer.cell_state(first, "done")
    assert ", GPU 70 %;" in summary()
    observer.cell_state(second, "done")
    assert "GPU" not in summary()


def test_the_live_display_says_how_busy_the_gpu_of_a_cell_is(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    monkeypatch.setenv("COLUMNS", "160")
    observer = LiveProgress(io.StringIO())
    row = EpochRow(epoch=0, step=1, loss=1, accuracy=0, lr=0, images_per_s=9, data_wait_share=0, memory_mib=1, time=0)
    observer.epoch_ended(plan.to_run[0], replace(row, gpu_busy=0.934))
    observer.epoch_ended(plan.to_run[1], row)

    drawn = io.StringIO()
    Console(file=drawn, width=160).print(observer.display.get_renderable())

    assert "epoch 1, loss 1.000, 9 images/s, GPU 93 %" in drawn.getvalue()
    assert drawn.getvalue().count("GPU") == 1


def test_the_live_image_shows_the_sweep_and_its_running_cells(plan: Plan) -> None:
    from rich.console import Console

    observer = LiveProgress(io.StringIO())
    observer.cell_state(plan.to_run[0], "running")
    observer.cell_progress(plan.to_run[0], "train", 1, 4)

    drawn = io.StringIO()
    Console(file=drawn, width=120).print(observer.display.get_renderable())

    assert "training 25 %" in drawn.getvalue()
    assert plan.to_run[0].cell_id in drawn.getvalue()


def test_the_live_image_names_what_is_done_before_the_first_cell_runs_and_moves_until_a_share_is_known(
    plan: Plan,
) -> None:
    from rich.console import Console

    observer = LiveProgress(io.StringIO())

    def drawn() -> str:
        image = io.StringIO()
        Console(file=image, width=120).print(observer.display.get_renderable())
        return image.getvalue()

    observer.run_started(replace(plan, cells=plan.to_run[1:]))
    observer.display.stop()
    observer.cell_state(plan.to_run[0], "done")
    assert "starting workers" in drawn()
    assert [task.total for task in observer.display.tasks] == [None]

    observer.cell_state(plan.to_run[1], "running")
    assert "starting workers" not in drawn()
    assert observer.display.tasks[1].total is None

    observer.cell_progress(plan.to_run[1], "train", 0, 4)
    assert [task.total for task in observer.display.tasks] == [1.0, 1.0]

    observer.cell_state(plan.to_run[1], "waiting")
    assert "starting workers" not in drawn()


def test_the_live_display_survives_everything_it_can_be_told(plan: Plan) -> None:
    stream = io.StringIO()

    tell_everything(LiveProgress(stream), plan)

    assert "look here" in stream.getvalue()


def test_from_the_first_second_a_line_says_what_is_done(plan: Plan) -> None:
    stream = io.StringIO()
    LineProgress(stream).stage("checking", is_brief=True)
    LineProgress(stream).stage("starting Ray")

    live = LiveProgress(io.StringIO())
    live.stage("starting Ray")
    is_shown = live.display.live.is_started
    live.stage("")

    assert stream.getvalue() == "starting Ray ...\n"
    assert is_shown
    assert live.display.tasks[0].description == "starting Ray ..."
    assert not live.display.live.is_started


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_live_display_fits_its_terminal_and_cuts_no_number(
    width: int, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    monkeypatch.setenv("COLUMNS", str(width))
    observer = LiveProgress(io.StringIO())
    observer.run_started(plan)
    observer.cell_state(plan.to_run[0], "running")
    observer.cell_progress(plan.to_run[0], "mixing set", 2, 5)
    drawn = io.StringIO()
    Console(file=drawn, width=width).print(observer.display.get_renderable())
    observer.stage("")

    text = " ".join(drawn.getvalue().split())
    assert max(map(len, drawn.getvalue().splitlines())) <= width
    assert "40 %" in text
    assert plan.to_run[0].cell_id in text


def test_a_stream_that_is_no_terminal_gets_lines() -> None:
    assert isinstance(progress_for(io.StringIO()), LineProgress)


class Listener(RunObserver):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)


def test_several_observers_hear_everything_in_order(plan: Plan) -> None:
    first, second = Listener(), Listener()

    tell_everything(Observers([first, second]), plan)

    assert first.heard == second.heard == ["look here"]


@pytest.mark.parametrize("event", [name for name in vars(RunObserver) if not name.startswith("_")])
def test_every_event_reaches_a_listener_through_a_queue_and_a_fan_out(event: str) -> None:
    heard: list[tuple[object, ...]] = []
    listener = RunObserver()
    setattr(listener, event, lambda *arguments, **named: heard.append((*arguments, named)))
    queued = QueuedObserver(Observers([listener]))

    getattr(queued, event)("first", detail="second")
    assert heard == []
    queued.flush()

    assert heard == [("first", {"detail": "second"})]


def test_an_attempt_that_failed_without_a_message_is_told_all_the_same(plan: Plan) -> None:
    cell = plan.to_run[0]
    attempt = AttemptRecord(
        train_key=cell.train_key, attempt=1, error_class="bug", message="", started_at=0.0, ended_at=1.0
    )

    assert attempt_text(cell, attempt, "trying again") == f"{cell_name(cell)}: attempt 1 failed: bug; trying again"

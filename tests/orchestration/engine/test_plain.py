"""The plain engine: one Ray Train run in one trial of Ray Tune for every attempt at a cell."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.placement import GroupShape, Placement
from eval.benchmarks.contract import BenchmarkRequest
from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cli import main
from orchestration.engine.options import RunOptions
from orchestration.engine.plain import pool as pool_module
from orchestration.engine.plain import trial as trial_module
from orchestration.engine.plain.pool import PlainPool
from orchestration.engine.plain.trial import _described, plain_trial
from orchestration.engine.run import execute
from orchestration.errors import SweepError
from orchestration.store.files import MemoryStore
from tests.fakes.records import make_report, make_summary
from trainers.job import EpochRow, JobPaths, JobResult
from trainers.worker.plain_loop import numbers_of

PATHS = JobPaths(checkpoints="c", data_root="d", cache_dir="e")
SHAPE = GroupShape(num_workers=2, cpus_per_worker=0.5)


class PlayedMailbox:
    """An actor handle whose methods answer at once; remembers the calls."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._answers = answers or {}

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return self._answers.get(name)

        return SimpleNamespace(remote=remote)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> tuple[PlainPool, PlayedMailbox]:
    """A pool without a Ray: calls of its mailbox are answered at once."""
    mailbox = PlayedMailbox({"withdraw": False, "last_reserved": "ab12"})
    made = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: mailbox))
    context = SimpleNamespace(namespace="space", get_node_id=lambda: "00" * 28)
    fake = SimpleNamespace(
        remote=lambda _: made, get=lambda value: value, kill=lambda _: None, get_runtime_context=lambda: context
    )
    monkeypatch.setattr(pool_module, "ray", fake)
    return PlainPool(scratch=str(tmp_path), health_check_s=0.2), mailbox


def test_a_group_is_one_job_and_its_trial_is_told_all_of_it(pool: tuple[PlainPool, PlayedMailbox]) -> None:
    groups, mailbox = pool
    request: Any = object()

    group = groups.start(SHAPE, Placement(SHAPE, (0, 0)), "module:function")
    job = groups.post(group.name, request)
    told = groups.trial(group.name, job)

    assert mailbox.calls == [("post", group.name, job, request)]
    assert (told["group"], told["job"], told["run"]) == (group.name, job, "module:function")
    assert GroupShape(**told["shape"]) == SHAPE
    assert told["environment"]["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] == "0.2"
    assert group.jobs == RunOptions(paths=PATHS, engine="plain").jobs_per_group == 1


def test_a_trial_that_dies_under_its_job_is_reported_and_gives_back_what_it_reserved(
    pool: tuple[PlainPool, PlayedMailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups, mailbox = pool
    removed: list[str] = []
    monkeypatch.setattr(pool_module, "remove_reserved", removed.append)
    group = groups.start(SHAPE, Placement(SHAPE, (0, 0)), "module:function")
    job = groups.post(group.name, object())  # type: ignore[arg-type]

    assert not groups.withdraw(job)

    assert removed == ["ab12"]
    assert mailbox.calls[-1] == ("ended", group.name, "ActorDiedError: the process of the trial died")


def test_a_group_that_never_had_a_job_is_dropped_at_once(pool: tuple[PlainPool, PlayedMailbox]) -> None:
    groups, mailbox = pool
    idle, busy = (groups.start(SHAPE, Placement(SHAPE, (0, 0)), "module:function") for _ in range(2))
    groups.post(busy.name, object())  # type: ignore[arg-type]

    groups.end(idle.name)
    groups.end(busy.name)

    assert list(groups.groups) == [busy.name]
    assert mailbox.calls[-1] == ("end", busy.name)


def test_workers_are_told_to_end_only_when_their_job_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over, mailbox = threading.Event(), PlayedMailbox({"run": "job"})

    def wait(references: list[Any], timeout: float | None = None) -> tuple[list[Any], list[Any]]:
        return (references, []) if is_over.wait(timeout) else ([], references)

    def fit(*_: Any) -> None:
        assert [call[0] for call in mailbox.calls] == ["run"]
        is_over.set()

    fake = SimpleNamespace(wait=wait, get=lambda value: value, get_actor=lambda name, namespace: mailbox)
    monkeypatch.setattr(trial_module, "ray", fake)
    monkeypatch.setattr(trial_module, "_fit", fit)

    plain_trial({"mailbox": "m", "namespace": "n", "group": "trial-0", "job": 3, "environment": {}})
    ends = time.monotonic() + 5.0
    while len(mailbox.calls) < 2 and time.monotonic() < ends:
        time.sleep(0.01)

    assert mailbox.calls == [("run", "trial-0", 3), ("end", "trial-0")]


class Wrapped(Exception):
    """As Ray wraps the exception of a worker in its trace."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("no room"), "OSError: no room"),
        (SimpleNamespace(worker_failures={1: OSError("later"), 0: ValueError("first")}), "ValueError: first"),
        (
            SimpleNamespace(worker_failures={0: Wrapped("Traceback (most\n  File x\nValueError: in it")}),
            "ValueError: in it",
        ),
        (SimpleNamespace(controller_failure=RuntimeError("lost")), "RuntimeError: lost"),
    ],
)
def test_the_reason_of_a_broken_run_is_that_of_its_first_worker(error: Any, expected: str) -> None:
    assert _described(error) == expected


def test_a_job_is_reported_to_ray_tune_by_its_numbers() -> None:
    row = EpochRow(
        epoch=0,
        step=1,
        loss=0.5,
        accuracy=0.25,
        lr=0.1,
        images_per_s=1.0,
        data_wait_share=0.0,
        memory_mib=0.0,
        time=0.0,
    )
    wanted = BenchmarkRequest(name="clean", params={}, key="clean-key")
    report = make_report(wanted, BenchmarkOutcome(metrics={"error": MetricValue(0.125, 8)}))
    refused = make_report(wanted, None, error="no data")

    found = numbers_of(JobResult(train_key="k", training=make_summary(epochs=(row,)), reports=(report, refused)))

    assert found == {"outcome": "finished", "epochs": 1, "loss": 0.5, "accuracy": 0.25, "clean/error": 0.125}
    assert numbers_of(None) == {"outcome": "returned"}


def test_an_unknown_engine_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SweepError, match="engine must be warm or plain, but got plane"):
        RunOptions(paths=PATHS, engine="plane")  # type: ignore[arg-type]

    assert main(["run", "demo", "--engine", "plane"]) == 2
    assert "unknown engine 'plane' (did you mean 'plain'?)" in capsys.readouterr().err


@pytest.mark.ray
@pytest.mark.timeout(280)
def test_a_cell_runs_in_a_trial_of_its_own(local_ray, planned, plan_of, options, listener):
    store = MemoryStore()
    cell = planned(0, shards=2, epochs=2, benchmarks=("clean", "c"))
    settings = options(engine="plain", workers=2, cpus_per_worker=0.5, health_check_s=0.2)

    outcome = execute(plan_of(cell), store=store, options=settings, observer=listener)

    assert (outcome.status, outcome.computed, listener.messages) == ("complete", (cell.train_key,), [])
    result = store.result(cell.train_key)
    assert result.training.summary.environment["world_size"] == 2
    assert set(result.reports) == {"clean-key", "c-key"}
    assert listener.epochs == [(cell.cell_id, 0), (cell.cell_id, 1)]
    assert store.acquire(cell.train_key, "someone-else") is not None


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(580)
def test_failures_are_recorded_and_tried_again_as_by_the_warm_engine(
    local_ray, planned, plan_of, options, listener, tmp_path
):
    store = MemoryStore()
    raises = planned(1, shards=2, do="raise", rank=1)
    exits = planned(2, shards=2, do="exit", once=str(tmp_path / "exited"))
    diverges = planned(3, do="nan")
    settings = options(engine="plain", workers=2, cpus_per_worker=0.5, health_check_s=0.2)

    outcome = execute(plan_of(raises, exits, diverges), store=store, options=settings, observer=listener)

    assert (outcome.failed.keys(), outcome.computed) == ({raises.train_key, diverges.train_key}, (exits.train_key,))
    classes = {cell.cell_id: [one.error_class for one in store.attempts(cell.train_key)] for cell in (raises, exits)}
    assert classes == {raises.cell_id: ["bug"], exits.cell_id: ["worker-died"]}
    assert store.attempts(raises.train_key)[0].message == "rank 1: ValueError: shapes differ"
    assert store.attempts(diverges.train_key)[-1].error_class == "nan"
    assert not any("keep ending" in text for text in listener.messages)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(580)
def test_a_stop_request_ends_the_run_and_leaves_the_rest_unfinished(local_ray, planned, plan_of, options, listener):
    store = MemoryStore()
    cells = [planned(seed, epochs=40, epoch_s=0.5) for seed in range(4, 6)]

    class Stopper(type(listener)):
        def epoch_ended(self, cell, row):
            store.request("made-up", "stop")

    settings = options(engine="plain", max_concurrent=1, health_check_s=0.2)
    outcome = execute(plan_of(*cells), store=store, options=settings, observer=Stopper())

    assert outcome.status == "stopped"
    assert outcome.unfinished == tuple(cell.train_key for cell in cells)
    assert [one.error_class for cell in cells for one in store.attempts(cell.train_key)] == ["stopped"]
    assert all(store.acquire(cell.train_key, "someone-else") is not None for cell in cells)

"""The driver's decisions, with a pool that is played by hand: no Ray."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.placement import GroupShape, Node
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.engine.driver.driver import Driver
from orchestration.engine.driver.packing import MeasuredMemory, cells_per_gpu, kind_of
from orchestration.engine.groups.contract import Event
from orchestration.errors import EnvironmentRefused
from orchestration.store.contract import TrainingRecord
from orchestration.store.files import FileStore, MemoryStore
from orchestration.store.provenance import provenance_of
from tests.fakes.records import make_summary
from trainers.job import EpochRow, JobResult, TrainSummary
from trainers.worker.failure import RankFailure
from trainers.worker.gpu_share import CONTEXT_MIB

DIED = RankFailure(rank=0, kinds=("ActorDiedError",), message="killed")
NO_GPU = RankFailure(
    rank=0, kinds=("UnusableDevice",), message="torch sees no GPU; install a driver", declared="unusable-device"
)
MEMORY = RankFailure(rank=0, kinds=("OutOfMemoryError",), message="CUDA out of memory")
PREEMPTED = RankFailure(rank=0, kinds=("NodeDiedError",), message="the node was preempted")


class PlayedPool:
    """A `GroupPool` whose events the test makes up."""

    def __init__(self) -> None:
        self.groups: dict[str, Any] = {}
        self.events: list[Event] = []
        self.orders: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.requests: list[Any] = []
        self.drivers: list[Driver] = []
        self._groups, self._jobs = itertools.count(), itertools.count()

    def start(self, shape: GroupShape, placement: Any, job: str, *, host: str = "") -> Any:
        name = f"group-{next(self._groups)}"
        self.groups[name] = SimpleNamespace(
            name=name,
            shape=shape,
            placement=placement,
            jobs=0,
            idle_since=0.0,
            first_resident_mib=None,
            has_lost_host=False,
            is_ending=False,
        )
        return self.groups[name]

    def post(self, group: str, request: Any) -> int:
        self.requests.append(request)
        self.groups[group].jobs += 1
        return next(self._jobs)

    def trial(self, group: str, job: int) -> dict[str, Any]:
        return {"group": group, "job": job}

    def withdraw(self, job: int) -> bool:
        return True

    def wait(self, timeout_s: float) -> bool:
        return bool(self.events)

    def drain(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def order(self, group: str, order: str) -> None:
        self.orders.append((group, order))

    def end(self, group: str) -> None:
        self.ended.append(group)

    def kill(self, group: str) -> None:
        self.ended.append(group)

    def forget(self, group: str) -> None:
        self.groups.pop(group, None)

    def say(self, kind: str, suggestion: Any, *values: Any) -> None:
        """Make up an event of the job of a suggestion."""
        self.events.append(Event(kind=kind, group=suggestion["group"], job=suggestion["job"], values=values))
        if kind in ("finished", "failed"):
            for driver in self.drivers:
                driver.trial_ended(suggestion["job"])

    def finish(self, suggestion: Any, resident_mib: float = 100.0, *, gpu_peak_mib: float = 0.0) -> None:
        """Let the job of a suggestion finish."""
        request = self.requests[suggestion["job"]]
        result = JobResult(train_key=request.train_key, training=summary_of("a" * 64), gpu_peak_mib=gpu_peak_mib)
        self.say("finished", suggestion, result, resident_mib)


@pytest.fixture
def pool() -> PlayedPool:
    """A pool whose events the test makes up."""
    return PlayedPool()


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture
def driver_of(pool, store, options, plan_of, listener) -> Callable[..., Driver]:
    """Build a driver over cells on a node with 1 CPU unless said otherwise."""

    def build(
        *cells: Any,
        nodes: tuple[Node, ...] = (Node(name="n", cpus=1),),
        owner: str = "me",
        clock: Callable[[], float] = time.monotonic,
        **changes: Any,
    ) -> Driver:
        driver = Driver(
            plan_of(*cells),
            store=store,
            options=options(**changes),
            observer=listener,
            pool=pool,
            nodes=nodes,
            owner=owner,
            keeps_groups=False,
            clock=clock,
        )
        pool.drivers.append(driver)
        return driver

    return build


def test_cells_go_to_the_same_warm_group_one_after_the_other(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()), planned(2, benchmarks=()))
    first = driver.suggest()
    assert driver.suggest() is None
    pool.finish(first)
    second = driver.suggest()
    assert (first["group"], second["group"]) == ("group-0", "group-0")
    pool.finish(second)
    assert driver.suggest() == "finished"
    assert len(driver.computed) == 2


def test_a_cell_whose_worker_died_is_tried_again_until_it_is_set_aside(driver_of, pool, planned, store):
    cell = planned(1, benchmarks=())
    driver = driver_of(cell, max_attempts=2)
    for _ in range(2):
        pool.say("failed", driver.suggest(), DIED)
    assert driver.suggest() == "finished"
    assert driver.failed == {cell.train_key: "worker-died: rank 0: ActorDiedError: killed"}
    assert [attempt.attempt for attempt in store.attempts(cell.train_key)] == [1, 2]


def test_preemptions_use_up_no_attempts(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()), max_attempts=1)
    for _ in range(5):
        pool.say("failed", driver.suggest(), PREEMPTED)
    pool.finish(driver.suggest())
    assert driver.suggest() == "finished"
    assert driver.failed == {}


def test_a_cell_that_outgrew_its_share_of_a_gpu_gets_a_whole_one(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()), nodes=(Node(name="n", cpus=4, gpus=1),), gpus_per_worker=0.5)
    pool.say("failed", driver.suggest(), MEMORY)
    again = driver.suggest()
    assert pool.groups[again["group"]].shape.gpus_per_worker == 1.0
    assert pool.ended == ["group-0"]


def test_a_cell_held_by_another_driver_waits_and_is_taken_over_when_released(driver_of, pool, planned, store, listener):
    cell = planned(1, benchmarks=())
    lease = store.acquire(cell.train_key, "other/1")
    now = [0.0]
    driver = driver_of(cell, clock=lambda: now[0])
    assert driver.suggest() is None
    assert ("leased-elsewhere") in [state for _, state, _ in listener.states]
    store.release(lease)
    assert driver.suggest() is None
    now[0] = 1.0
    assert isinstance(driver.suggest(), dict)


def test_a_cell_that_another_driver_completed_is_taken_as_done(driver_of, pool, planned, store, listener):
    cell = planned(1, benchmarks=())
    one, two = driver_of(cell), driver_of(cell, owner="other")
    pool.finish(one.suggest())
    assert one.suggest() == "finished"
    assert two.suggest() == "finished"
    assert (two.computed, two.state.over) == ([], {cell.train_key: True})


def take_over(store: MemoryStore, train_key: str) -> None:
    """Take a lease as another driver does that has seen no heartbeat for long."""
    other = FileStore(store.storage, lease_expiry_s=1e-9)
    assert other.acquire(train_key, "other/1") is None  # it has just seen the first heartbeat
    assert other.acquire(train_key, "other/1") is not None


def lost(group: str, *failures: RankFailure) -> Event:
    return Event(kind="lost", group=group, job=-1, values=(failures, 1))


def test_a_reserved_gpu_that_cannot_be_used_ends_the_run_before_any_attempt(driver_of, pool, planned, store):
    cell = planned(1, benchmarks=())
    driver = driver_of(cell, nodes=(Node(name="n", cpus=8, gpus=1),))
    driver.suggest()
    pool.events.append(lost("group-0", NO_GPU))
    driver.pump(0.0)

    assert isinstance(driver.error, EnvironmentRefused)
    assert str(driver.error) == "torch sees no GPU; install a driver"
    assert (driver.halt, pool.ended) == ("failed", ["group-0"])
    assert not store.attempts(cell.train_key)


def test_a_node_with_a_broken_gpu_among_others_loses_its_place_only(driver_of, pool, planned, listener):
    driver = driver_of(*(planned(seed, benchmarks=()) for seed in range(5)), nodes=(Node(name="n", cpus=8, gpus=2),))
    first, second = driver.suggest(), driver.suggest()
    pool.events.append(Event(kind="joined", group=first["group"], job=-1, values=(0.0, frozenset())))
    pool.events += [lost(second["group"], NO_GPU), lost(second["group"], NO_GPU)]
    pool.say("returned", second)
    pool.events.append(Event(kind="ended", group=second["group"], job=-1, values=("killed",)))
    driver.pump(0.0)

    assert (driver.error, driver.halt, pool.ended) == (None, None, [second["group"]])
    assert listener.messages == [
        "the run goes on without a worker group that cannot start: torch sees no GPU; install a driver"
    ]
    assert driver.suggest() is None
    pool.finish(first)
    assert driver.suggest()["group"] == first["group"]


def test_a_lost_lease_ends_the_attempt_without_counting_it(driver_of, pool, planned, store):
    cell = planned(1, benchmarks=())
    driver = driver_of(cell)
    suggestion = driver.suggest()
    take_over(store, cell.train_key)
    driver.leases.beat()
    assert pool.orders == [("group-0", "abort")]
    pool.say("failed", suggestion, DIED)
    assert driver.suggest() is None
    assert store.attempts(cell.train_key) == ()


def test_what_an_abandoned_job_says_is_not_recorded(driver_of, pool, planned, store):
    cell = planned(1, benchmarks=())
    driver = driver_of(cell)
    suggestion = driver.suggest()
    take_over(store, cell.train_key)
    driver.leases.beat()
    pool.finish(suggestion)
    driver.suggest()
    assert store.result(cell.train_key) is None


def test_a_group_that_dies_again_and_again_without_work_ends_the_run(driver_of, pool, planned, listener):
    driver = driver_of(planned(1, benchmarks=()))
    suggestion = driver.suggest()
    pool.events.append(Event(kind="lost", group="group-0", job=-1, values=((DIED,), 3)))
    driver.pump(0.0)
    assert driver.halt == "failed"
    assert "die without having taken a job" in listener.messages[0]
    assert pool.orders == [(suggestion["group"], "stop")]


def test_a_returned_job_is_queued_again_and_was_no_attempt(driver_of, pool, planned, store):
    cell = planned(1, benchmarks=())
    driver = driver_of(cell)
    suggestion = driver.suggest()
    pool.events.append(Event(kind="returned", group="group-0", job=suggestion["job"]))
    pool.events.append(Event(kind="ended", group="group-0", job=-1, values=("",)))
    again = driver.suggest()
    assert again["group"] == "group-1"
    pool.finish(again)
    assert driver.suggest() == "finished"
    assert driver.attempts == 0


def test_a_trial_that_breaks_before_delivery_is_a_failed_attempt(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()))
    driver.trial_ended(driver.suggest()["job"], has_broken=True)
    assert driver.attempts == 1
    assert isinstance(driver.suggest(), dict)


def test_groups_that_end_with_their_nodes_do_not_end_the_run_and_groups_that_end_by_themselves_do(
    driver_of, pool, planned
):
    driver = driver_of(planned(1, benchmarks=()), max_attempts=10)
    for number in range(8):
        suggestion = driver.suggest()
        assert driver.halt is None
        pool.groups[suggestion["group"]].has_lost_host = number < 5
        driver.trial_ended(suggestion["job"])
        pool.say("returned", suggestion)
        reason = "ActorDiedError: the controller died"
        pool.events.append(Event(kind="ended", group=suggestion["group"], job=-1, values=(reason,)))
    driver.suggest()
    assert driver.halt == "failed"
    assert "worker groups keep ending" in driver.reason


def test_reports_that_are_there_with_their_training_are_recorded_in_one_go(
    driver_of, pool, planned, store, monkeypatch
):
    cell, joined, record_cell = planned(1, benchmarks=("clean", "c", "pgd")), [], store.record_cell
    earlier = TrainingRecord(train_key=cell.train_key, summary=summary_of("0" * 64), provenance=provenance_of(cell))
    store.record_training(earlier)

    def remember(record: Any, reports: Any) -> bool:
        joined.append([report.benchmark for report in reports])
        return bool(record_cell(record, reports))

    monkeypatch.setattr(store, "record_cell", remember)
    driver = driver_of(cell)
    suggestion = driver.suggest()
    key, sha = cell.train_key, "a" * 64
    failed = MetricReport(benchmark="c", benchmark_key="c-key", semantics=1, outcome=None, error="no such folder")
    pool.say("trained", suggestion, key, summary_of(sha))
    pool.say("benchmark", suggestion, key, sha, report_of("clean"))
    pool.say("benchmark", suggestion, key, "0" * 64, report_of("other"))
    pool.say("benchmark", suggestion, key, sha, failed)
    driver.pump(0.0)
    assert set(store.result(key).reports) == {"clean-key"}
    pool.say("benchmark", suggestion, key, sha, report_of("pgd"))
    driver.pump(0.0)

    assert joined == [["clean"]]
    assert set(store.result(key).reports) == {"clean-key", "pgd-key"}


def report_of(name: str) -> MetricReport:
    """A report without any number in it."""
    outcome = BenchmarkOutcome(metrics={"error": MetricValue(0.5, 10)})
    return MetricReport(benchmark=name, benchmark_key=f"{name}-key", semantics=1, outcome=outcome, wall_s=1.0)


def summary_of(sha256: str) -> TrainSummary:
    """A training of no epochs."""
    return make_summary(checkpoint_sha256=sha256, checkpoint_uri="memory", wall_s=0.0, device_s=0.0)


def test_cold_mode_gives_each_cell_its_own_group(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()), planned(2, benchmarks=()), mode="cold")
    pool.finish(driver.suggest())
    assert driver.suggest()["group"] == "group-1"
    assert pool.ended == ["group-0"]


def test_a_group_that_has_grown_is_replaced(driver_of, pool, planned):
    driver = driver_of(*(planned(seed, benchmarks=()) for seed in range(3)), group_growth_mib=50.0)
    pool.finish(driver.suggest(), resident_mib=100.0)
    pool.finish(driver.suggest(), resident_mib=151.0)
    assert driver.suggest()["group"] == "group-1"


def test_an_idle_group_ends_before_the_node_would_be_released(driver_of, pool, planned, store):
    mine, held = planned(1, benchmarks=()), planned(2, benchmarks=())
    store.acquire(held.train_key, "other/1")
    now = [0.0]
    driver = driver_of(mine, held, group_idle_s=10.0, clock=lambda: now[0])
    pool.finish(driver.suggest())
    driver.suggest()
    now[0] = 9.0
    driver.pump(0.0)
    assert pool.ended == []
    now[0] = 11.0
    driver.pump(0.0)
    assert pool.ended == ["group-0"]


def test_a_group_ends_when_no_cell_of_its_size_is_left(driver_of, pool, planned):
    driver = driver_of(
        planned(1, benchmarks=(), shards=2), planned(2, benchmarks=()), workers=2, nodes=(Node(name="n", cpus=3),)
    )
    wide = driver.suggest()
    narrow = driver.suggest()
    pool.finish(wide)
    driver.pump(0.0)
    assert pool.ended == [wide["group"]]
    assert narrow["group"] in driver.state.groups


def test_a_paused_run_starts_nothing_and_goes_on_when_resumed(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()))
    driver.is_paused = True
    assert driver.suggest() is None
    driver.is_paused = False
    assert isinstance(driver.suggest(), dict)


def test_a_store_that_fails_ends_the_run_with_its_error(driver_of, pool, planned, store, monkeypatch):
    driver = driver_of(planned(1, benchmarks=()))

    def refuse(*_: object) -> None:
        raise OSError("the store is away")

    monkeypatch.setattr(store, "acquire", refuse)
    assert driver.suggest() == "finished"
    assert isinstance(driver.error, OSError)


def test_two_threads_never_start_a_cell_twice(driver_of, pool, planned):
    driver = driver_of(*(planned(seed, benchmarks=()) for seed in range(40)), nodes=(Node(name="n", cpus=40),))
    found: list[Any] = []

    def ask() -> None:
        for _ in range(30):
            suggestion = driver.suggest()
            if isinstance(suggestion, dict):
                found.append(suggestion["cell"] + str(suggestion["job"]))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found)) == 40


def test_a_group_rests_until_the_trial_of_its_last_cell_is_over(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()), planned(2, benchmarks=()))
    first = driver.suggest()
    pool.drivers.clear()
    pool.finish(first)
    assert driver.suggest() is None
    driver.trial_ended(first["job"])
    assert driver.suggest()["group"] == first["group"]


def test_a_trial_that_ends_before_its_cell_leaves_the_group_free_afterwards(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()), planned(2, benchmarks=()))
    first = driver.suggest()
    driver.trial_ended(first["job"])
    pool.finish(first)
    assert driver.suggest()["group"] == first["group"]


def epoch_row(memory_mib: float) -> EpochRow:
    return EpochRow(
        epoch=0,
        step=1,
        loss=0.0,
        accuracy=0.0,
        lr=0.0,
        images_per_s=0.0,
        data_wait_share=0.0,
        memory_mib=memory_mib,
        time=0.0,
    )


ONE_GPU = {"nodes": (Node(name="n", cpus=8, gpus=1),), "gpus_per_worker": 1.0}


def joined(group: str, gpu_mib: float = 24_000.0) -> Event:
    return Event(kind="joined", group=group, job=-1, values=(gpu_mib, frozenset({"n"})))


def test_cells_share_a_gpu_once_a_whole_job_of_their_kind_has_shown_that_they_fit(driver_of, pool, planned):
    cells = [planned(seed, benchmarks=()) for seed in range(5)]
    driver = driver_of(*cells, **ONE_GPU, share_gpus=True)
    first = driver.suggest()
    pool.events.append(joined(first["group"]))
    # Training alone does not show it: evaluation may need more.
    pool.say("epoch", first, "key", epoch_row(5_000.0))
    assert driver.suggest() is None
    pool.finish(first, gpu_peak_mib=6_000.0)
    together = [driver.suggest() for _ in range(3)]
    assert pool.ended == [first["group"]]
    assert {pool.groups[one["group"]].shape.gpus_per_worker for one in together} == {0.3333}
    assert driver.suggest() is None


def test_cells_have_gpus_for_themselves_unless_sharing_was_asked_for(driver_of, pool, planned):
    driver = driver_of(*[planned(seed, benchmarks=()) for seed in range(3)], **ONE_GPU)
    first = driver.suggest()
    pool.events.append(joined(first["group"]))
    pool.finish(first, gpu_peak_mib=100.0)
    second = driver.suggest()
    assert pool.groups[second["group"]].shape.gpus_per_worker == 1.0
    assert driver.suggest() is None


def test_an_evaluation_alone_does_not_show_what_its_kind_needs(driver_of, pool, planned):
    evaluated = replace(planned(1), trained=True)
    trained = [planned(seed, benchmarks=()) for seed in (2, 3)]
    driver = driver_of(evaluated, *trained, **ONE_GPU, share_gpus=True, priorities={evaluated.train_key: 1})
    shapes = []
    for _ in range(3):
        suggestion = driver.suggest()
        pool.events.append(joined(suggestion["group"]))
        shapes.append((pool.requests[suggestion["job"]].train_key, pool.groups[suggestion["group"]].shape))
        is_evaluation = shapes[-1][0] == evaluated.train_key
        pool.finish(suggestion, gpu_peak_mib=100.0 if is_evaluation else 20_000.0)
    assert shapes[0][0] == evaluated.train_key
    assert {shape.gpus_per_worker for _, shape in shapes} == {1.0}


def test_the_largest_measured_peak_of_a_kind_counts(planned):
    memory, cell = MeasuredMemory(), planned(1, benchmarks=())
    memory.gpu_memory_mib = 24_000.0
    assert memory.note(cell, 5_000.0)
    assert not memory.note(cell, 100.0)
    (shape,) = memory.shapes(cell, (GroupShape(num_workers=1, cpus_per_worker=1.0, gpus_per_worker=1.0),))
    assert shape.gpus_per_worker == 0.3333


@pytest.mark.parametrize(
    ("peak_mib", "count"), [(4_900.0, 4), (5_000.0, 3), (10_000.0, 2), (11_000.0, 1), (30_000.0, 1)]
)
def test_each_of_several_cells_has_its_peak_within_its_own_limit(peak_mib, count):
    assert cells_per_gpu(peak_mib, 24_000.0) == count
    limit = 24_000.0 / count - CONTEXT_MIB
    assert count == 1 or limit >= 1.1 * peak_mib


def test_networks_of_another_precision_need_other_memory(planned):
    cell = planned(1, benchmarks=())
    coarse = replace(cell, config=replace(cell.config, recipe=replace(cell.config.recipe, precision="bf16")))
    again = replace(cell, config=replace(cell.config, seed=2))
    assert kind_of(cell) == kind_of(again) != kind_of(coarse)


def test_a_kind_that_ran_out_of_memory_together_is_kept_apart(driver_of, pool, planned):
    cells = [planned(seed, benchmarks=()) for seed in range(4)]
    driver = driver_of(*cells, **ONE_GPU, share_gpus=True)
    first = driver.suggest()
    pool.events.append(joined(first["group"]))
    pool.finish(first, gpu_peak_mib=7_000.0)
    shared = [driver.suggest(), driver.suggest()]
    pool.say("failed", shared[0], MEMORY)
    pool.finish(shared[1])
    again = driver.suggest()
    assert pool.groups[again["group"]].shape.gpus_per_worker == 1.0


def test_cells_on_cpus_are_never_repacked(driver_of, pool, planned):
    driver = driver_of(planned(1, benchmarks=()), planned(2, benchmarks=()), share_gpus=True)
    first = driver.suggest()
    pool.events.append(joined(first["group"], gpu_mib=0.0))
    pool.finish(first)
    assert driver.suggest()["group"] == first["group"]


def test_a_job_on_a_node_that_is_about_to_leave_checkpoints_and_goes_elsewhere(driver_of, pool, planned, store):
    cell = planned(1, benchmarks=())
    driver = driver_of(cell)
    first = driver.suggest()
    pool.events.append(Event(kind="joined", group=first["group"], job=-1, values=(0.0, frozenset({"id-1"}))))
    driver.pump(0.0)
    driver.cluster_changed([Node(name="other", cpus=1)], frozenset({"id-1"}))
    assert pool.orders == [(first["group"], "stop")]
    assert pool.ended == [first["group"]]
    pool.say("failed", first, RankFailure(rank=0, kinds=("JobStopped",), message="asked to stop"))
    second = driver.suggest()
    assert pool.groups[second["group"]].placement.nodes == (1,)
    assert [attempt.error_class for attempt in store.attempts(cell.train_key)] == ["preempted"]


def test_cells_that_do_not_stop_in_time_are_recorded_as_stopped_and_released(driver_of, pool, planned, store):
    cell = planned(1, benchmarks=())
    driver = driver_of(cell)
    driver.suggest()
    driver.stop("interrupted")
    driver.abort()
    assert pool.orders == [("group-0", "stop"), ("group-0", "abort")]
    assert [attempt.error_class for attempt in store.attempts(cell.train_key)] == ["stopped"]
    assert store.acquire(cell.train_key, "other/1") is not None
    assert driver.suggest() == "finished"

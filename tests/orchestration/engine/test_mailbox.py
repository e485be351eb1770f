"""The mailbox's rules, in plain asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from orchestration.engine.groups import mailbox as mailbox_module
from orchestration.engine.groups.mailbox import Mailbox
from orchestration.planning.retry_policy import classify
from trainers.errors import JobPreempted
from trainers.job import Delivery
from trainers.worker.failure import RankFailure, describe_failure

FAILURE = RankFailure(rank=1, kinds=("ValueError",), message="shapes differ")
TOLD_TO_GO = describe_failure(JobPreempted("its worker was ended by SIGTERM"), 0)


def _play(scene: Callable[[Mailbox], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(scene(Mailbox()), 10)

    asyncio.run(main())


async def _kinds(box: Mailbox) -> list[str]:
    return [event.kind for event in await box.drain()]


async def _started(box: Mailbox, ranks: int, job: int = 7) -> tuple[asyncio.Task[str], list[int]]:
    tokens = [(await box.join("g", rank, ranks))[0] for rank in range(ranks)]
    await box.post("g", job, "request")  # type: ignore[arg-type]
    running = asyncio.ensure_future(box.run("g", job))
    for rank in range(ranks):
        delivery = await box.take("g", rank, tokens[rank], 1.0)
        assert delivery == Delivery(job=job, request="request")  # type: ignore[arg-type]
    return running, tokens


def test_every_rank_gets_the_job_and_it_is_finished_when_all_are():
    async def scene(box: Mailbox) -> None:
        running, _ = await _started(box, 2)
        await box.finish("g", 0, 7, "result", 100.0)
        assert not running.done()
        await box.finish("g", 1, 7, None, 120.0)
        assert await running == "finished"
        events = await box.drain()
        assert [event.kind for event in events] == ["joined", "taken", "finished"]
        assert events[-1].values == ("result", 120.0)

    _play(scene)


def test_a_rank_does_not_get_the_same_job_twice():
    async def scene(box: Mailbox) -> None:
        _, tokens = await _started(box, 2)
        assert await box.take("g", 1, tokens[1], 0.05) == "nothing yet"

    _play(scene)


def test_a_job_fails_with_the_causes_of_all_ranks_once_the_group_is_lost():
    async def scene(box: Mailbox) -> None:
        running, tokens = await _started(box, 2)
        await box.fail("g", 1, tokens[1], FAILURE)
        assert not running.done()
        dead = RankFailure(rank=0, kinds=("ActorDiedError",), message="killed")
        await box.lost("g", [dead, RankFailure(rank=1, kinds=("Wrapped",), message="again")])
        assert await running == "failed"
        failed = next(event for event in await box.drain() if event.kind == "failed")
        assert failed.values == (FAILURE, dead)

    _play(scene)


def test_a_failure_is_settled_even_if_the_controller_never_speaks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mailbox_module, "SETTLE_S", 0.05)

    async def scene(box: Mailbox) -> None:
        running, tokens = await _started(box, 2)
        await box.fail("g", 1, tokens[1], FAILURE)
        assert await running == "failed"

    _play(scene)


def test_a_dead_life_of_a_rank_takes_and_tells_nothing_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mailbox_module, "SETTLE_S", 0.05)

    async def scene(box: Mailbox) -> None:
        running, tokens = await _started(box, 1)
        stale = asyncio.ensure_future(box.take("g", 0, tokens[0], 5.0))
        await box.lost("g", [FAILURE])
        assert await running == "failed"
        await box.post("g", 8, "next")  # type: ignore[arg-type]
        second = asyncio.ensure_future(box.run("g", 8))
        assert await stale is None
        token, _ = await box.join("g", 0, 1)
        assert await box.take("g", 0, token, 1.0) == Delivery(job=8, request="next")  # type: ignore[arg-type]
        await box.fail("g", 0, tokens[0], FAILURE)
        await asyncio.sleep(0.1)
        assert not second.done()

    _play(scene)


def test_a_job_that_no_rank_took_stays_for_the_next_life_of_the_group():
    async def scene(box: Mailbox) -> None:
        await box.join("g", 0, 1)
        await box.post("g", 7, "request")  # type: ignore[arg-type]
        running = asyncio.ensure_future(box.run("g", 7))
        await asyncio.sleep(0)
        await box.lost("g", [FAILURE])
        assert not running.done()
        token, _ = await box.join("g", 0, 1)
        assert await box.take("g", 0, token, 1.0) == Delivery(job=7, request="request")  # type: ignore[arg-type]

    _play(scene)


def test_deaths_without_work_are_counted_until_a_job_is_taken():
    async def scene(box: Mailbox) -> None:
        for count in (1, 2):
            await box.lost("g", [FAILURE])
            assert (await box.drain())[-1].values == ((FAILURE,), count)
        await _started(box, 1)
        await box.lost("g", [FAILURE])
        assert (await box.drain())[-1].values == ((FAILURE,), 0)

    _play(scene)


def test_a_group_ends_after_its_current_job_when_asked_to():
    async def scene(box: Mailbox) -> None:
        running, tokens = await _started(box, 1)
        await box.end("g")
        assert await box.take("g", 0, tokens[0], 0.05) == "nothing yet"
        await box.finish("g", 0, 7, "result", 1.0)
        assert await running == "finished"
        assert await box.take("g", 0, tokens[0], 1.0) is None

    _play(scene)


def test_a_job_for_a_group_that_has_ended_comes_back_untried():
    async def scene(box: Mailbox) -> None:
        await box.ended("g", "")
        await box.post("g", 7, "request")  # type: ignore[arg-type]
        assert await box.run("g", 7) == "returned"
        assert await _kinds(box) == ["ended", "returned"]

    _play(scene)


def test_a_job_on_a_group_that_ends_by_itself_fails_with_the_reason():
    async def scene(box: Mailbox) -> None:
        running, _ = await _started(box, 1)
        await box.ended("g", "the controller died")
        assert await running == "failed"
        failed = next(event for event in await box.drain() if event.kind == "failed")
        assert failed.values[0].message == "the controller died"

    _play(scene)


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("ActorDiedError: its node was preempted: received SIGTERM", "preempted"),
        ("ActorDiedError: its node has died", "worker-died"),
        ("ControllerError: received SIGTERM", "worker-died"),
    ],
)
def test_a_controller_that_leaves_with_its_node_costs_no_attempt_and_one_that_dies_does(reason: str, found: str):
    async def scene(box: Mailbox) -> None:
        running, _ = await _started(box, 1)
        await box.ended("g", reason)
        assert await running == "failed"
        failed = next(event for event in await box.drain() if event.kind == "failed")
        assert classify(failed.values)[0] == found

    _play(scene)


@pytest.mark.parametrize(
    ("reason", "has_lost_node", "found"),
    [
        ("ActorDiedError: killed", False, "worker-died"),
        ("ActorDiedError: the node of the group's controller left: no reason", True, "preempted"),
    ],
)
def test_workers_that_ray_tells_to_go_since_their_controller_died_do_not_hide_its_death(
    reason: str, has_lost_node: bool, found: str
):
    async def scene(box: Mailbox) -> None:
        running, tokens = await _started(box, 2)
        for rank, token in enumerate(tokens):
            await box.fail("g", rank, token, TOLD_TO_GO)
        assert not running.done()
        await box.ended("g", reason, has_lost_node)
        assert await running == "failed"
        failed = next(event for event in await box.drain() if event.kind == "failed")
        assert classify(failed.values)[0] == found

    _play(scene)


def test_workers_that_are_told_to_go_while_their_controller_stands_are_preempted():
    async def scene(box: Mailbox) -> None:
        running, tokens = await _started(box, 2)
        for rank, token in enumerate(tokens):
            await box.fail("g", rank, token, TOLD_TO_GO)
        await box.lost("g", [RankFailure(rank=0, kinds=("ActorDiedError",), message="its process ended")])
        assert await running == "failed"
        failed = next(event for event in await box.drain() if event.kind == "failed")
        assert classify(failed.values)[0] == "preempted"

    _play(scene)


def test_a_group_stands_on_the_node_of_its_controller_too():
    async def scene(box: Mailbox) -> None:
        await box.hosted("g", "b")
        await box.join("g", 0, 1, 0.0, "a")
        (joined,) = await box.drain()
        assert joined.values[1] == {"a", "b"}

    _play(scene)


def test_an_order_reaches_each_rank_once():
    async def scene(box: Mailbox) -> None:
        token, last = await box.join("g", 0, 1)
        waiting = asyncio.ensure_future(box.orders("g", 0, token, last, 5.0))
        await asyncio.sleep(0)
        await box.order("g", "stop")
        number, order = await waiting
        assert order == "stop"
        assert await box.orders("g", 0, token, number, 0.05) == (number, "")
        await box.lost("g", [])
        assert await box.orders("g", 0, token, number, 5.0) == (number, "gone")

    _play(scene)


def test_an_order_to_an_earlier_life_does_not_reach_the_next():
    async def scene(box: Mailbox) -> None:
        await box.join("g", 0, 1)
        await box.order("g", "abort")
        await box.lost("g", [])
        token, last = await box.join("g", 0, 1)
        assert await box.orders("g", 0, token, last, 0.05) == (last, "")

    _play(scene)


@pytest.mark.parametrize("is_delivered", [True, False])
def test_a_job_that_no_rank_has_taken_goes_back_when_its_group_is_told_to_stop(is_delivered: bool):
    async def scene(box: Mailbox) -> None:
        await box.post("g", 7, "request")  # type: ignore[arg-type]
        running = asyncio.ensure_future(box.run("g", 7)) if is_delivered else None
        await asyncio.sleep(0)
        await box.order("g", "stop")
        assert await (running or box.run("g", 7)) == "returned"
        token, _ = await box.join("g", 0, 1)
        assert await box.take("g", 0, token, 0.05) == "nothing yet"
        assert await _kinds(box) == ["returned", "joined"]

    _play(scene)


def test_a_job_knows_which_orders_were_given_before_it():
    async def scene(box: Mailbox) -> None:
        token, _ = await box.join("g", 0, 1)
        await box.order("g", "stop")
        await box.post("g", 7, "request")  # type: ignore[arg-type]
        running = asyncio.ensure_future(box.run("g", 7))
        delivery = await box.take("g", 0, token, 1.0)
        await box.order("g", "stop")
        assert isinstance(delivery, Delivery)
        assert (delivery.orders, running.done()) == (1, False)
        assert (await box.orders("g", 0, token, 1, 1.0))[0] > delivery.orders

    _play(scene)


def test_a_withdrawn_job_is_unknown_to_a_late_trial():
    async def scene(box: Mailbox) -> None:
        await box.post("g", 7, "request")  # type: ignore[arg-type]
        assert await box.withdraw(7)
        assert not await box.withdraw(7)
        assert await box.run("g", 7) == "unknown"

    _play(scene)


def test_a_trial_waits_for_its_next_job_and_gets_all_in_order():
    async def scene(box: Mailbox) -> None:
        waiting = asyncio.ensure_future(box.next(7))
        other = asyncio.ensure_future(box.next(5))
        await asyncio.sleep(0)
        await box.hand_over(7, "g", 8)
        assert await waiting == ("g", 8)
        await box.hand_over(7, "g", 9)
        await box.hand_over(7, "h", 10)
        assert [await box.next(7), await box.next(7)] == [("g", 9), ("h", 10)]
        assert not other.done()
        other.cancel()

    _play(scene)


def test_a_trial_that_is_dismissed_gets_what_it_was_given_and_then_ends():
    async def scene(box: Mailbox) -> None:
        waiting = asyncio.ensure_future(box.next(7))
        await asyncio.sleep(0)
        await box.dismiss(6)
        await asyncio.sleep(0)
        assert not waiting.done()
        await box.hand_over(7, "g", 8)
        await box.dismiss(7)
        assert await waiting == ("g", 8)
        assert await box.next(7) is None

    _play(scene)


def test_waiting_returns_as_soon_as_something_happens():
    async def scene(box: Mailbox) -> None:
        assert not await box.wait(0.01)
        waiting = asyncio.ensure_future(box.wait(5.0))
        await asyncio.sleep(0)
        await box.tell("g", 7, "epoch", ("key", "row"))
        assert await waiting
        assert await _kinds(box) == ["epoch"]

    _play(scene)


def test_what_a_job_says_comes_out_in_the_order_in_which_it_was_said():
    async def scene(box: Mailbox) -> None:
        await _started(box, 1)
        await box.drain()
        await box.tell("g", 7, "progress", ("b",), 1)
        await box.tell("g", 7, "use", ("u",))
        assert await _kinds(box) == ["use"], "numbered ones wait for those before them, others for none"
        await box.tell("g", 7, "epoch", ("a",), 0)
        await box.tell("g", 7, "epoch", ("c",), 2)
        assert [event.values for event in await box.drain()] == [("a",), ("b",), ("c",)]

    _play(scene)


def test_what_came_too_early_is_passed_on_in_order_at_the_latest_before_the_end_of_the_job():
    async def scene(box: Mailbox) -> None:
        await _started(box, 1)
        await box.drain()
        await box.tell("g", 7, "benchmark", ("c",), 2)
        await box.tell("g", 7, "trained", ("b",), 1)
        await box.finish("g", 0, 7, "result", 100.0)
        assert await _kinds(box) == ["trained", "benchmark", "finished"]
        await box.tell("g", 7, "epoch", ("a",), 0)
        assert await _kinds(box) == ["epoch"], "of a job that is over"

    _play(scene)


def test_a_job_is_over_at_once_when_all_its_ranks_have_failed():
    async def scene(box: Mailbox) -> None:
        running, tokens = await _started(box, 2)
        for rank in (0, 1):
            await box.fail(
                "g", rank, tokens[rank], RankFailure(rank=rank, kinds=("JobStopped",), message="asked to stop")
            )
        assert await running == "failed"
        await box.lost("g", [FAILURE])
        token, _ = await box.join("g", 0, 2)
        assert token > max(tokens)

    _play(scene)

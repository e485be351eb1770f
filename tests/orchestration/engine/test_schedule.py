"""The schedule: order, capacity, parents, canary, eviction."""

from __future__ import annotations

from clusters.placement import GroupShape, Node
from orchestration.engine.schedule import Finished, Start, Wait, next_cell
from orchestration.engine.schedule_state import Candidate, ScheduleState

ONE = GroupShape(num_workers=1)
TWO = GroupShape(num_workers=2)


def _candidate(key: str, seconds: float = 1.0, **more: object) -> Candidate:
    fields: dict[str, object] = {"order": 0, "shapes": (ONE,), **more}
    return Candidate(key=key, seconds=seconds, **fields)  # type: ignore[arg-type]


def _nodes(*cpus: float) -> list[Node]:
    return [Node(name=f"n{index}", cpus=amount) for index, amount in enumerate(cpus)]


def _run_to_end(state: ScheduleState) -> list[str]:
    order: list[str] = []
    while True:
        decision = next_cell(state)
        if isinstance(decision, Finished):
            return order
        if isinstance(decision, Wait):
            key = next(iter(state.running))
            state.stopped_running(key)
            state.done(key)
            continue
        for group in decision.evict:
            state.group_ended(group)
        state.started(decision.key, decision.group or f"g-{decision.key}", decision.placement)
        order.append(decision.key)


def test_cells_start_longest_first():
    state = ScheduleState([_candidate("a", 1), _candidate("b", 3), _candidate("c", 2)], _nodes(1))
    assert _run_to_end(state) == ["b", "c", "a"]


def test_equal_cells_start_in_the_order_of_the_plan():
    state = ScheduleState([_candidate("z", order=0), _candidate("a", order=1)], _nodes(1))
    assert _run_to_end(state) == ["z", "a"]


def test_higher_priorities_come_before_longer_cells():
    state = ScheduleState([_candidate("long", 9), _candidate("wanted", 1, priority=1)], _nodes(1))
    assert _run_to_end(state) == ["wanted", "long"]


def test_a_child_starts_only_after_its_parent_is_done():
    state = ScheduleState([_candidate("child", 9, parents=frozenset({"parent"})), _candidate("parent", 1)], _nodes(4))
    first = next_cell(state)
    assert isinstance(first, Start)
    assert first.key == "parent"
    state.started("parent", "g0", first.placement)
    assert isinstance(next_cell(state), Wait)
    state.stopped_running("parent")
    state.done("parent")
    second = next_cell(state)
    assert isinstance(second, Start)
    assert (second.key, second.group) == ("child", "g0")


def test_a_parent_outside_the_plan_counts_as_done():
    state = ScheduleState([_candidate("child", parents=frozenset({"elsewhere"}))], _nodes(1))
    assert isinstance(next_cell(state), Start)


def test_a_child_of_two_parents_waits_for_both():
    both = frozenset({"one", "two"})
    state = ScheduleState([_candidate("one"), _candidate("two"), _candidate("child", 9, parents=both)], _nodes(1))
    order = _run_to_end(state)
    assert order[2:] == ["child"]


def test_the_room_of_a_group_that_ended_is_free_again():
    state = ScheduleState([_candidate("a"), _candidate("b")], _nodes(1))
    start = next_cell(state)
    assert isinstance(start, Start)
    state.started("a", "g0", start.placement)
    state.stopped_running("a")
    state.group_ended("g0")
    state.given_up("a")
    again = next_cell(state)
    assert isinstance(again, Start)
    assert (again.key, again.group) == ("b", None)


def test_giving_up_a_parent_gives_up_its_descendants():
    cells = [
        _candidate("parent"),
        _candidate("child", parents=frozenset({"parent"})),
        _candidate("grandchild", parents=frozenset({"child"})),
    ]
    state = ScheduleState(cells, _nodes(1))
    assert state.given_up("parent") == ("child", "grandchild")
    assert isinstance(next_cell(state), Finished)


def test_evaluation_fills_only_what_training_leaves():
    cells = [
        _candidate("evaluate", 9, evaluation_only=True),
        _candidate("wide", 1, shapes=(TWO,)),
        _candidate("wide2", 1, shapes=(TWO,)),
    ]
    state = ScheduleState(cells, _nodes(3))
    first = next_cell(state)
    assert isinstance(first, Start)
    assert first.key == "wide"
    state.started(first.key, "g0", first.placement)
    filler = next_cell(state)
    assert isinstance(filler, Start)
    assert filler.key == "evaluate"


def test_resources_are_never_promised_twice():
    state = ScheduleState([_candidate(str(index), shapes=(TWO,)) for index in range(3)], _nodes(2, 2))
    for group in ("g0", "g1"):
        start = next_cell(state)
        assert isinstance(start, Start)
        state.started(start.key, group, start.placement)
    assert next_cell(state) == Wait(reason="the resources are taken", until=None)


def test_a_limit_on_concurrent_cells_holds():
    state = ScheduleState([_candidate("a"), _candidate("b")], _nodes(8), max_concurrent=1)
    start = next_cell(state)
    assert isinstance(start, Start)
    state.started(start.key, "g0", start.placement)
    assert isinstance(next_cell(state), Wait)


def test_a_warm_group_is_used_before_a_new_one_starts():
    state = ScheduleState([_candidate("a"), _candidate("b")], _nodes(8))
    start = next_cell(state)
    assert isinstance(start, Start)
    state.started(start.key, "g0", start.placement)
    state.stopped_running(start.key)
    state.done(start.key)
    again = next_cell(state)
    assert isinstance(again, Start)
    assert again.group == "g0"


def test_an_idle_group_is_ended_when_only_another_shape_waits():
    state = ScheduleState([_candidate("narrow", 9), _candidate("wide", 1, shapes=(TWO,))], _nodes(2))
    state.started("narrow", "g0", state.room.place(ONE))
    assert isinstance(next_cell(state), Wait)
    state.stopped_running("narrow")
    state.done("narrow")
    start = next_cell(state)
    assert isinstance(start, Start)
    assert (start.key, start.evict) == ("wide", ("g0",))


def test_an_idle_group_is_kept_while_a_waiting_cell_can_use_it():
    cells = [_candidate("narrow", 1), _candidate("narrow2", 1), _candidate("wide", 1, shapes=(TWO,))]
    state = ScheduleState(cells, _nodes(2))
    state.started("narrow", "g0", state.room.place(ONE))
    state.stopped_running("narrow")
    state.done("narrow")
    start = next_cell(state)
    assert isinstance(start, Start)
    assert (start.key, start.group) == ("narrow2", "g0")


def test_cells_run_one_at_a_time_and_cheapest_first_until_one_shows_life():
    state = ScheduleState([_candidate("long", 9), _candidate("short", 1)], _nodes(8), canary=True)
    start = next_cell(state)
    assert isinstance(start, Start)
    assert start.key == "short"
    state.started("short", "g0", start.placement)
    assert next_cell(state) == Wait(reason="the first cell has to prove itself", until=None)
    state.has_proved_itself = True
    after = next_cell(state)
    assert isinstance(after, Start)
    assert after.key == "long"


def test_a_cell_held_elsewhere_is_looked_at_again_at_its_time():
    state = ScheduleState([_candidate("a")], _nodes(1))
    state.postpone("a", until=5.0)
    assert next_cell(state) == Wait(reason="another driver holds the rest", until=5.0)
    state.wake(4.9)
    assert isinstance(next_cell(state), Wait)
    state.wake(5.0)
    assert isinstance(next_cell(state), Start)


def test_a_failed_cell_can_be_queued_again_for_another_shape():
    half = GroupShape(num_workers=1, gpus_per_worker=0.5)
    whole = GroupShape(num_workers=1, gpus_per_worker=1.0)
    state = ScheduleState([_candidate("a", shapes=(half,))], [Node(name="n", cpus=8, gpus=1)])
    start = next_cell(state)
    assert isinstance(start, Start)
    state.started("a", "g0", start.placement)
    state.stopped_running("a")
    state.again("a", shapes=(whole,))
    second = next_cell(state)
    assert isinstance(second, Start)
    assert (second.shape, second.evict) == (whole, ("g0",))


def test_a_narrow_cell_that_outlasts_the_rest_starts_before_wider_ones():
    cells = [_candidate("endless", 1000), *(_candidate(f"wide{index}", 1, shapes=(TWO,)) for index in range(4))]
    state = ScheduleState(cells, _nodes(2))
    start = next_cell(state)
    assert isinstance(start, Start)
    assert start.key == "endless"

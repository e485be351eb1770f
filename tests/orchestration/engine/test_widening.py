"""On how many workers a cell starts where GPUs would be idle: the rule alone, and on a virtual clock."""

from __future__ import annotations

import pytest

from benchmarks.simulated_widths import simulate_widths, step_share, table
from clusters.placement import GroupShape, Node
from orchestration.engine.schedule import Finished, Start, Wait, next_cell
from orchestration.engine.schedule_state import Candidate, ScheduleState
from orchestration.engine.widening import Outlook, Pace, time_on

WIDTHS = (1, 2, 4, 8)
SHAPES = tuple(GroupShape(num_workers=width, cpus_per_worker=1.0, gpus_per_worker=1.0) for width in WIDTHS)


def outlook(cells: int, *nodes: list[tuple[float, int]]) -> Outlook:
    return Outlook(cells=cells, nodes=nodes, node_size=8, widths=WIDTHS)


def cells(count: int, seconds: float = 100.0, **more: object) -> list[Candidate]:
    return [
        Candidate(key=str(number), order=number, seconds=seconds, shapes=SHAPES, widens=True, **more)  # type: ignore[arg-type]
        for number in range(count)
    ]


def machines(count: int, gpus: float = 8.0) -> list[Node]:
    return [Node(name=f"n{number}", cpus=64, gpus=gpus) for number in range(count)]


def start_all(state: ScheduleState) -> list[Start]:
    """Start what can start now."""
    found: list[Start] = []
    while isinstance(decision := next_cell(state), Start):
        for group in decision.evict:
            state.group_ended(group)
        state.started(decision.key, decision.group or f"group-{decision.key}", decision.placement)
        found.append(decision)
    return found


def end(state: ScheduleState, start: Start, now: float) -> None:
    state.wake(now)
    state.stopped_running(start.key)
    state.done(start.key)


def widths(starts: list[Start]) -> list[int]:
    return [start.shape.num_workers for start in starts]


@pytest.mark.parametrize(
    ("waiting", "expected"), [(1, 8), (8, 8), (16, 4), (32, 2), (60, 1), (64, 1), (65, 1), (100, 1), (10_000, 1)]
)
def test_a_cell_starts_on_one_worker_unless_workers_would_be_idle(waiting: int, expected: int) -> None:
    assert outlook(waiting, *[[(0.0, 8)]] * 8).next_width() == expected


def test_the_last_cell_waits_for_workers_that_come_free_soon() -> None:
    assert outlook(1, [(0.0, 1), (0.05, 7)]).next_width() is None
    assert outlook(1, [(0.0, 1), (0.05, 7)]).next_width(may_wait=False) == 1
    assert outlook(1, [(0.0, 1), (5.0, 7)]).next_width() == 1


def test_workers_of_several_nodes_are_not_taken_together_where_one_node_would_do() -> None:
    assert outlook(1, *[[(0.0, 1)]] * 8).next_width() == 1
    assert Outlook(cells=1, nodes=[[(0.0, 1)]] * 8, node_size=1, widths=WIDTHS).next_width() == 8


def test_without_room_the_narrowest_is_wanted() -> None:
    assert outlook(3, [(0.5, 8)]).next_width() == 1


def test_more_workers_are_faster_and_less_efficient() -> None:
    times = [time_on(width, 8) for width in WIDTHS]

    assert times == sorted(times, reverse=True)
    assert [time * width for time, width in zip(times, WIDTHS, strict=True)] == sorted(
        time * width for time, width in zip(times, WIDTHS, strict=True)
    )
    assert time_on(8, 1) > time_on(8, 8)


def test_the_pace_is_learnt_from_cells_that_ended() -> None:
    pace = Pace()
    assert not pace.is_known
    pace.note(100.0, 3600.0)
    assert pace.estimated(7200.0) == 200.0


def test_sixteen_cells_on_64_gpus_get_four_each_on_one_node() -> None:
    starts = start_all(ScheduleState(cells(16), machines(8)))

    assert widths(starts) == [4] * 16
    assert all(start.placement is not None and len(set(start.placement.nodes)) == 1 for start in starts)


def test_as_many_cells_as_gpus_get_one_each() -> None:
    assert widths(start_all(ScheduleState(cells(64), machines(8)))) == [1] * 64
    assert widths(start_all(ScheduleState(cells(100), machines(8)))) == [1] * 64


def test_a_long_cell_gets_more_than_the_short_ones_that_wait_with_it() -> None:
    state = ScheduleState([*cells(1, 1000.0), *[c for c in cells(8, 50.0) if c.key != "0"]], machines(1))

    assert start_all(state)[0].shape.num_workers >= 4


def test_the_last_cell_gets_the_gpus_of_warm_groups_which_are_ended_for_it() -> None:
    state = ScheduleState(cells(9), machines(1))
    first = start_all(state)
    assert widths(first) == [1] * 8
    for number, start in enumerate(first[:7]):
        end(state, start, 100.0 + number)
        assert isinstance(next_cell(state), Wait)
    end(state, first[7], 107.0)

    (last,) = start_all(state)

    assert (last.shape.num_workers, len(last.evict)) == (8, 8)


def test_a_cell_does_not_wait_for_one_that_takes_longer_than_was_estimated() -> None:
    state = ScheduleState(cells(9), machines(1))
    first = start_all(state)
    for start in first[:4]:
        end(state, start, 100.0)
    state.wake(111.0)

    (last,) = start_all(state)

    assert last.shape.num_workers == 4


def test_running_cells_keep_their_workers() -> None:
    state = ScheduleState(cells(2), machines(1))
    first, second = start_all(state)
    assert widths([first, second]) == [4, 4]

    end(state, first, 10.0)

    assert state.groups["group-1"].placement.shape.num_workers == 4
    assert isinstance(next_cell(state), Wait)


def test_with_fewer_cells_at_once_than_gpus_each_gets_more() -> None:
    state = ScheduleState(cells(100), machines(1), max_concurrent=2)

    assert widths(start_all(state)) == [4, 4]


def test_a_narrow_recipe_never_widens() -> None:
    narrow = [Candidate(key="a", order=0, seconds=1.0, shapes=SHAPES[:1], widens=True)]

    assert widths(start_all(ScheduleState(narrow, machines(8)))) == [1]


def test_the_first_groups_are_as_wide_as_the_first_cells_will_be() -> None:
    (head,) = ScheduleState(cells(16), machines(8)).heads()

    assert ScheduleState(cells(16), machines(8)).first_shape(head).num_workers == 4


def test_a_cell_that_failed_may_start_again_on_more_workers() -> None:
    state = ScheduleState(cells(8), machines(1))
    first = start_all(state)
    for start in first[1:]:
        end(state, start, 100.0)
    state.stopped_running(first[0].key)
    state.again(first[0].key)

    (again,) = start_all(state)

    assert (again.key, again.shape.num_workers) == (first[0].key, 8)
    end(state, again, 120.0)
    assert isinstance(next_cell(state), Finished)


def test_sixteen_imagenet_cells_on_64_gpus_take_about_a_quarter_of_the_time() -> None:
    found = simulate_widths(16)

    assert found.auto.clock_s < 0.3 * found.one.clock_s
    assert found.auto.busy_gpu_s < 1.1 * found.one.busy_gpu_s


@pytest.mark.parametrize("count", [1, 24, 36, 64, 65, 100, 128])
def test_choosing_is_never_slower_than_one_worker_a_cell(count: int) -> None:
    found = simulate_widths(count)

    assert found.auto.clock_s <= 1.01 * found.one.clock_s
    assert found.auto.busy_gpu_s <= 1.1 * found.one.busy_gpu_s


def test_a_hundred_cells_on_64_gpus_end_sooner() -> None:
    found = simulate_widths(100)

    assert found.auto.clock_s < 0.9 * found.one.clock_s
    assert "| 100 | 80.5 |" in table([found])


def test_the_model_of_a_step_has_the_shares_of_communication_that_it_says() -> None:
    for is_one_node, share in ((True, 0.08), (False, 0.35)):
        assert 1 - (1 / 8) / step_share(8, is_one_node=is_one_node) == pytest.approx(share)
    assert step_share(1, is_one_node=True) == 1

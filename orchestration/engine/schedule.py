"""Which cell is next. `next_cell` is pure: it looks at a `ScheduleState` and says what to start, or to wait, or that all is over.

The order: higher priority first; training before evaluation, which fills what training cannot use; cells that would outlast
the rest of the sweep at once; then wide cells before narrow ones (so that nodes do not fragment), longest first. Until the
first cell has proved itself, cells run one at a time, the cheapest first. A warm group is ended for another shape only when no
waiting cell can use it.

A cell that widens starts on one worker where as many cells wait as there are workers, and on more where workers would be idle
otherwise (`orchestration.engine.widening`): a hundred equal cells on 64 GPUs on one each, sixteen on four each, the last one on
all that it can use. Where more workers will be free so soon that the cell is done earlier on them, it waits. What runs is not
moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clusters.placement import GroupShape, Placement
from orchestration.engine.schedule_state import Candidate, ScheduleState


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a cell on a warm group, or on a new group at `placement` after the groups in `evict` have ended."""

    key: str
    shape: GroupShape
    group: str | None = None
    placement: Placement | None = None
    evict: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing can start now; ask again after an event, or at `until` (seconds on the caller's clock)."""

    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to start and nothing runs."""


def next_cell(state: ScheduleState) -> Start | Wait | Finished:
    """Say what to start next, or why nothing can start now. Changes nothing."""
    heads = state.heads()
    if not heads:
        # What runs may still free its children, or fail and be queued again.
        if state.running:
            return Wait(reason="cells are running", until=state.next_wake())
        until = state.next_wake()
        return Finished() if until is None else Wait(reason="another driver holds the rest", until=until)
    if state.max_concurrent is not None and len(state.running) >= state.max_concurrent:
        return Wait(reason=f"{state.max_concurrent} cells at once are allowed", until=state.next_wake())
    if not state.has_proved_itself:
        if state.running:
            return Wait(reason="the first cell has to prove itself", until=state.next_wake())
        heads = [_canary(state)]
    idle = state.idle_groups()
    for head in heads:
        start = _start_widened(state, head, idle) if head.widens else _start_without_harm(state, head, idle)
        if start is not None:
            return start
    # A second round: no group is ended while any waiting cell could start without that.
    if idle:
        for head in heads:
            start = _start_after_ending_groups(state, head, idle)
            if start is not None:
                return start
    return Wait(reason="the resources are taken", until=state.next_wake())


def _canary(state: ScheduleState) -> Candidate:
    # Training first: an evaluation would not show that cells can be trained.
    return min(state.cheapest(), key=lambda one: (one.evaluation_only, one.seconds, one.order))


def _start_widened(state: ScheduleState, head: Candidate, idle: Mapping[str, Placement]) -> Start | Wait | None:
    """Start a cell that widens on as many workers as it should have, or on fewer where those are not together."""
    width = state.width_now(head)
    if width is None:
        return Wait(reason="more workers come free soon", until=state.next_wake())
    for shape in reversed([shape for shape in head.shapes if shape.num_workers <= width]):
        start = _on_warm_group(head, (shape,), idle) or _on_new_group(state, head, (shape,))
        # Workers of idle groups of other shapes are among those that make it so wide.
        if shape != head.shapes[0] and (start is None or _is_scattered(state, start)):
            start = _after_ending_groups(state, head, (shape,), idle)
        # Half as many on one node cost much less than all of them with a network in between.
        if start is not None and (shape == head.shapes[0] or not _is_scattered(state, start)):
            return start
    return None


def _is_scattered(state: ScheduleState, start: Start) -> bool:
    return start.placement is not None and state.room.is_scattered(start.placement)


def _start_without_harm(state: ScheduleState, head: Candidate, idle: Mapping[str, Placement]) -> Start | None:
    # A warm group of any of its shapes comes before a new one of the first: a start costs seconds.
    shapes = _usual_shapes(head)
    return _on_warm_group(head, shapes, idle) or _on_new_group(state, head, shapes)


def _start_after_ending_groups(state: ScheduleState, head: Candidate, idle: Mapping[str, Placement]) -> Start | None:
    return _after_ending_groups(state, head, _usual_shapes(head), idle)


def _usual_shapes(head: Candidate) -> tuple[GroupShape, ...]:
    return head.shapes[:1] if head.widens else head.shapes


def _on_warm_group(head: Candidate, shapes: Sequence[GroupShape], idle: Mapping[str, Placement]) -> Start | None:
    for shape in shapes:
        for group, placement in idle.items():
            if placement.shape == shape:
                return Start(key=head.key, shape=shape, group=group)
    return None


def _on_new_group(state: ScheduleState, head: Candidate, shapes: Sequence[GroupShape]) -> Start | None:
    # Spares the search on a full cluster, which would be done for every head.
    if state.room.is_exhausted:
        return None
    for shape in shapes:
        found = state.room.place(shape)
        if found is not None:
            return Start(key=head.key, shape=shape, placement=found)
    return None


def _after_ending_groups(
    state: ScheduleState, head: Candidate, shapes: Sequence[GroupShape], idle: Mapping[str, Placement]
) -> Start | None:
    for shape in shapes:
        # On one node first, where workers are near each other.
        on_nodes = {placement.nodes[0] for placement in idle.values()} if shape.num_workers > 1 else set()
        tried = [start for node in sorted(on_nodes) if (start := _ending_groups_on(state, head, shape, idle, node))]
        start = (
            min(tried, key=lambda found: len(found.evict))
            if tried
            else _ending_groups_on(state, head, shape, idle, None)
        )
        if start is not None:
            return start
    return None


def _ending_groups_on(
    state: ScheduleState, head: Candidate, shape: GroupShape, idle: Mapping[str, Placement], node: int | None
) -> Start | None:
    """Start a cell on one node after ending groups there, the oldest first; on any nodes where none is named."""
    # Tried on a copy, since deciding changes nothing.
    room, evict = state.room.copy(), []
    for group, placement in idle.items():
        if node is not None and set(placement.nodes) != {node}:
            continue
        room.release(placement)
        evict.append(group)
        found = room.place(shape)
        if found is not None and (node is None or set(found.nodes) == {node}):
            return Start(key=head.key, shape=shape, placement=found, evict=tuple(evict))
    return None

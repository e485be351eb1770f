"""Which warm groups there are, and when they start and end: the part of the driver that decides on groups, not on cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from augment.lookup.parameters import first_line
from clusters.placement import Placement
from orchestration.engine.groups.contract import Event, Pool
from orchestration.engine.observer import RunObserver
from orchestration.engine.options import RunOptions
from orchestration.engine.schedule_state import ScheduleState
from orchestration.errors import EnvironmentRefused
from orchestration.planning.retry_policy import classify

DEATHS_WITHOUT_WORK: Final = 3
"""Times that a group may come up and die without having taken a job before the run ends: something is wrong for all cells."""


class GroupLifecycle:
    """Starts groups and ends them. Calls are made under the driver's lock.

    Args:
        keeps_groups: Whether groups outlive the run, so that none is ended for lack of work.
    """

    def __init__(
        self,
        pool: Pool,
        state: ScheduleState,
        options: RunOptions,
        observer: RunObserver,
        *,
        keeps_groups: bool,
        clock: Callable[[], float],
        halt: Callable[[str], None],
        refuse: Callable[[Exception], None],
    ) -> None:
        self._pool = pool
        self._state = state
        self._options = options
        self._observer = observer
        self._keeps_groups = keeps_groups
        self._clock = clock
        self._halt = halt
        self._refuse = refuse
        self._crashes = 0
        self._has_joined = False
        self._unusable: set[str] = set()
        for group in pool.groups.values():
            if not group.is_ending:
                state.group_added(group.name, group.placement)

    def prestart(self, wanted: int) -> None:
        """Start up to so many groups that the first cells will need, so that their start-up overlaps with everything else."""
        standing = len(self._state.idle_groups())
        shapes = [self._state.first_shape(head) for head in self._state.heads()]
        while shapes and standing < wanted:
            placement = self._state.room.place(shapes[0])
            if placement is None:
                shapes.pop(0)
                continue
            self.start(placement)
            standing += 1

    def start(self, placement: Placement) -> str:
        """Start a group and return its name."""
        host = self._state.room.nodes[placement.nodes[0]].node_id
        name = self._pool.start(placement.shape, placement, self._options.job, host=host).name
        self._state.group_added(name, placement)
        return name

    def end(self, name: str) -> None:
        """End a group after its current job; its resources count as free."""
        self._pool.end(name)
        self._state.group_ended(name)

    def after_job(self, name: str, resident_mib: float) -> None:
        """End a group that has served its time, has grown, or is of a size that no cell needs any more."""
        group = self._pool.groups.get(name)
        if group is None or name not in self._state.groups:
            return
        group.idle_since = self._clock()
        group.first_resident_mib = group.first_resident_mib or resident_mib
        has_grown = resident_mib - group.first_resident_mib > self._options.group_growth_mib
        is_spent = group.jobs >= self._options.jobs_per_group
        is_unwanted = not self._keeps_groups and not self._state.wants_shape(group.shape)
        if has_grown or is_spent or is_unwanted:
            self.end(name)

    def end_idle(self) -> None:
        """End the groups that have had no work for so long that their nodes could be released."""
        now = self._clock()
        for name in list(self._state.idle_groups()):
            group = self._pool.groups[name]
            has_worked = group.jobs > 0
            if has_worked and not self._keeps_groups and now - group.idle_since > self._options.group_idle_s:
                self.end(name)

    def on_joined(self, event: Event) -> None:
        """Note that a group came up, and on which nodes."""
        self._crashes = 0
        self._has_joined = True
        group = self._pool.groups.get(event.group)
        if group is not None:
            group.nodes = event.values[1]

    def leave(self, nodes: frozenset[str]) -> frozenset[str]:
        """End the groups on nodes which are about to leave; return those whose job has to checkpoint and stop."""
        found = {name for name, group in self._pool.groups.items() if group.nodes & nodes and not group.is_ending}
        for name in sorted(found):
            self._pool.order(name, "stop")
            if name in self._state.groups:
                self.end(name)
        return frozenset(found)

    def on_lost(self, event: Event) -> None:
        """Note that the workers of a group died; Ray starts them again."""
        causes, deaths = event.values
        if classify(causes)[0] == "unusable-device":
            self._on_unusable(event.group, max(causes, key=lambda one: one.declared == "unusable-device").message)
        elif deaths >= DEATHS_WITHOUT_WORK:
            self._halt(f"worker groups come up and die without having taken a job: {classify(causes)[1]}")

    def _on_unusable(self, name: str, text: str) -> None:
        """End a group with a GPU that cannot be used; end the run where that is all there is.

        Its place counts as taken from now on: a group that were started there would fail like this one.
        """
        # Ray starts its workers again at once, so that several losses may come before its end.
        if name in self._unusable:
            return
        self._unusable.add(name)
        self._pool.kill(name)
        self._state.group_lost(name)
        if self._has_joined and self._state.groups:
            self._observer.message(f"the run goes on without a worker group that cannot start: {text}")
        else:
            self._refuse(EnvironmentRefused(text))

    def on_ended(self, event: Event) -> None:
        """Note that a group is over for good."""
        if event.group in self._state.groups:
            self._state.group_ended(event.group)
        group = self._pool.groups.get(event.group)
        self._pool.forget(event.group)
        (reason,) = event.values
        if not reason or event.group in self._unusable:
            return
        self._observer.message(f"a worker group ended: {first_line(reason)}")
        if group is not None and group.has_lost_host:
            return
        self._crashes += 1
        if self._crashes >= DEATHS_WITHOUT_WORK:
            self._halt(f"worker groups keep ending: {first_line(reason)}")

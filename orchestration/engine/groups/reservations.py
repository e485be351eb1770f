"""What groups have reserved, and what those that are gone have left behind, by Ray's public table of placement groups.

Whoever reserves for a group may die before anybody knows of it, and Ray keeps a reservation while the job lives that made it. The
table does not say who made one. It is a left-over of a group if it is of this job (its id ends with the job's), of the group's
size, younger than the group, and of no group that lives. While a living group of that size has not said what it holds, nothing of
that size is removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray.util import placement_group_table
from ray.util.placement_group import PlacementGroup, remove_placement_group

from clusters.placement import GroupShape

WATCH_S: Final = 5.0
"""So long after a group's end what it reserved may still appear: who reserves for it dies a moment after it."""

Held = Mapping[str, tuple[GroupShape, str]]
"""Name of each group that lives -> its size, and the id of what it holds, or "" while that is not known."""


@dataclass(frozen=True, slots=True)
class _Gone:
    shape: GroupShape
    before: frozenset[str]
    until: float


class Leftovers:
    """Finds and removes what groups that are gone have left reserved.

    Args:
        table: Returns Ray's table of placement groups by id.
        remove: Removes one by its id.
    """

    def __init__(
        self,
        job: str,
        *,
        table: Callable[[], Mapping[str, Mapping[str, Any]]] = placement_group_table,
        remove: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._table = table
        self._remove = remove or remove_reserved
        self._clock = clock
        self._gone: list[_Gone] = []

    @property
    def is_watching(self) -> bool:
        """Whether something may still appear, or wait to be removed."""
        return bool(self._gone)

    def ids(self) -> frozenset[str]:
        """Return the ids of all that this job has reserved now."""
        return frozenset(self._reserved())

    def add(self, shape: GroupShape, before: frozenset[str]) -> None:
        """Note that a group ended otherwise than when it was asked to.

        Args:
            before: What this job had reserved before it was started.
        """
        self._gone.append(_Gone(shape, before, self._clock() + WATCH_S))

    def sweep(self, held: Held) -> None:
        """Remove what is left over, as far as that is certain now."""
        now = self._clock()
        unknown = {shape for shape, reserved in held.values() if not reserved}
        known = {reserved for _, reserved in held.values()}
        reserved = self._reserved()
        for gone in [one for one in self._gone if one.shape not in unknown]:
            for found, row in list(reserved.items()):
                if found not in known and found not in gone.before and _is_for(row, gone.shape):
                    self._remove(found)
                    del reserved[found]
        self._gone = [one for one in self._gone if one.until > now or one.shape in unknown]

    def _reserved(self) -> dict[str, Mapping[str, Any]]:
        rows = self._table().items()
        return {found: row for found, row in rows if row["state"] != "REMOVED" and found.endswith(self._job)}


def remove_reserved(found: str) -> None:
    """Remove a placement group by its id; workers on it are killed."""
    remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(found))))


def _is_for(row: Mapping[str, Any], shape: GroupShape) -> bool:
    """Return whether something reserved is of a group's size."""
    wanted = (shape.cpus_per_worker, shape.gpus_per_worker)
    bundles = [(one.get("CPU", 0.0), one.get("GPU", 0.0)) for one in row["bundles"].values()]
    return bundles == [wanted] * shape.num_workers

"""Which groups of workers fit on which nodes at once. Pure arithmetic; Ray does the placing itself.

Amounts are kept in ten-thousandths, Ray's own resolution, so that fractions of a GPU add up exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clusters.errors import ClusterError

_UNIT = 10_000
_SHOWN_NODES = 8


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class GroupShape:
    """A worker group's size: workers, what each of them reserves, and the kind of accelerator it insists on ("" for any)."""

    num_workers: int
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    accelerator: str = ""

    def __post_init__(self) -> None:
        if self.num_workers < 1 or self.cpus_per_worker < 0 or self.gpus_per_worker < 0:
            raise ClusterError(f"a group has at least 1 worker and no negative resources, but got {self}")
        if self.cpus_per_worker == 0 and self.gpus_per_worker == 0:
            raise ClusterError(
                f"a worker must reserve a CPU or a GPU, or any number of groups would fit, but got {self}"
            )

    def __str__(self) -> str:
        kind = f" {self.accelerator}" if self.accelerator else ""
        gpus = f" + {self.gpus_per_worker:g}{kind} GPU" if self.gpus_per_worker else kind
        return f"{self.num_workers} x ({self.cpus_per_worker:g} CPU{gpus})"

    @property
    def width(self) -> float:
        """How much of the scarce resource it takes: GPUs where it uses any, else CPUs."""
        return self.num_workers * (self.gpus_per_worker or self.cpus_per_worker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What one machine offers to workers; its id in Ray is "" while it does not exist yet."""

    name: str
    cpus: float
    gpus: float = 0.0
    accelerator: str = ""
    node_id: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """The nodes of a group's workers, by index into the room's nodes, one entry per worker."""

    shape: GroupShape
    nodes: tuple[int, ...]


class Room:
    """What is left on the nodes of a cluster."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self._free = [(round(node.cpus * _UNIT), round(node.gpus * _UNIT)) for node in nodes]

    def copy(self) -> Room:
        """Return a room that can be changed without changing this one."""
        other = Room(self.nodes)
        other._free = list(self._free)
        return other

    def place(self, shape: GroupShape) -> Placement | None:
        """Return where a group fits now: on one node, the fullest that holds it, else on as few as possible; or None."""
        capacity = self.workers_by_node(shape)
        whole = [index for index, workers in enumerate(capacity) if workers >= shape.num_workers]
        if whole:
            best = min(whole, key=lambda index: (capacity[index], self._free[index], index))
            return Placement(shape, (best,) * shape.num_workers)
        if sum(capacity) < shape.num_workers:
            return None
        chosen: list[int] = []
        for index in sorted(range(len(capacity)), key=lambda index: (-capacity[index], index)):
            chosen += [index] * min(capacity[index], shape.num_workers - len(chosen))
            if len(chosen) == shape.num_workers:
                return Placement(shape, tuple(chosen))
        return None

    def is_scattered(self, placement: Placement) -> bool:
        """Return whether a placement is on several nodes although a node that runs nothing else would hold it."""
        if len(set(placement.nodes)) == 1:
            return False
        return any(Room([node]).workers(placement.shape) >= placement.shape.num_workers for node in self.nodes)

    def workers(self, shape: GroupShape) -> int:
        """Return how many workers of a shape, whatever their groups, fit into what is left."""
        return sum(self.workers_by_node(shape))

    def workers_by_node(self, shape: GroupShape) -> list[int]:
        """Return how many workers of a shape fit into what is left of each node."""
        fitting = {free: _workers_in(free, shape) for free in set(self._free)}  # most nodes of a busy cluster are alike
        return [
            fitting[free] if not shape.accelerator or shape.accelerator == node.accelerator else 0
            for node, free in zip(self.nodes, self._free, strict=True)
        ]

    def reserve(self, placement: Placement) -> None:
        """Take what a placed group needs."""
        self._move(placement, -1)

    def release(self, placement: Placement) -> None:
        """Give back what a group held."""
        self._move(placement, 1)

    def update(self, nodes: Sequence[Node]) -> None:
        """Take over which nodes there are now: new ones join, those that are gone take no more groups.

        Nodes are identified by name; what runs on a lost node is not touched, its groups end by themselves.
        """
        now = {node.name: node for node in nodes}
        known = {node.name: index for index, node in enumerate(self.nodes)}
        offers = [now.get(node.name, replace(node, cpus=0.0, gpus=0.0)) for node in self.nodes]
        for index, offer in enumerate(offers):
            before, free = self.nodes[index], self._free[index]
            cpus, gpus = round((offer.cpus - before.cpus) * _UNIT), round((offer.gpus - before.gpus) * _UNIT)
            self._free[index] = (free[0] + cpus, free[1] + gpus)
        joined = [node for node in nodes if node.name not in known]
        self.nodes = (*offers, *joined)
        self._free += [(round(node.cpus * _UNIT), round(node.gpus * _UNIT)) for node in joined]

    @property
    def is_exhausted(self) -> bool:
        """Whether no node has anything left."""
        return all(cpus <= 0 for cpus, _ in self._free)

    def _move(self, placement: Placement, sign: int) -> None:
        cpus, gpus = round(placement.shape.cpus_per_worker * _UNIT), round(placement.shape.gpus_per_worker * _UNIT)
        for index in placement.nodes:
            free = self._free[index]
            self._free[index] = (free[0] + sign * cpus, free[1] + sign * gpus)


def _workers_in(free: tuple[int, int], shape: GroupShape) -> int:
    """Return how many workers of a group fit into what is left of a node."""
    limits = [
        left // round(need * _UNIT)
        for left, need in zip(free, (shape.cpus_per_worker, shape.gpus_per_worker), strict=True)
        if need > 0
    ]
    return max(0, min(limits))


def check_fits(shape: GroupShape, nodes: Sequence[Node]) -> None:
    """Refuse a group that the nodes could not hold even when nothing else runs.

    Raises:
        ClusterError: With what is asked, what there is, and what would fit.
    """
    if Room(nodes).place(shape) is not None:
        return
    offers = [
        f"{node.name}: {node.cpus:g} CPU, {node.gpus:g}{' ' + node.accelerator if node.accelerator else ''} GPU"
        for node in nodes
    ]
    there_is = ", ".join(offers[:_SHOWN_NODES]) + (", ..." if len(offers) > _SHOWN_NODES else "") or "no node"
    kind = ", or another --accelerator" if shape.accelerator else ""
    raise ClusterError(
        f"a cell needs {shape}, but the cluster has {there_is}; use fewer workers, or fewer CPUs or GPUs per worker{kind}; "
        "if the cluster grows on demand, say how far: --cluster-file or --grow-to"
    )

"""What a worker reserves on a cluster, derived from its nodes where nothing else is asked for. Pure arithmetic.

Where there are GPUs a worker has one, and the CPUs that a node has for each of its GPUs; elsewhere it has one CPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clusters.placement import GroupShape, Node, Room

ANY_GPU: Final = "GPU"
"""What GPUs are called whose kind Ray does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What each worker reserves, and how many workers a cluster holds at once.

    Attributes:
        workers: Workers at once on all nodes, 0 where none fits.
        kinds: Kind of GPU -> workers that fit on nodes with it; {} on CPUs.
        grows: Whether nodes are counted that a cluster starts only on demand.
        notes: What follows for nodes that are unlike the others.
    """

    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    accelerator: str = ""
    kinds: Mapping[str, int] = field(default_factory=dict)
    grows: bool = False
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the line that a run begins with: "8 workers x 1 L4, 16 CPUs each"."""
        count = f"{'up to ' if self.grows else ''}{_counted(self.workers, 'worker')}"
        cpus = _counted(self.cpus_per_worker, "CPU")
        if not self.gpus_per_worker:
            text = f"{count} x {cpus}"
        else:
            kind = next(iter(self.kinds), ANY_GPU) if len(self.kinds) < 2 else ANY_GPU
            mixed = ", ".join(f"{number} x {name}" for name, number in self.kinds.items())
            several = f" ({mixed})" if len(self.kinds) > 1 else ""
            text = f"{count} x {self.gpus_per_worker:g} {kind}{several}, {cpus}{' each' if self.workers != 1 else ''}"
        return "; ".join([text, *self.notes])

    @property
    def document(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "text": str(self),
            "workers": self.workers,
            "cpus_per_worker": self.cpus_per_worker,
            "gpus_per_worker": self.gpus_per_worker,
            "gpus": dict(self.kinds),
            "grows": self.grows,
        }

    def shape(self, num_workers: int) -> GroupShape:
        """Return the group of so many workers."""
        return GroupShape(
            num_workers=num_workers,
            cpus_per_worker=self.cpus_per_worker,
            gpus_per_worker=self.gpus_per_worker,
            accelerator=self.accelerator,
        )


def derive_resources(
    nodes: Sequence[Node],
    *,
    cpus_per_worker: float | None = None,
    gpus_per_worker: float | None = None,
    accelerator: str = "",
    grows: bool = False,
) -> Resources:
    """Return what each worker reserves.

    Nodes with fewer CPUs for each GPU than others decide for all: every node can then use all of its GPUs.

    Args:
        nodes: What may be counted on, nodes that start on demand included (`clusters.growth.with_growth`).
        cpus_per_worker: What was asked for, or None.
        gpus_per_worker: What was asked for, 0 for CPUs only, or None.
        accelerator: The kind of GPU that workers insist on, or "" for any.
        grows: Whether some nodes start only on demand.
    """
    gpus = gpus_per_worker
    if gpus is None:
        gpus = 1.0 if accelerator or any(node.gpus > 0 for node in nodes) else 0.0
    usable = [node for node in nodes if _workers_by_gpu(node, gpus, accelerator)] if gpus else []
    cpus = cpus_per_worker if cpus_per_worker is not None else _cpus_of_a_worker(usable, gpus)
    shape = GroupShape(num_workers=1, cpus_per_worker=cpus, gpus_per_worker=gpus, accelerator=accelerator)
    kinds: dict[str, int] = {}
    for node in usable:
        kind = node.accelerator or ANY_GPU
        kinds[kind] = kinds.get(kind, 0) + Room([node]).workers(shape)
    kinds = {kind: count for kind, count in kinds.items() if count}
    return Resources(
        workers=Room(nodes).workers(shape),
        cpus_per_worker=cpus,
        gpus_per_worker=gpus,
        accelerator=accelerator,
        kinds=kinds,
        grows=grows,
        notes=_notes(usable, shape, is_derived=cpus_per_worker is None),
    )


def _workers_by_gpu(node: Node, gpus: float, accelerator: str) -> int:
    """Return for how many workers a node has GPUs."""
    if accelerator and node.accelerator != accelerator:
        return 0
    return Room([node]).workers(GroupShape(num_workers=1, cpus_per_worker=0.0, gpus_per_worker=gpus))


def _cpus_of_a_worker(usable: Sequence[Node], gpus: float) -> float:
    ratios = [_ratio(node, gpus) for node in usable]
    # A node without CPUs (the head of many clusters) has no worker at all, and does not decide for the others.
    return float(min((ratio for ratio in ratios if ratio > 0), default=1))


def _ratio(node: Node, gpus: float) -> int:
    """Return the CPUs of a node for each worker that it has GPUs for, at least 1 where it has any."""
    return max(min(1, math.floor(node.cpus)), math.floor(node.cpus / _workers_by_gpu(node, gpus, "")))


def _notes(usable: Sequence[Node], shape: GroupShape, *, is_derived: bool) -> tuple[str, ...]:
    """Say which nodes decided, and how many GPUs stay idle for want of CPUs."""
    notes: list[str] = []
    gpus = shape.gpus_per_worker
    ratios = {node: ratio for node in usable if (ratio := _ratio(node, gpus)) > 0}
    if is_derived and len(set(ratios.values())) > 1:
        fewest = min(ratios, key=lambda node: ratios[node])
        notes.append(
            f"nodes of {fewest.gpus:g} x {fewest.accelerator or ANY_GPU} have the fewest CPUs for a GPU and decide"
        )
    idle = sum(_workers_by_gpu(node, gpus, "") - Room([node]).workers(shape) for node in usable) * gpus
    if idle:
        fix = "" if is_derived else " (lower --cpus-per-worker)"
        notes.append(f"idle: {_counted(idle, 'GPU')}, whose nodes have too few CPUs{fix}")
    return tuple(notes)


def _counted(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'' if number == 1 else 's'}"

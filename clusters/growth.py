"""How far a cluster may grow: its node groups, and what a schedule may count on before their nodes exist.

Ray does not report to a driver what its autoscaler may start, so it is read from the cluster's own file (a launcher file or a
KubeRay manifest; on the head of a `ray up` cluster that is ~/ray_bootstrap_config.yaml) or from options.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.cluster_files.contract import read_manifest
from clusters.errors import ClusterError, ManifestError
from clusters.placement import Node

HEAD_FILE: Final = "~/ray_bootstrap_config.yaml"
"""Where `ray up` leaves the launcher file on the head node."""

MOST_NODES: Final = 1000
_ACCELERATOR: Final = "accelerator_type:"
_OPTION: Final = re.compile(r"^(?P<name>[\w.-]+)=(?P<count>\d+):(?P<offers>[a-zA-Z]+=[^,=]+(?:,[a-zA-Z]+=[^,=]+)*)$")
_UNITS: Final = {"m": 1e-3, "": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGroup:
    """A kind of node that a cluster starts on demand.

    Attributes:
        accelerator: Kind of its GPUs as Ray names it ("L4", "A100"), or "".
    """

    name: str
    max_count: int
    cpus: float
    gpus: float = 0.0
    accelerator: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.max_count <= MOST_NODES or self.cpus < 0 or self.gpus < 0:
            raise ClusterError(
                f"a node group has 0 to {MOST_NODES} nodes and no negative resources, but got {self.max_count} nodes of "
                f"{self.cpus:g} CPUs and {self.gpus:g} GPUs for '{self.name}'"
            )


def with_growth(standing: Sequence[tuple[str, Node]], groups: Sequence[NodeGroup]) -> tuple[Node, ...]:
    """Return the nodes that may be counted on: those that exist, and for each group as many as it may have.

    The nodes of a group are alike and Ray places workers itself, so each group has the same slots whether its nodes exist yet,
    leave or come back; a slot is never a particular machine.

    Args:
        standing: Group name ("" for none) and offer of each node that is alive.
    """
    known = {group.name for group in groups}
    found = [node for name, node in standing if name not in known]
    for group in groups:
        count = max(group.max_count, sum(name == group.name for name, _ in standing))
        found += [
            Node(name=f"{group.name}#{number}", cpus=group.cpus, gpus=group.gpus, accelerator=group.accelerator)
            for number in range(count)
        ]
    return tuple(found)


def parse_group(text: str) -> NodeGroup:
    """Return the group that an option names: "gpu-spot=8:cpu=16,gpu=1,accelerator=L4".

    Raises:
        ClusterError: If it is written otherwise.
    """
    matched = _OPTION.match(text)
    offers = dict(part.split("=") for part in matched["offers"].lower().split(",")) if matched else {}
    try:
        if matched is None or not {"cpu"} <= offers.keys() <= {"cpu", "gpu", "accelerator"}:
            raise ValueError
        kind = re.search(r"accelerator=([^,]+)", matched["offers"], re.IGNORECASE)
        return NodeGroup(
            name=matched["name"],
            max_count=int(matched["count"]),
            cpus=float(offers["cpu"]),
            gpus=float(offers.get("gpu", 0)),
            accelerator=kind.group(1) if kind else "",
        )
    except ValueError as error:
        raise ClusterError(
            f"a node group is written NAME=NODES:cpu=C,gpu=G,accelerator=KIND, but got '{text}'; "
            "for example gpu-spot=8:cpu=16,gpu=1"
        ) from error


def groups_of_file(path: Path) -> tuple[NodeGroup, ...]:
    """Return the worker groups of a launcher file or a KubeRay manifest; the head's is not among them.

    Raises:
        ManifestError: If it cannot be read or describes no workers.
    """
    try:
        documents = [one for one in yaml.safe_load_all(read_manifest(path)) if isinstance(one, Mapping)]
        groups = tuple(group for document in documents for group in _groups(document))
    except (yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        raise ManifestError(f"a cluster file must describe its worker nodes, but {path} does not: {error}") from error
    if not groups:
        raise ManifestError(
            f"a cluster file must describe worker nodes with their resources, but {path} does not; see clusters/manifests"
        )
    return groups


def growth_here(address: str | None) -> tuple[NodeGroup, ...]:
    """Return the groups of the cluster whose head this machine is, where `ray up` has left their description; () elsewhere."""
    path = Path(HEAD_FILE).expanduser()
    return groups_of_file(path) if address and path.is_file() else ()


def _groups(document: Mapping[str, Any]) -> Iterator[NodeGroup]:
    if "available_node_types" in document:
        limit = int(document.get("max_workers", MOST_NODES))
        for name, kind in document["available_node_types"].items():
            if name != document.get("head_node_type"):
                yield _group(name, min(limit, kind.get("max_workers", limit)), kind.get("resources") or {})
        return
    spec = document.get("spec") or {}
    for group in (spec.get("rayClusterSpec") or spec).get("workerGroupSpecs") or ():
        container = group["template"]["spec"]["containers"][0]
        limits = (container.get("resources") or {}).get("limits") or {}
        offers = {"CPU": _amount(limits.get("cpu", 0)), "GPU": _amount(limits.get("nvidia.com/gpu", 0))}
        yield _group(group["groupName"], group["maxReplicas"], offers | _started_with(group))


def _group(name: str, count: int, resources: Mapping[str, Any]) -> NodeGroup:
    return NodeGroup(
        name=name,
        max_count=int(count),
        cpus=float(resources.get("CPU", 0)),
        gpus=float(resources.get("GPU", 0)),
        accelerator=accelerator_of(resources),
    )


def _started_with(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the custom resources that a KubeRay group's nodes are started with; they are written there as quoted JSON."""
    text = str((group.get("rayStartParams") or {}).get("resources", "{}"))
    found = json.loads(text.strip("\"'").replace("\\", ""))
    return dict(found)


def accelerator_of(resources: Mapping[str, Any]) -> str:
    """Return the kind of accelerator that a node's resources name ("accelerator_type:L4"), or ""."""
    return next((name.removeprefix(_ACCELERATOR) for name in resources if name.startswith(_ACCELERATOR)), "")


def _amount(text: Any) -> float:
    """Return a Kubernetes quantity of CPUs: "500m" is 0.5."""
    words = str(text)
    unit = "m" if words.endswith("m") else ""
    return float(words.removesuffix("m")) * _UNITS[unit]

"""What a worker reserves, derived from the nodes of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.growth import NodeGroup, with_growth
from clusters.placement import Node
from orchestration.engine.resources import Resources, derive_resources


def node(cpus: float, gpus: float = 0.0, kind: str = "", count: int = 1) -> list[Node]:
    return [
        Node(name=f"{kind or 'n'}-{cpus:g}-{index}", cpus=cpus, gpus=gpus, accelerator=kind) for index in range(count)
    ]


LAPTOP = node(2)
WORKSTATION = node(24, 1, "RTX")
LARGE = node(96, 8, "A100")
CPU_NODES = node(16, count=3)
MIXED = [*node(96, 8, "L4"), *node(48, 8, "A100")]


@pytest.mark.parametrize(
    ("nodes", "asked", "line"),
    [
        (LAPTOP, {}, "2 workers x 1 CPU"),
        (CPU_NODES, {}, "48 workers x 1 CPU"),
        (CPU_NODES, {"cpus_per_worker": 4}, "12 workers x 4 CPUs"),
        (WORKSTATION, {}, "1 worker x 1 RTX, 24 CPUs"),
        (WORKSTATION, {"gpus_per_worker": 0}, "24 workers x 1 CPU"),
        (node(8, 1), {}, "1 worker x 1 GPU, 8 CPUs"),
        (LARGE, {}, "8 workers x 1 A100, 12 CPUs each"),
        (LARGE, {"gpus_per_worker": 0.5}, "16 workers x 0.5 A100, 6 CPUs each"),
        (LARGE, {"gpus_per_worker": 2}, "4 workers x 2 A100, 24 CPUs each"),
        (LARGE, {"cpus_per_worker": 4}, "8 workers x 1 A100, 4 CPUs each"),
        (
            LARGE,
            {"cpus_per_worker": 24},
            "4 workers x 1 A100, 24 CPUs each; idle: 4 GPUs, whose nodes have too few CPUs (lower --cpus-per-worker)",
        ),
        (
            MIXED,
            {},
            "16 workers x 1 GPU (8 x L4, 8 x A100), 6 CPUs each; nodes of 8 x A100 have the fewest CPUs for a GPU and decide",
        ),
        (MIXED, {"accelerator": "L4"}, "8 workers x 1 L4, 12 CPUs each"),
        (MIXED, {"accelerator": "A100"}, "8 workers x 1 A100, 6 CPUs each"),
        ([*LARGE, *CPU_NODES], {}, "8 workers x 1 A100, 12 CPUs each"),
        ([*node(0), *node(16, 1, "L4", count=8)], {}, "8 workers x 1 L4, 16 CPUs each"),
        (
            [*node(0, 1), *node(16, 1, count=2)],
            {},
            "2 workers x 1 GPU, 16 CPUs each; idle: 1 GPU, whose nodes have too few CPUs",
        ),
        (node(2, 4), {}, "2 workers x 1 GPU, 1 CPU each; idle: 2 GPUs, whose nodes have too few CPUs"),
        (node(7.5, 2), {}, "2 workers x 1 GPU, 3 CPUs each"),
    ],
)
def test_the_first_line_names_what_follows_from_the_nodes(nodes: list[Node], asked: dict[str, Any], line: str) -> None:
    assert str(derive_resources(nodes, **asked)) == line


def test_a_cluster_that_grows_counts_with_the_nodes_that_it_may_start() -> None:
    head = [("", Node(name="head", cpus=0))]
    groups = [NodeGroup(name="gpu", max_count=8, cpus=16, gpus=1, accelerator="L4")]

    found = derive_resources(with_growth(head, groups), grows=True)

    assert str(found) == "up to 8 workers x 1 L4, 16 CPUs each"
    assert found.document == {
        "text": str(found),
        "workers": 8,
        "cpus_per_worker": 16.0,
        "gpus_per_worker": 1.0,
        "gpus": {"L4": 8},
        "grows": True,
    }


@pytest.mark.parametrize("asked", [{"accelerator": "H100"}, {"gpus_per_worker": 1}])
def test_gpus_that_were_asked_for_are_asked_of_the_cluster_even_where_it_has_none(asked: dict[str, Any]) -> None:
    found = derive_resources(LAPTOP, **asked)

    assert (found.gpus_per_worker, found.workers) == (1.0, 0)


def test_every_gpu_of_every_node_can_be_used() -> None:
    nodes = [*node(96, 8, "A"), *node(64, 4, "B"), *node(10, 3, "C"), *node(5, 1, "D")]

    found = derive_resources(nodes)

    assert (found.cpus_per_worker, found.workers) == (3.0, 16)
    assert found.kinds == {"A": 8, "B": 4, "C": 3, "D": 1}


def test_a_group_has_what_each_of_its_workers_reserves() -> None:
    found: Resources = derive_resources(MIXED, accelerator="A100")

    assert str(found.shape(4)) == "4 x (6 CPU + 1 A100 GPU)"

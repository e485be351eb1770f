"""A cluster without worker nodes grows for a submitted sweep, is used, and shrinks to nothing after the last cell.

A provider of nodes (`private_nodes`) starts raylets on this machine where a cloud would start machines; the rest is real.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.growth import NodeGroup, groups_of_file, parse_group, with_growth
from clusters.placement import GroupShape, Node, Room
from orchestration.store.open import open_store

MANIFESTS = Path(__file__).resolve().parents[2] / "clusters" / "manifests"
HEAD_ID = "f" * 51 + "00000"
IDLE_S = 8
MOST_NODES = 3
SWEEP = """
name: three
title: Three cells
base: {dataset: digits, model: small-cnn, recipe: digits}
axes:
  cells:
    - {row: Baseline, method: baseline}
    - {row: Cutout, method: cutout}
    - {row: Mixup, method: mixup}
seeds: [0]
workers: 1
table: {columns: [clean/error]}
benchmarks:
  clean: {max_images: 100}
"""


def test_a_group_offers_its_slots_before_its_nodes_stand() -> None:
    group = NodeGroup(name="gpu", max_count=2, cpus=8.0, gpus=1.0, accelerator="L4")
    nodes = with_growth([("head", Node(name="head", cpus=0.0))], [group])
    room = Room(nodes)

    assert [node.name for node in nodes] == ["head", "gpu#0", "gpu#1"]
    assert room.place(GroupShape(num_workers=2, gpus_per_worker=1.0, accelerator="L4")) is not None
    assert room.place(GroupShape(num_workers=1, gpus_per_worker=1.0, accelerator="A100")) is None


def test_a_node_that_joins_a_group_takes_one_of_its_slots() -> None:
    group = NodeGroup(name="gpu", max_count=2, cpus=8.0)
    before = with_growth([], [group])
    after = with_growth([("gpu", Node(name="machine/1", cpus=8.0))], [group])

    assert before == after


def test_nodes_beyond_the_stated_limit_count_too() -> None:
    standing = [("gpu", Node(name=f"machine/{number}", cpus=8.0)) for number in range(3)]

    assert len(with_growth(standing, [NodeGroup(name="gpu", max_count=1, cpus=8.0)])) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aws", {"gpu-spot": (12, 16.0, 1.0), "gpu-on-demand": (4, 16.0, 1.0)}),
        ("gcp", {"gpu-spot": (12, 16.0, 1.0), "gpu-on-demand": (4, 16.0, 1.0)}),
        ("kuberay-cluster", {"gpu-spot": (12, 8.0, 1.0), "gpu-on-demand": (4, 8.0, 1.0)}),
        ("kuberay-job", {"gpu-spot": (8, 8.0, 1.0)}),
    ],
)
def test_cluster_files_tell_how_far_their_clusters_grow(
    name: str, expected: dict[str, tuple[int, float, float]]
) -> None:
    groups = groups_of_file(MANIFESTS / f"{name}.yaml")

    assert {group.name: (group.max_count, group.cpus, group.gpus) for group in groups} == expected
    assert {group.accelerator for group in groups} == {"L4"}


def test_an_option_tells_a_group_too() -> None:
    assert parse_group("spot=8:cpu=16,gpu=1,accelerator=A100") == NodeGroup(
        name="spot", max_count=8, cpus=16.0, gpus=1.0, accelerator="A100"
    )


@pytest.fixture
def growing_head(tmp_path: Path, clusters_of: Any) -> Iterator[Any]:
    """A head without CPUs whose autoscaler may start three nodes with one CPU each."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("nodes with folders of their own need root and util-linux")
    environment = {
        "PYTHONPATH": str(Path(__file__).parent),
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
    }
    file = tmp_path / "cluster.yaml"
    cluster = clusters_of(num_cpus=0, arguments=[f"--autoscaling-config={file}"], environment=environment)
    file.write_text(yaml.safe_dump(launcher_file(cluster.address, cluster.folder)))
    try:
        cluster.start()
        cluster.file = file
        yield cluster
    finally:
        cluster.stop()


def launcher_file(address: str, folder: Path) -> dict[str, Any]:
    """Describe a cluster of fake nodes."""
    empty = ("head_setup_commands", "worker_setup_commands", "setup_commands", "initialization_commands")
    commands = ("head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files")
    return {
        "cluster_name": "growing",
        "max_workers": MOST_NODES,
        "idle_timeout_minutes": IDLE_S / 60,
        "upscaling_speed": 10.0,
        "provider": {
            "type": "external",
            "module": "private_nodes.PrivateNodeProvider",
            "folder": str(folder),
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": HEAD_ID,
            "gcs_address": address,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "min_workers": 0, "max_workers": 0},
            "cpu": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": MOST_NODES},
        },
        "head_node_type": "ray.head.default",
        "auth": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
        "docker": {},
        "head_node": {},
        "worker_nodes": {},
        **{key: [] for key in (*empty, *commands)},
    }


class NodeCount(threading.Thread):
    """Notes when the number of worker nodes changes, as (seconds since the start, nodes)."""

    def __init__(self, cluster: Any) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._is_over = threading.Event()
        self._began = time.monotonic()
        self.changes: list[tuple[float, int]] = []

    def run(self) -> None:
        """Look every other second through the job server, so that looking starts no process of Ray."""
        while not self._is_over.wait(2.0):
            self._look()

    def end(self) -> None:
        """Look once more, and stop looking."""
        self._is_over.set()
        self.join()
        self._look()

    def _look(self) -> None:
        nodes = self._cluster.count_nodes()
        if nodes is not None and (not self.changes or self.changes[-1][1] != nodes):
            self.changes.append((round(time.monotonic() - self._began, 1), nodes))

    @property
    def counts(self) -> list[int]:
        """The numbers of nodes, one after the other."""
        return [nodes for _, nodes in self.changes]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timeout(1300)
def test_a_submitted_sweep_grows_a_cluster_from_nothing_and_leaves_nothing(
    growing_head: Any, upload_of: Any, tmp_path: Path
) -> None:
    folder, storage = tmp_path / "upload", tmp_path / "storage"
    upload_of(folder)
    (folder / "three.yaml").write_text(SWEEP)
    (folder / "cluster.yaml").write_text(growing_head.file.read_text())
    watch = NodeCount(growing_head)
    watch.start()

    ran = growing_head.dreamgrid(
        "submit", str(folder / "three.yaml"), "--address", growing_head.url, "--working-dir", str(folder),
        "--cluster-file", "cluster.yaml", "--storage", str(storage), "--set", "train.epochs=20",
    )  # fmt: skip
    ended = time.monotonic()
    growing_head.wait_until(lambda: growing_head.count_nodes() == 0, "nodes are held after the last cell")
    released_s = time.monotonic() - ended
    watch.end()

    (tmp_path / "transcript.json").write_text(
        json.dumps({"command": ran.args, "out": ran.stdout, "err": ran.stderr, "nodes": watch.changes})
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr + growing_head.logs()
    assert watch.counts[0] == watch.counts[-1] == 0
    assert max(watch.counts) == MOST_NODES, watch.changes
    store = open_store(str(storage))
    assert len(store.results(store.train_keys())) == 3
    assert released_s < 15 * IDLE_S

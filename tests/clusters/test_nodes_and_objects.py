"""A submitted sweep on two nodes that share nothing but an S3-compatible store: each has a network and a file system of its own.

One training spans both nodes; what a node needs it prepares once; nothing secret is found in what a run leaves behind.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestration.store.format.bundles import unbundled

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.ray, pytest.mark.ddp, pytest.mark.timeout(1200)]

PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "planted-key-5f0c6a",
    "MLFLOW_TRACKING_PASSWORD": "planted-word-91be",
    "DREAMGRID_WEBHOOK_TOKEN": "planted-token-77a1",
}
SWEEP = """
name: apart
title: Two nodes that share nothing
base: {dataset: digits, model: small-cnn, recipe: digits, mixing_set: dead-leaves-squares, mixing_set_params: {num_images: 8}}
axes:
  cells:
    - {row: PixMix, method: pixmix}
seeds: [0]
workers: 2
table: {columns: [clean/error]}
benchmarks:
  clean: {max_images: 100}
"""


def private_folders(*folders: Path) -> list[str]:
    """Words before a command that is to see its own, empty version of folders.

    Nodes of one machine must not share the folder of Ray: each node's agent unpacks a job's upload anew, under the others' feet.
    """
    mounts = " && ".join(f"mount -t tmpfs none {folder}" for folder in folders)
    return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


class Network:
    """A head and nodes with network and file systems of their own: nothing outside of them can be reached, nor reach them.

    Each is a network namespace, joined to the head's by a bridge; each node also has a private folder in place of `cache`.
    """

    head_address = "10.77.0.1"

    def __init__(self, nodes: int, cache: Path) -> None:
        self._name = f"dg{os.getpid()}"
        self._nodes = range(1, nodes + 1)
        self.cache = cache

    @property
    def head(self) -> list[str]:
        """Words before a command that is to run on the head."""
        return ["ip", "netns", "exec", self._name]

    def node(self, number: int, folder: Path) -> list[str]:
        """Words before a command that is to run on a node, from 1, with a cache and a folder of Ray of its own."""
        return ["ip", "netns", "exec", f"{self._name}-{number}", *private_folders(self.cache, folder)]

    def address(self, number: int) -> str:
        """The address of a node, from 1."""
        return f"10.77.0.{number + 1}"

    def open(self) -> None:
        """Make the namespaces.

        Raises:
            OSError: If this machine does not allow it.
        """
        name = self._name
        self._run(f"netns add {name}", f"-n {name} link set lo up", f"-n {name} link add br0 type bridge")
        self._run(f"-n {name} addr add {self.head_address}/24 dev br0", f"-n {name} link set br0 up")
        self._run(f"-n {name} route add default dev br0")
        for number in self._nodes:
            node = f"{name}-{number}"
            self._run(f"netns add {node}", f"-n {node} link set lo up")
            self._run(f"link add v{number} netns {name} type veth peer name eth0 netns {node}")
            self._run(f"-n {name} link set v{number} master br0 up", f"-n {node} link set eth0 up")
            self._run(f"-n {node} addr add {self.address(number)}/24 dev eth0")
            self._run(f"-n {node} route add default via {self.head_address}")

    def close(self) -> None:
        """Remove the namespaces."""
        for name in [self._name, *(f"{self._name}-{number}" for number in self._nodes)]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def _run(self, *commands: str) -> None:
        for command in commands:
            ran = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                raise OSError(f"ip {command}: {ran.stderr.strip()}")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A head and two nodes in namespaces; skips where they are not allowed."""
    if os.getuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("network namespaces need root, iproute2 and util-linux")
    made = Network(2, tmp_path_factory.mktemp("node-cache"))
    try:
        made.open()
    except OSError as error:
        made.close()
        pytest.skip(f"this machine does not allow network namespaces: {error}")
    yield made
    made.close()


@dataclass(frozen=True)
class Apart:
    """The cluster, its nodes' processes, and the files of its store."""

    cluster: Any
    nodes: list[subprocess.Popen[bytes]]
    cache: Path

    def prepared(self, number: int) -> dict[str, float]:
        """What a node has prepared: path -> time of change."""
        root = Path(f"/proc/{self.nodes[number].pid}/root{self.cache}")
        found = {str(path.relative_to(root)): path.stat().st_mtime for path in root.rglob("*") if path.is_file()}
        return {path: changed for path, changed in found.items() if path.endswith((".npy", ".nbc"))}

    def objects(self, work: Path) -> dict[str, bytes]:
        """Everything in the bucket."""
        code = (
            "import boto3, sys, pathlib\n"
            "client = boto3.session.Session().client('s3')\n"
            "for page in client.get_paginator('list_objects_v2').paginate(Bucket='grid'):\n"
            "    for item in page.get('Contents', ()):\n"
            "        target = pathlib.Path(sys.argv[1]) / item['Key']\n"
            "        target.parent.mkdir(parents=True, exist_ok=True)\n"
            "        client.download_file('grid', item['Key'], str(target))\n"
        )
        ran = self.cluster.run(sys.executable, "-c", code, str(work))
        assert ran.returncode == 0, ran.stderr
        return {str(path.relative_to(work)): path.read_bytes() for path in work.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def apart(network: Any, clusters_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """A head without CPUs, two nodes with one CPU each, and an S3-compatible server on the head."""
    cache = network.cache
    environment = {
        **PLANTED,
        "AWS_ACCESS_KEY_ID": "writer",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{network.head_address}:5555",
        "DREAMGRID_CACHE": str(cache),
        "DREAMGRID_KERNEL_CACHE": str(cache / "kernels"),
        "MPLCONFIGDIR": str(tmp_path_factory.mktemp("mpl")),
    }
    cluster = clusters_of(
        num_cpus=0,
        arguments=[f"--node-ip-address={network.head_address}"],
        environment=environment,
        inside=network.head,
        own_address=network.head_address,
    )
    server = subprocess.Popen(
        [*network.head, str(Path(sys.executable).with_name("moto_server")), "-H", network.head_address, "-p", "5555"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=cluster.environment,
    )
    try:
        cluster.start()
        nodes = cluster.wait_for_nodes([partial(start_node, cluster, network, number) for number in (1, 2)])
        made = Apart(cluster=cluster, nodes=nodes, cache=cache)
        make = "import boto3; boto3.session.Session().client('s3').create_bucket(Bucket='grid')"
        cluster.wait_until(lambda: cluster.run(sys.executable, "-c", make).returncode == 0, "no store")
        yield made
    finally:
        cluster.stop()
        server.kill()
        server.wait(30)


def start_node(cluster: Any, network: Any, number: int) -> subprocess.Popen[bytes]:
    return cluster.add_node(
        "--num-cpus=1", f"--node-ip-address={network.address(number)}", inside=network.node(number, cluster.folder)
    )


def submit(apart: Apart, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "apart.yaml").write_text(SWEEP)
    (folder / "note.txt").write_text(f"uploaded at {time.time()}: another package than any before")
    ran = apart.cluster.dreamgrid(
        "submit", str(folder / "apart.yaml"), "--address", apart.cluster.url, "--working-dir", str(folder),
        "--storage", "s3://grid/dreamgrid", "--set", "train.epochs=3", *options,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr + apart.cluster.logs()
    return ran


def test_nodes_that_share_nothing_but_a_store_train_together_and_prepare_once(
    apart: Apart, upload_of: Any, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        upload_of(tmp_path / name)
    first = submit(apart, tmp_path / "first")
    prepared = [apart.prepared(number) for number in (0, 1)]
    second = submit(apart, tmp_path / "second", "--seeds", "0,1")
    again = [apart.prepared(number) for number in (0, 1)]

    assert "| PixMix |" in first.stdout
    assert "2 seeds" in second.stdout
    for before, after in zip(prepared, again, strict=True):
        sets = [path for path in before if "mixing-sets" in path]
        assert len(sets) == 1, before
        assert any(path.endswith(".nbc") for path in before)
        assert after == before
    found = apart.objects(tmp_path / "objects")
    trainings = [unbundled(data, name)[0] for name, data in found.items() if name.endswith("training.json")]
    assert [json.loads(one)["record"]["summary"]["environment"]["world_size"] for one in trainings] == [2, 2]
    assert any(name.startswith("dreamgrid/checkpoints/") for name in found)
    assert_no_secret(apart, {**found, "out": (first.stdout + first.stderr + second.stdout + second.stderr).encode()})


def assert_no_secret(apart: Apart, outputs: dict[str, bytes]) -> None:
    """Look through the store, MLflow's database and artifacts, what was printed, and every log of Ray."""
    seen = [Path(f"/proc/{node.pid}/root") for node in apart.nodes]
    folders = [apart.cache, apart.cluster.folder, *(root / str(apart.cluster.folder).lstrip("/") for root in seen)]
    files = {
        str(path): path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    }
    assert any(name.endswith("mlflow.db") for name in files)
    secrets = [*PLANTED.values(), apart.cluster.environment["RAY_AUTH_TOKEN"]]
    everything = {**outputs, **{name: path.read_bytes() for name, path in files.items()}}
    told = [(name, secret[:12]) for name, data in everything.items() for secret in secrets if secret.encode() in data]
    assert len(everything) > 50
    assert told == []
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") != PLANTED["AWS_SECRET_ACCESS_KEY"]

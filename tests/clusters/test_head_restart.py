"""A head that is lost and started again: its control store lies in Redis, so that nodes and detached actors stay.

The driver of a sweep goes with the head that it ran on; submitted again, the sweep goes on, and nothing is recorded twice.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestration.store.open import open_store

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(1200)]

EPOCHS = 200
SWEEP = """
name: lasting
title: A sweep that outlives its head
base: {dataset: digits, model: small-cnn, recipe: digits}
axes:
  cells:
    - {row: Baseline, method: baseline}
seeds: [0]
workers: 1
table: {columns: [clean/error]}
benchmarks:
  clean: {max_images: 100}
"""
WITNESS = """
import os, sys, ray
ray.init(address=sys.argv[1], namespace="witness", log_to_driver=False)

class Witness:
    def __init__(self):
        self.calls = 0
    def speak(self):
        self.calls += 1
        return [os.getpid(), self.calls]

kind = ray.remote(Witness).options(name="witness", lifetime="detached", resources={"worker": 1}, get_if_exists=True)
print("said", *ray.get(kind.remote().speak.remote(), timeout=120))
"""


@dataclass(frozen=True)
class Redis:
    """A Redis on loopback with a password."""

    address: str
    password: str


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """Start Redis; skips where it is not installed."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("the Debian package redis-server is needed")
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("nodes with folders of their own need root and util-linux")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_hex(16)
    settings = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\ndir {tmp_path}\n'
    process = subprocess.Popen([server, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        process.stdin.write(settings.encode())
        process.stdin.close()
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Redis(f"127.0.0.1:{port}", password)
    finally:
        process.kill()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def lasting(redis: Redis, clusters_of: Any) -> Iterator[Any]:
    """A head without CPUs whose control store lies in Redis, set up as KubeRay does, and one node."""
    cluster = clusters_of(
        num_cpus=0,
        arguments=[f"--redis-password={redis.password}"],
        environment={"RAY_gcs_rpc_server_reconnect_timeout_s": "600"},
        head_environment={
            "RAY_REDIS_ADDRESS": redis.address,
            "RAY_external_storage_namespace": "lasting",
        },
    )
    try:
        cluster.start()
        (cluster.node,) = cluster.wait_for_nodes([partial(start_node, cluster)])
        yield cluster
    finally:
        cluster.stop()


def start_node(cluster: Any) -> subprocess.Popen[bytes]:
    """Start a node with a folder of Ray of its own: what the head unpacks of a job must not change under its workers."""
    own_folder = f'mount -t tmpfs none {cluster.folder} && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", own_folder, "sh"]
    node: subprocess.Popen[bytes] = cluster.add_node("--num-cpus=2", '--resources={"worker": 2}', inside=words)
    return node


def witness(cluster: Any) -> tuple[int, int]:
    """Ask the detached actor on the node, made at the first call, for its process and how often it was asked."""
    ran = cluster.run(sys.executable, "-c", WITNESS, cluster.address, timeout_s=240)
    assert ran.returncode == 0, ran.stderr[-3000:]
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("said ")]
    pid, calls = map(int, line.split()[1:])
    return pid, calls


def test_a_head_that_is_killed_comes_back_to_its_nodes_and_the_sweep_goes_on(
    lasting: Any, upload_of: Any, tmp_path: Path
) -> None:
    folder, storage = tmp_path / "upload", tmp_path / "storage"
    upload_of(folder)
    (folder / "lasting.yaml").write_text(SWEEP)
    submit = ["submit", str(folder / "lasting.yaml"), "--address", lasting.url, "--working-dir", str(folder)]
    options = ["--storage", str(storage), "--set", f"train.epochs={EPOCHS}", "--set", "train.lr=0.02"]
    before = witness(lasting)
    started = lasting.dreamgrid(*submit, *options, "--no-wait")
    assert started.returncode == 0, started.stderr
    checkpoints = storage / "checkpoints"
    lasting.wait_until(lambda: any(checkpoints.rglob("*.ckpt")), "the job writes no checkpoint")

    lasting.restart_head()
    lasting.wait_until(lambda: lasting.count_nodes() == 1, "the node does not come back")
    after = witness(lasting)
    went_on = lasting.dreamgrid(*submit, *options)

    assert lasting.node.poll() is None
    assert after == (before[0], before[1] + 1)
    assert went_on.returncode == 0, went_on.stdout + went_on.stderr + lasting.logs()
    assert "| Baseline |" in went_on.stdout
    store = open_store(str(storage))
    (result,) = store.results(store.train_keys()).values()
    assert result.training.summary.resumed_from_step is not None
    assert [row.epoch for row in result.training.summary.epochs] == list(range(EPOCHS))
    assert len(list((storage / "results").rglob("training.json"))) == 1
    status = lasting.dreamgrid("status", str(folder / "lasting.yaml"), *options, "--json")
    (cell,) = json.loads(status.stdout)["cells"]
    assert cell["state"] == "done"

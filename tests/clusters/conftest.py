"""A Ray cluster of this machine's own processes: a head with a job server on loopback, and further raylets that stand for nodes.

Each has its own ports and a folder of its own, and ends with the processes that it started, whatever else of Ray runs here.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PACKAGES = ("orchestration", "trainers", "augment", "eval", "clusters", "dreamgrid")
START_S = 240.0
START_ATTEMPTS = 4


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those that the system gives to outgoing connections meanwhile."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"{count} free ports are needed, but only {len(found)} were found")


def code_in(folder: Path) -> None:
    """Copy what a checkout uploads into a folder."""
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def upload_of() -> Callable[[Path], None]:
    """Fill a folder with what a checkout uploads."""
    return code_in


class HeadEnded(Exception):
    """The head ended while it was awaited."""


class RayCluster:
    """Processes of one Ray cluster; `environment` is what its clients need."""

    def __init__(
        self,
        *,
        num_cpus: int,
        arguments: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        head_environment: dict[str, str] | None = None,
        inside: Sequence[str] = (),
        own_address: str | None = None,
    ) -> None:
        self._inside = list(inside)
        self._own_address = own_address or _own_address()
        self.folder = Path(tempfile.mkdtemp(prefix="dgc-", dir="/tmp"))
        self.port, self.dashboard_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.dashboard_port}"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DREAMGRID_", "RAY_", "MLFLOW_"))
        }
        kernels = {name: value for name, value in os.environ.items() if name == "DREAMGRID_KERNEL_CACHE"}
        self.environment = {
            **kept,
            **kernels,
            "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", "")]),
            "PYTHONPATH": "",
            "OMP_NUM_THREADS": "1",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            **(environment or {}),
        }
        self._head_environment = head_environment or {}
        self._started: list[subprocess.Popen[bytes]] = []
        self._head: subprocess.Popen[bytes] | None = None
        self._head_log = Path()
        self._arguments = list(arguments)
        self._num_cpus = num_cpus

    @property
    def address(self) -> str:
        """Address of the control store; Ray listens on the machine's own address whatever it is told."""
        return f"{self._own_address}:{self.port}"

    def start(self) -> None:
        """Start the head and wait until its job server answers; once more where a busy machine was too slow for Ray."""
        for attempts_left in reversed(range(START_ATTEMPTS)):
            try:
                self._start_head()
                return
            except HeadEnded:
                if not attempts_left:
                    raise
                self._end_processes()

    def _start_head(self) -> None:
        ports = free_ports(5)
        self._head_log = self.folder / f"started-{len(self._started)}.log"
        self._head = self._spawn(
            "--head",
            f"--port={self.port}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.dashboard_port}",
            f"--dashboard-agent-listen-port={ports[0]}",
            f"--dashboard-agent-grpc-port={ports[1]}",
            f"--runtime-env-agent-port={ports[2]}",
            f"--metrics-export-port={ports[3]}",
            f"--ray-client-server-port={ports[4]}",
            f"--temp-dir={self.folder}",
            f"--num-cpus={self._num_cpus}",
            *self._arguments,
            more=self._head_environment,
        )
        self.wait_until(self._answers, "the job server does not answer")

    def add_node(self, *arguments: str, inside: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a further raylet, by the words of `inside` in a namespace of its own; kill it with `remove_node`."""
        port = free_ports(1)[0]
        words = (f"--address={self.address}", f"--dashboard-agent-listen-port={port}", *arguments)
        return self._spawn(*words, inside=inside)

    def wait_for_nodes(self, starts: Sequence[Callable[[], subprocess.Popen[bytes]]]) -> list[subprocess.Popen[bytes]]:
        """Start nodes and wait until all stand; those that a busy machine was too slow for are started again."""
        nodes = [start() for start in starts]
        attempts_left = START_ATTEMPTS * len(nodes)

        def all_stand() -> bool:
            nonlocal attempts_left
            for index, node in enumerate(nodes):
                if node.poll() is not None and attempts_left:
                    attempts_left -= 1
                    nodes[index] = starts[index]()
            return self.count_nodes() == len(nodes)

        self.wait_until(all_stand, "the nodes do not stand", timeout_s=2 * START_S)
        return nodes

    def remove_node(self, node: subprocess.Popen[bytes]) -> None:
        """Kill a node with everything on it, as a machine that vanishes does."""
        _kill([node.pid])
        node.wait(30)

    def restart_head(self) -> None:
        """Kill the head with everything on it, as a machine that fails does, and start it again at the same address."""
        assert self._head is not None
        self.remove_node(self._head)
        # Ray refuses to start a head where this file and a raylet of any node on the same machine name its address.
        (self.folder / "ray_current_cluster").unlink(missing_ok=True)
        for attempts_left in reversed(range(START_ATTEMPTS)):
            try:
                self._start_head()
                return
            except HeadEnded:
                if not attempts_left:
                    raise
                self._end_left_of_head()

    def run(self, *command: str, timeout_s: float = 1000.0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user of this cluster would."""
        return subprocess.run(
            [*self._inside, *command],
            cwd=REPOSITORY,
            env={**self.environment, **more},
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )

    def dreamgrid(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.run(sys.executable, "-m", "dreamgrid", *arguments, **more)

    def wait_until(self, condition: Callable[[], bool], text: str, timeout_s: float = START_S) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"{text}\n{self.logs()}"
            time.sleep(0.5)

    def count_nodes(self) -> int | None:
        """Return how many nodes besides the head are alive, or None when the head does not answer now."""
        try:
            found = json.loads(self._get("/nodes?view=summary"))["data"]["summary"]
        except (OSError, KeyError, ValueError):
            return None
        raylets = [one["raylet"] for one in found]
        return sum(one.get("state") == "ALIVE" and not one.get("isHeadNode") for one in raylets)

    def logs(self) -> str:
        """The ends of the logs that tell why nothing moves."""
        kinds = ("monitor.*", "gcs_server.out", "job-driver-*.log")
        names = ("started-*.log", *(f"session_latest/logs/{kind}" for kind in kinds))
        files = [path for name in names for path in sorted(self.folder.glob(name))]
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in files)

    def stop(self) -> None:
        """End every process of this cluster, and no other."""
        self._end_processes()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_processes(self) -> None:
        for process in self._started:
            process.terminate()
        time.sleep(1.0)
        ours = [one.pid for one in psutil.process_iter(["cmdline"]) if self._is_ours(one.info["cmdline"] or [])]
        _kill([process.pid for process in self._started] + ours)
        for process in self._started:
            process.wait(30)
        self._started.clear()

    def _end_left_of_head(self) -> None:
        """End what a head that gave up has left: its control store and its raylet."""
        marks = ("gcs_server", "--head")
        words = {one.pid: one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])}
        ours = {pid: line for pid, line in words.items() if self._is_ours(line)}
        _kill([pid for pid, line in ours.items() if any(mark in word for mark in marks for word in line)])

    def _is_ours(self, words: list[str]) -> bool:
        marks = (str(self.folder), f"{self.address}")
        return any(mark in word for word in words for mark in marks)

    def _answers(self) -> bool:
        if self._head is None or self._head.poll() is not None:
            raise HeadEnded(self.logs())
        if "Ray runtime started" not in self._head_log.read_text(errors="replace"):
            return False
        try:
            return bool(self._get("/api/version"))
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        """Ask the head's server, from inside its namespace where it has one."""
        code = (
            "import os, sys, urllib.request as r\n"
            "token = {'Authorization': 'Bearer ' + os.environ['RAY_AUTH_TOKEN']}\n"
            "sys.stdout.buffer.write(r.urlopen(r.Request(sys.argv[1], headers=token), timeout=10).read())\n"
        )
        ran = subprocess.run(
            [*self._inside, sys.executable, "-I", "-S", "-c", code, self.url + path],
            env=self.environment,
            capture_output=True,
            check=False,
        )
        if ran.returncode != 0:
            raise OSError(ran.stderr.decode(errors="replace"))
        return ran.stdout

    def _spawn(
        self, *arguments: str, inside: Sequence[str] | None = None, more: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command = [*(self._inside if inside is None else inside), *ray, *arguments]
        with (self.folder / f"started-{len(self._started)}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environment, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process


def _own_address() -> str:
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())


def _kill(roots: list[int]) -> None:
    """Kill processes and all that they started."""
    for pid in roots:
        try:
            root = psutil.Process(pid)
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for one in family:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue


@pytest.fixture(scope="session")
def clusters_of() -> Iterator[Callable[..., RayCluster]]:
    """Make clusters, not yet started; all are ended at the end."""
    made: list[RayCluster] = []

    def make(**options: Any) -> RayCluster:
        made.append(RayCluster(**options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


@pytest.fixture(scope="session")
def ray_head(clusters_of: Callable[..., RayCluster]) -> Iterator[RayCluster]:
    """A head with two CPUs, a job server on loopback and token authentication."""
    cluster = clusters_of(num_cpus=2)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()

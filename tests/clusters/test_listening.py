"""What a run opens: every port of a private Ray, its workers and the tracker is on loopback.

The run is in a network namespace whose machine has an address beyond loopback, which Ray would take for its own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OWN_ADDRESS = "10.9.8.7"
INSIDE = (
    "unshare", "--net", "sh", "-c",
    f'ip link set lo up && ip address add {OWN_ADDRESS}/32 dev lo && ip route add default dev lo src {OWN_ADDRESS} && exec "$@"',
    "inside",
)  # fmt: skip
LISTENS = "0A"
SWEEP = """
name: listening
title: Two workers
base: {dataset: digits, model: small-cnn, recipe: digits, train: {epochs: 1, train_images: 256}}
axes: {cells: [{row: Baseline, method: baseline}]}
workers: 2
table: {columns: [clean/error]}
"""


@pytest.fixture
def namespace() -> tuple[str, ...]:
    """Words before a command that give it a network of its own; skips where the system does not permit that."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("a network namespace needs the programs unshare and ip")
    ran = subprocess.run([*INSIDE, "true"], capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"a network namespace is not permitted here: {ran.stderr.strip()}")
    return INSIDE


def listening(pid: int) -> set[tuple[str, int]]:
    """Return the addresses and ports that are listened on in the network of a process."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == LISTENS:
                found.add(_decoded(*local.split(":")))
    return found


def _decoded(address: str, port: str) -> tuple[str, int]:
    """Return what the kernel writes as words of four bytes in the machine's order."""
    packed = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed), int(port, 16)


def is_on_loopback(address: str) -> bool:
    """Return whether only this machine reaches an address, also one of IPv4 that is written as one of IPv6."""
    parsed = ipaddress.ip_address(address)
    inner = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (inner or parsed).is_loopback


def test_the_kernels_table_is_read_as_it_is_meant() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as here,
        socket.create_server(("::", 0), family=socket.AF_INET6) as wide,
    ):
        found, ports = listening(os.getpid()), [here.getsockname()[1], wide.getsockname()[1]]

    assert {("127.0.0.1", ports[0]), ("::", ports[1])} <= found
    assert [is_on_loopback(one) for one in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == [True] * 3
    assert [is_on_loopback(one) for one in ("0.0.0.0", "::", OWN_ADDRESS, f"::ffff:{OWN_ADDRESS}")] == [False] * 4


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(580)
@pytest.mark.parametrize("engine", ["warm", pytest.param("plain", marks=pytest.mark.long)])
def test_a_run_listens_on_loopback_alone(namespace: tuple[str, ...], tmp_path: Path, engine: str) -> None:
    sweep = tmp_path / "listening.yaml"
    sweep.write_text(SWEEP)
    storage = tmp_path / "storage"
    command = [sys.executable, "-m", "dreamgrid", "run", str(sweep), "--engine", engine]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(
            [*namespace, *command, "--storage", str(storage)],
            cwd=REPOSITORY,
            env={**environment, "DREAMGRID_CACHE": str(tmp_path / "cache")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        seen = set()
        while run.poll() is None:
            # Gone when it ends between two lines; not in its own network before `unshare` has made it.
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{run.pid}/ns/net") != os.readlink("/proc/self/ns/net"):
                    seen |= listening(run.pid)
            time.sleep(0.1)

    assert run.returncode == 0, (tmp_path / "log").read_text()
    # A control store, a raylet with its object manager, two agents, the driver, workers and the place where those meet.
    assert len(seen) >= 8
    assert {(address, port) for address, port in seen if not is_on_loopback(address)} == set()

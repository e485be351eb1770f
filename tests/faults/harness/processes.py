"""The processes of a driver: found by kind among its own descendants, by a mark in their environment when it is gone."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil

MARK: Final = "DREAMGRID_FAULTS_MARK"
"""Variable whose value every process of a scene inherits: also those that Ray started and whose parents died."""

KINDS: Final[dict[str, str]] = {
    "writer": "orchestration.tracking.writer",
    "raylet": "raylet/raylet",
    "gcs": "gcs_server",
    "agent": "dashboard/agent.py",
    "controller": "ray::TrainController",
    "runner": "ray::GroupRunner",
    "trial": "ray::ImplicitFunc",
    "worker": "ray::RayTrainWorker",
    "mailbox": "ray::Mailbox",
}
"""Kind of process -> what its command line has; the driver itself is the remaining kind."""

LEAVE_S: Final = 30.0


def find(driver: int, kind: str) -> list[psutil.Process]:
    """Return the living processes of a kind that a driver started, directly or not, oldest first."""
    if kind == "driver":
        return [psutil.Process(driver)]
    found = []
    for process in _descendants(driver):
        with contextlib.suppress(psutil.Error):
            if _is(kind, process):
                found.append((process.create_time(), process.pid, process))
    return [process for _, _, process in sorted(found, key=lambda each: each[:2])]


def wait_for(driver: int, kind: str, timeout_s: float = 60.0) -> list[psutil.Process]:
    """Return the processes of a kind as soon as there are some; none where the driver ends first or the time is over."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        try:
            found = find(driver, kind)
        except psutil.NoSuchProcess:
            return []
        if found:
            return found
        time.sleep(0.02)
    return []


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes that bear a mark, this one excluded."""
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError, psutil.Error):
            if f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                process = psutil.Process(pid)
                if pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def remaining(mark: str, timeout_s: float | None = None) -> list[psutil.Process]:
    """Return the marked processes that have not ended by themselves after a time, `LEAVE_S` unless it is given."""
    ends = time.monotonic() + (LEAVE_S if timeout_s is None else timeout_s)
    while (found := marked(mark)) and time.monotonic() < ends:
        time.sleep(0.2)
    return found


def end(found: list[psutil.Process]) -> None:
    """Kill processes, stopped ones too, and wait for them."""
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=20)


def described(process: psutil.Process) -> str:
    """Return a process for people: its number and what runs in it."""
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    return str(process.pid)


def _descendants(driver: int) -> list[psutil.Process]:
    return psutil.Process(driver).children(recursive=True)


def _is(kind: str, process: psutil.Process) -> bool:
    return KINDS[kind] in " ".join(process.cmdline())


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def until(condition: Callable[[], bool], timeout_s: float, pause_s: float = 0.02) -> bool:
    """Wait until a condition holds; return False after the timeout."""
    ends = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(pause_s)
    return True

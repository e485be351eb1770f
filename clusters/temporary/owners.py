"""Who holds a lease or made a temporary file: a process, named so that others on its host know whether it runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process.

    Attributes:
        boot: Identity of the host's boot and of the process namespace, so that a reused number is not mistaken.
        started: Start time of the process in clock ticks since boot, or 0 where the system does not say.
        token: Distinguishes several owners in one process.
    """

    host: str
    boot: str
    pid: int
    started: int
    token: str

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.pid}/{self.started}/{self.token}"


def owner_here() -> str:
    """Return a new owner in this process: a driver, or the writer of a temporary file."""
    pid = os.getpid()
    return str(Owner(host=_host(), boot=_boot(), pid=pid, started=_started_here(pid), token=os.urandom(6).hex()))


def parse_owner(text: str) -> Owner | None:
    """Return the owner that a text names, or None when it is a free name."""
    parts = text.split("/")
    if len(parts) != 5 or not parts[2].isdecimal() or not parts[3].isdecimal():
        return None
    return Owner(host=parts[0], boot=parts[1], pid=int(parts[2]), started=int(parts[3]), token=parts[4])


def is_dead(text: str) -> bool:
    """Whether an owner is known to be dead: a process of this same host and boot that runs no more."""
    owner = parse_owner(text)
    if owner is None or (owner.host, owner.boot) != (_host(), _boot()):
        return False
    if not _PROC.joinpath("self").exists():
        return not _answers(owner.pid)
    started = _started(owner.pid)
    return started is None or (owner.started != 0 and started != owner.started)


def is_alive_here(text: str) -> bool:
    """Whether an owner is known to live: a process of this same host and boot that runs."""
    owner = parse_owner(text)
    return owner is not None and (owner.host, owner.boot) == (_host(), _boot()) and not is_dead(text)


def is_of_this_host(text: str) -> bool:
    """Whether an owner is a process of a host of this name, of whichever boot and container."""
    owner = parse_owner(text)
    return owner is not None and owner.host == _host()


def describe(text: str) -> str:
    """Return an owner as people read it."""
    owner = parse_owner(text)
    return f"process {owner.pid} on {owner.host}" if owner else text


@cache
def _host() -> str:
    return socket.gethostname().replace("/", "-")


@cache
def _boot() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self/ns/pid").removeprefix("pid:[").removesuffix("]")
    except OSError:
        return "unknown"
    return f"{boot}.{namespace}"


@cache
def _started_here(pid: int) -> int:
    """Return the start time of this process; by its number, which another one has after a fork."""
    return _started(pid) or 0


def _started(pid: int) -> int | None:
    """Return a process's start time, or None when it does not run (a zombie does not)."""
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in {"Z", "X"} else int(rest[18])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

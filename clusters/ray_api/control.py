"""Whether the processes that a Ray cannot do without still run: its control store, and the raylet of this node.

Ray itself tells its driver late or not at all: calls to a dead control store block, and after a minute they end the process of
the driver without a word. So nothing here calls Ray.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import psutil

CONTROL_STORE: Final = "the control store (GCS)"
RAYLET: Final = "the raylet"
_PROGRAMS: Final[Mapping[str, str]] = {"gcs_server": CONTROL_STORE, "raylet": f"{RAYLET} (or an agent of it)"}
"""Program -> what it is; a raylet ends with its dashboard agent and its agent of runtime environments."""

LOOK_EVERY_S: Final = 2.0
SILENT_S: Final = 8.0
"""So long a port of a Ray of somebody else's may refuse connections; what listens there may be on its way back."""

_NO_ANSWER_S: Final = 18.0
"""So long a port may neither accept nor refuse: a busy machine answers late, one that is gone does not."""

_RECONNECT: Final = "RAY_gcs_rpc_server_reconnect_timeout_s"
"""So long drivers wait for a control store that comes back, where that is set up."""


class Watch(Protocol):
    """Looks after the processes of a Ray."""

    def lost(self, *, is_suspected: bool = False) -> str:
        """Return what has died, or ""; returns at once.

        Args:
            is_suspected: Whether something else shows that one died: then no time is given to come back.
        """

    def close(self) -> None:
        """Look no more."""


class ChildWatch(Watch):
    """Looks after the processes of a private Ray, which this process started.

    Args:
        folder: Folder of that Ray, which their command lines name.
    """

    def __init__(self, folder: str) -> None:
        self._processes: dict[psutil.Process, str] = {}
        for process in psutil.Process().children():
            with suppress(psutil.Error):
                program = os.path.basename(process.cmdline()[0])
                if program in _PROGRAMS and any(folder in word for word in process.cmdline()):
                    self._processes[process] = _PROGRAMS[program]

    def lost(self, *, is_suspected: bool = False) -> str:
        for process, what in self._processes.items():
            with suppress(psutil.Error):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    continue
            return what
        return ""

    def close(self) -> None:
        self._processes.clear()


class PortWatch(Watch):
    """Looks whether somebody listens on the ports of a Ray that others started.

    Args:
        ports: What it is -> host and port.
        silent_s: Seconds that nobody may listen.
    """

    def __init__(self, ports: Mapping[str, tuple[str, int]], *, silent_s: float = SILENT_S) -> None:
        self._ports = dict(ports)
        self._silent_s = dict.fromkeys(ports, silent_s)
        with suppress(KeyError, ValueError):
            self._silent_s[CONTROL_STORE] = max(silent_s, float(os.environ[_RECONNECT]))
        self._silent_since: dict[str, float] = {}
        self._refused: set[str] = set()
        self._is_over = threading.Event()
        threading.Thread(target=self._look, name="dreamgrid-control", daemon=True).start()

    def lost(self, *, is_suspected: bool = False) -> str:
        now = time.monotonic()
        silent = {what: now - at for what, at in tuple(self._silent_since.items())}
        return next((what for what, for_s in silent.items() if is_suspected or for_s >= self._limit_s(what)), "")

    def _limit_s(self, what: str) -> float:
        limit_s = self._silent_s[what]
        return limit_s if what in self._refused else max(limit_s, _NO_ANSWER_S)

    def close(self) -> None:
        self._is_over.set()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            for what, place in self._ports.items():
                try:
                    socket.create_connection(place, timeout=LOOK_EVERY_S).close()
                    self._silent_since.pop(what, None)
                except OSError as error:
                    (self._refused.discard if isinstance(error, TimeoutError) else self._refused.add)(what)
                    self._silent_since.setdefault(what, time.monotonic())


def ports_of(ray: Any) -> dict[str, tuple[str, int]]:
    """Return the ports of the control store and of this node's raylet, from a Ray that is connected."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    found = {CONTROL_STORE: (host.strip("[]"), int(port))}
    for node in ray.nodes():
        if node["NodeID"] == context.get_node_id():
            found[RAYLET] = (str(node["NodeManagerAddress"]), int(node["NodeManagerPort"]))
    return found


def end_processes_of(folder: str) -> None:
    """End what is left of a private Ray: children that name its folder, with theirs, and processes that write to its logs."""
    own = psutil.Process().children(recursive=True)
    # An agent has forgotten its command line, and is known by its raylet while that lives; then it is nobody's child.
    others = (each for each in psutil.process_iter() if each.pid != os.getpid() and each not in own)
    found = {
        *(each for named in own if _names(named, folder) for each in (named, *_children(named))),
        *(each for each in others if _writes_to(each, folder)),
    }
    for process in found:
        with suppress(psutil.Error):
            process.kill()


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        children: list[psutil.Process] = process.children(recursive=True)
        return children
    return []


def _names(process: psutil.Process, folder: str) -> bool:
    with suppress(psutil.Error):
        return any(folder in word for word in process.cmdline())
    return False


def _writes_to(process: psutil.Process, folder: str) -> bool:
    """Whether a process has a file in a folder open for writing; an agent prints to pipes, and writes its logs by itself."""
    with suppress(psutil.Error):  # it is over, or is another user's
        return any(each.path.startswith(f"{folder}/") and _is_written(each) for each in process.open_files())
    return False


def _is_written(file: Any) -> bool:
    """Whether an open file is written; where the system does not say how it is open, it counts as written."""
    return getattr(file, "mode", "w") != "r"

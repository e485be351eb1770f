"""Signals to the processes of a run: who is hit, when, and by what."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from tests.faults.harness import processes
from tests.faults.harness.driver import Driver
from tests.faults.harness.scene import RUN_S, Scene

SIGNALS: Final = {
    "SIGKILL": signal.SIGKILL,
    "SIGTERM": signal.SIGTERM,
    "SIGSTOP": signal.SIGSTOP,
    "SIGINT": signal.SIGINT,
}
HELD_S: Final = 8.0
"""A stopped process goes on after this long: many health checks (half a second each) later, and before a lease expires."""
_PATIENCE_S: Final = 45.0


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A signal to one process of a kind at a moment.

    Attributes:
        index: Which of several processes of the kind, oldest first; the last one where there are fewer.
        held_s: Seconds after which a stopped process goes on.
    """

    kind: str
    moment: str
    signal: str = "SIGKILL"
    index: int = 0
    held_s: float = HELD_S

    def __str__(self) -> str:
        return f"{self.signal} to {self.kind} at {self.moment}"


def strike(scene: Scene, driver: Driver, hit: Hit) -> None:
    """Wait for the moment and send the signal."""
    is_there = scene.reach(driver, hit.moment) and driver.is_running
    found = processes.wait_for(driver.pid, hit.kind, _PATIENCE_S) if is_there else []
    if not found:
        scene.note(f"{hit}: {'there is no such process' if is_there else 'the run was over before'}")
        scene.missed.append(f"{hit.signal} to {hit.kind}")
        return
    victim = found[min(hit.index, len(found) - 1)]
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.send_signal(SIGNALS[hit.signal])
        scene.note(f"{hit} (process {victim.pid})")
        scene.struck.append(f"{hit.signal} to {hit.kind}")
        if hit.signal == "SIGSTOP":
            time.sleep(hit.held_s)
            victim.resume()


def hit_run(scene: Scene, hits: Sequence[Hit], *options: str) -> Driver:
    """Run the workload, hit it, and wait for its end."""
    driver = scene.run(*options)
    for hit in hits:
        strike(scene, driver, hit)
    driver.end(RUN_S)
    return driver

"""A place of its own for one fault: folders, environment, the drivers that run in it, and what they leave behind."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.harness.adopted import adopt
from tests.faults.harness.driver import Driver
from tests.faults.harness.moments import MOMENTS
from tests.faults.harness.processes import MARK, end, marked
from tests.faults.harness.s3 import FaultyProxy
from tests.faults.harness.workloads import Workload

RUN_S = 600.0
"""No run of a workload may take longer, whatever happens to it."""
_NOT_INHERITED = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "DREAMGRID_STORAGE", "DREAMGRID_WEBHOOK")


@dataclass(kw_only=True)
class Scene:
    """Where a fault happens.

    Attributes:
        root: Folder of everything; its path is short, since Ray's sockets are below it.
        storage: Address of the storage.
        tracking: Address of the tracking server, or "" for the usual file.
        mark: What all processes of the scene bear in their environment.
        environment: Variables on top of those of this process.
        drivers: All drivers so far, in order.
        notes: What happened, for the log.
        struck: "SIGKILL to worker" and the like, of each signal that was sent.
        missed: The like, of each signal whose moment did not come: the run was over before.
        proxy: What requests to an object store pass through, where the storage is in one.
    """

    workload: Workload
    root: Path
    storage: str
    tracking: str = ""
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    environment: dict[str, str] = field(default_factory=dict)
    drivers: list[Driver] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    proxy: FaultyProxy | None = None

    @property
    def folder(self) -> Path:
        """The storage as a folder."""
        return Path(self.storage)

    @property
    def temporary(self) -> Path:
        """The folder of temporary files of the scene."""
        return self.root / "t"

    @property
    def cache(self) -> Path:
        """The folder of caches of the scene."""
        return self.root / "cache"

    @property
    def database(self) -> Path:
        """The file of the tracking server where none is named."""
        return (self.folder if self.proxy is None else self.cache) / "mlflow.db"

    @property
    def sweep(self) -> Path:
        """The file of the workload."""
        return self.root / f"{self.workload.name}.yaml"

    def prepare(self) -> None:
        """Write what the workload needs."""
        for folder in (self.temporary, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
        self.workload.write(self.root)
        if self.workload.is_adopted:
            adopt(self.sweep, self.storage, self.root / "weights.pt")

    def run(self, *options: str, workload: Workload | None = None, **how: Any) -> Driver:
        """Start a driver of the workload, or of another one on the same storage."""
        path = self.sweep if workload is None else workload.write(self.root)
        tracking = ("--tracking-uri", self.tracking) if self.tracking else ()
        of_workload = (workload or self.workload).options
        return self.call("run", str(path), "--json", *of_workload, *tracking, *options, **how)

    def call(self, *arguments: str, **how: Any) -> Driver:
        """Start any verb on the scene's storage."""
        log = self.root / f"driver-{len(self.drivers)}.err"
        places = () if "--storage" in arguments else ("--storage", self.storage)
        self.drivers.append(Driver([*arguments, *places], log, self.variables(), **how))
        return self.drivers[-1]

    def ask(self, *arguments: str, timeout_s: float = 60.0) -> Driver:
        """Run a verb to its end."""
        driver = self.call(*arguments)
        driver.end(timeout_s)
        return driver

    def variables(self) -> dict[str, str]:
        """Return the environment of the scene's processes."""
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        return {
            **inherited,
            "TMPDIR": str(self.temporary),
            "DREAMGRID_CACHE": str(self.cache),
            MARK: self.mark,
            **self.environment,
        }

    def reach(self, driver: Driver, moment: str) -> bool:
        """Wait for a moment of a driver; return False where it ended before."""
        return MOMENTS[moment](driver, self.folder)

    def note(self, text: str) -> None:
        """Remember what happened."""
        self.notes.append(text)

    def close(self, *, keep: bool = False) -> None:
        """End what still runs, and remove the scene unless it is kept for a look."""
        end(marked(self.mark))
        if not keep:
            shutil.rmtree(self.root, ignore_errors=True)


def new_scene(workload: Workload, *, within: str | None = None, storage: str = "") -> Scene:
    """Make an empty scene with a storage in a folder, or at a given address."""
    root = Path(tempfile.mkdtemp(prefix="dgf-", dir=within or "/tmp"))
    return Scene(workload=workload, root=root, storage=storage or str(root / "storage"))


def lines_of(drivers: Sequence[Driver]) -> str:
    """Return the last lines of all drivers, for a message."""
    return "\n".join(f"--- {driver.log.name}\n{driver.tail()}" for driver in drivers)

"""One row of the table, played: the fault, the promise, then the sweep to its end and the audit."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from orchestration.engine.observer import RunObserver
from orchestration.engine.options import RunOptions
from tests.fakes import in_process
from tests.fakes.s3_servers import Conditions
from tests.faults.harness.acts import Act
from tests.faults.harness.audit import audit, held_leases, left_running, shared_memory
from tests.faults.harness.driver import Driver
from tests.faults.harness.places import can_mount, small_disk
from tests.faults.harness.recorded import Numbers, plan_of, recorded_numbers
from tests.faults.harness.s3 import KEY, object_store
from tests.faults.harness.scene import RUN_S, Scene, lines_of, new_scene
from tests.faults.harness.workloads import Workload
from trainers.job import JobPaths

RERUNS = 2
"""Runs after a disturbed one that may be needed to complete the sweep; one more must find nothing to do."""
DONE = 0
UNFORESEEN = ("Traceback (most recent call last)", "unforeseen ")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What is promised of the disturbed run.

    Attributes:
        codes: Exit codes that keep it; minus the number of a signal for a driver that was killed.
        says: What the lines of the driver must have, as a regular expression, or "".
        takes_s: Seconds from its start in which it must have ended.
        resumes: Whether some cell must go on from a checkpoint afterwards, not from its first epoch.
    """

    codes: frozenset[int]
    says: str = ""
    takes_s: float = RUN_S + 60.0
    resumes: bool = False


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a row is played.

    Attributes:
        small: Which folder is a small disk: "storage", "cache", "temporary", or "" for none.
        mib: Size of that disk.
        conditions: What the object store makes of conditional writes, where the storage is in one; "" for a folder.
        is_hopeless: Whether every run is refused there, so that there is nothing to complete; nothing may be recorded or running.
        needs: Programs that must be installed.
    """

    small: str = ""
    mib: int = 64
    inodes: int = 20_000
    conditions: Conditions | Literal[""] = ""
    is_hopeless: bool = False
    needs: tuple[str, ...] = ()

    def lacks(self) -> str:
        """Return what this machine lacks to play it, or ""."""
        missing = [name for name in self.needs if shutil.which(name) is None]
        if self.small and not can_mount():
            missing.append("the right to mount file systems")
        return ", ".join(missing)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a row.

    Attributes:
        problems: Broken promises; empty where all held.
        struck: Signals that were sent, as "SIGKILL to worker".
        missed: Those whose moment did not come; where none was sent, the run only had to complete.
        lines: Last lines of all drivers, where a promise was broken.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    struck: tuple[str, ...]
    missed: tuple[str, ...]
    wall_s: float
    lines: str = ""


class Undisturbed:
    """Numbers of workloads that nothing happens to: each is run once, in this process and without Ray."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Numbers]] = {}

    def of(self, workload: Workload) -> Mapping[str, Numbers]:
        """Return train key -> numbers."""
        if workload.name not in self._known:
            scene = new_scene(workload)
            try:
                scene.prepare()
                plan, store = plan_of(scene.sweep, scene.storage, mode="cached")
                paths = JobPaths(
                    checkpoints=f"{scene.storage}/checkpoints", data_root=str(scene.root), cache_dir=str(scene.cache)
                )
                in_process.execute(plan, store=store, options=RunOptions(paths=paths), observer=RunObserver())
                self._known[workload.name] = recorded_numbers(scene.sweep, scene.storage)
            finally:
                scene.close()
        return self._known[workload.name]


def play(act: Act, promise: Promise, workload: Workload, setting: Setting, undisturbed: Undisturbed) -> Verdict:
    """Do something to a run of a workload and return which promises were broken."""
    expected = {} if setting.is_hopeless else undisturbed.of(workload)
    began, before = time.monotonic(), shared_memory()
    with _scene(workload, setting) as scene:
        disturbed = act(scene)
        if scene.missed:
            # What was not hit may complete; what was hit keeps its promise.
            promise = replace(promise, codes=promise.codes | {DONE}, says="", resumes=False)
        problems = [problem for driver in disturbed for problem in _broken(driver, promise)]
        problems += _untouched(scene) if setting.is_hopeless else _afterwards(scene, promise, expected, before)
        lines = lines_of(scene.drivers) if problems else ""
        return Verdict(
            problems=tuple(problems),
            notes=tuple(scene.notes),
            struck=tuple(scene.struck),
            missed=tuple(scene.missed),
            wall_s=time.monotonic() - began,
            lines=lines,
        )


def _afterwards(
    scene: Scene, promise: Promise, expected: Mapping[str, Numbers], shared_before: frozenset[str]
) -> Iterator[str]:
    """Run the sweep to its end, and audit it."""
    if all(driver.process.returncode >= 0 for driver in scene.drivers):
        # Whoever ends by itself gives its leases back: nobody has to wait for them to expire.
        yield from held_leases(*plan_of(scene.sweep, scene.storage))
    yield from _complete(scene)
    if promise.resumes and not _has_resumed(scene):
        yield "lost: no cell went on from a checkpoint"
    yield from audit(scene, expected, shared_before=shared_before)


def _untouched(scene: Scene) -> Iterator[str]:
    """Look whether a run that was refused started or recorded something."""
    yield from left_running(scene)
    if scene.folder.is_dir():
        found = [name for name in ("results", "leases", "checkpoints") if (scene.folder / name).exists()]
        yield from (f"outcome: a refused run wrote {name}" for name in found)


@contextlib.contextmanager
def _scene(workload: Workload, setting: Setting) -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        scene = new_scene(workload)
        stack.callback(scene.close)
        if setting.conditions:
            proxy, variables = stack.enter_context(object_store(setting.conditions))
            scene.storage, scene.proxy = f"s3://{KEY}/{scene.mark}", proxy
            scene.environment |= variables
            # The audit reads the storage from this process.
            stack.enter_context(_variables(variables))
        if setting.small:
            folder = {"storage": scene.folder, "cache": scene.cache, "temporary": scene.temporary}[setting.small]
            stack.enter_context(small_disk(folder, mib=setting.mib, inodes=setting.inodes))
        scene.prepare()
        yield scene


@contextlib.contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _broken(driver: Driver, promise: Promise) -> Iterator[str]:
    code, text = driver.process.returncode, driver.text()
    if driver.wall_s > promise.takes_s:
        yield f"outcome: the run took {driver.wall_s:.0f} s, not at most {promise.takes_s:g}"
    if code not in promise.codes:
        yield f"outcome: the run ended with {code}, not with one of {sorted(promise.codes)}"
    if promise.says and not re.search(promise.says, text):
        yield f"outcome: the run does not say /{promise.says}/"
    yield from (f"outcome: the run says '{word.strip()}'" for word in UNFORESEEN if word in text)


def _has_resumed(scene: Scene) -> bool:
    plan, store = plan_of(scene.sweep, scene.storage)
    results = store.results(cell.train_key for cell in plan.cells).values()
    return any(result.training.summary.resumed_from_step is not None for result in results)


def _complete(scene: Scene) -> Iterator[str]:
    """Run the sweep until it is complete; after a run that says so, nothing may be left to do."""
    wanted = 1 if scene.workload.num_failing else 0
    is_complete = all(driver.process.returncode == wanted for driver in scene.drivers)
    for _ in range(RERUNS + 1):
        driver = scene.run()
        code, computed = driver.end(RUN_S), driver.document().get("computed")
        if is_complete and (code, computed) != (wanted, []):
            yield f"doubled: after a complete run one more ended with {code} and computed {computed}"
        if code == wanted and computed == []:
            return
        is_complete = code == wanted
    yield f"lost: the sweep is not complete after {RERUNS + 1} more runs"

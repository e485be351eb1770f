"""What is done to a run, from its start to its end: functions of a scene that return the drivers which a promise is about."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path

import psutil

from tests.faults.harness import places, processes
from tests.faults.harness.driver import REPOSITORY, Driver
from tests.faults.harness.hits import Hit, hit_run, strike
from tests.faults.harness.s3 import flipped_at_rest
from tests.faults.harness.scene import RUN_S, Scene
from tests.faults.harness.servers import answering
from tests.faults.harness.workloads import Workload

Act = Callable[[Scene], tuple[Driver, ...]]
CODE = ("augment", "clusters", "dreamgrid", "eval", "orchestration", "tests", "trainers")
"""Folders of a checkout that a run needs."""
_LOCKED_S = 20.0
_MIB = 2**20


def hits(*each: Hit) -> Act:
    """Hit one run, one hit after the other."""
    return lambda scene: (hit_run(scene, each),)


def hits_in_turn(*runs: Sequence[Hit]) -> Act:
    """Hit one run after the other, each where the one before it was ended; the promise is about the last one."""
    return lambda scene: tuple(hit_run(scene, each) for each in runs)[-1:]


def drivers_at_once(other: Workload, *each: Hit) -> Act:
    """Run a second sweep that shares cells with the workload at the same time; the hits are for the first driver."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        first, second = scene.run(), scene.run(workload=other)
        for hit in each:
            strike(scene, first, hit)
        codes = [driver.end(RUN_S) for driver in (first, second)]
        scene.note(f"exit codes {codes}")
        return (second,) if each else (first, second)

    return act


def frozen_driver(held_s: float) -> Act:
    """Stop a driver for longer than its leases last while another one takes its cells over; then let it go on."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        first = scene.run()
        scene.reach(first, "mid-epoch")
        group = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
        for process in group:
            process.suspend()
        second = scene.run()
        time.sleep(held_s)
        for process in filter(psutil.Process.is_running, group):
            process.resume()
        scene.note(f"driver stopped for {held_s:g} s, exit codes {first.end(RUN_S)}, {second.end(RUN_S)}")
        return first, second

    return act


def umasks(*masks: int) -> Act:
    """Run drivers at once whose files have different permissions."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        drivers = tuple(scene.run(umask=mask) for mask in masks)
        scene.note(f"exit codes {[driver.end(RUN_S) for driver in drivers]}")
        return drivers

    return act


def two_versions(scene: Scene) -> tuple[Driver, ...]:
    """Run a driver of this checkout and one of a copy of it, whose version is another, at once."""
    copy = scene.root / "checkout"
    for name in CODE:
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (copy / "pyproject.toml").write_text(re.sub(r'(?m)^version = "', 'version = "9', project), encoding="utf-8")
    drivers = (scene.run(), scene.run(checkout=copy))
    scene.note(f"exit codes {[driver.end(RUN_S) for driver in drivers]}")
    return drivers


def on_small_disk(place: str, moment: str, spoil: Callable[[Path], None]) -> Act:
    """Spoil the disk of the storage, the cache or the temporary files; make room once the run has ended, or after a while."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        folder = {"storage": scene.folder, "cache": scene.cache, "temporary": scene.temporary}[place]
        driver = scene.run()
        if scene.reach(driver, moment):
            spoil(folder)
            scene.note(f"{place} spoilt at {moment}")
        driver.end(RUN_S)
        places.make_room(folder)
        return (driver,)

    return act


def storage_away(how: Callable[[Path], AbstractContextManager[None]], moment: str, seconds: float) -> Act:
    """Take the storage, or the right to write it, away for some seconds."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        driver = scene.run()
        if scene.reach(driver, moment):
            with how(scene.folder):
                driver.wait_until(lambda: False, seconds)
            scene.note(f"{how.__name__} for {seconds:g} s at {moment}")
        driver.end(RUN_S)
        return (driver,)

    return act


def endpoint(mode: str, after: str, seconds: float) -> Act:
    """Run on an object store whose endpoint fails for some seconds from the first event of a kind on."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        proxy = scene.proxy
        assert proxy is not None
        driver = scene.run()
        if driver.wait_until(lambda: bool(driver.events(after))):
            proxy.for_a_while(mode, seconds)
        driver.end(RUN_S)
        scene.note(f"endpoint {mode}: {proxy.counts}")
        return (driver,)

    return act


def flipped_records(folder: str) -> Act:
    """Flip a bit in every object of a folder of a complete storage, and run the sweep once more."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        assert scene.proxy is not None
        scene.run().end(RUN_S)
        with flipped_at_rest(scene.proxy.url, f"{scene.mark}/{folder}/") as number:
            scene.note(f"a bit of each of {number} objects in {folder} is flipped")
            driver = scene.run()
            driver.end(RUN_S)
        return (driver,)

    return act


def database_locked(moment: str) -> Act:
    """Hold the database of MLflow for some seconds."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        driver = scene.run()
        if driver.wait_until(scene.database.is_file) and scene.reach(driver, moment):
            with closing(sqlite3.connect(scene.database, timeout=30)) as connection:
                connection.execute("begin exclusive")
                driver.wait_until(lambda: False, _LOCKED_S)
                connection.rollback()
            scene.note(f"database locked for {_LOCKED_S:g} s at {moment}")
        driver.end(RUN_S)
        return (driver,)

    return act


def runs_purged(moment: str) -> Act:
    """Delete every run in MLflow's database, as a clean-up of the server does."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        driver = scene.run()
        if driver.wait_until(scene.database.is_file) and scene.reach(driver, moment):
            with closing(sqlite3.connect(scene.database, timeout=30)) as connection:
                for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
                    connection.execute(f"delete from {table}")
                connection.commit()
            scene.note(f"runs purged at {moment}")
        driver.end(RUN_S)
        return (driver,)

    return act


def tracking_answers(status: int | None) -> Act:
    """Name a tracking server that answers everything with a status, or one that nobody answers at."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        with answering(status) as url:
            driver = scene.run("--tracking-uri", url)
            driver.end(RUN_S)
        return (driver,)

    return act


def memory_limit(moment: str, spare_mib: int = 8) -> Act:
    """Let a worker get no more memory than it has at a moment."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        driver = scene.run()
        if scene.reach(driver, moment):
            for worker in processes.wait_for(driver.pid, "worker")[:1]:
                limit = worker.memory_info().vms + spare_mib * _MIB
                worker.rlimit(psutil.RLIMIT_AS, (limit, limit))
                scene.note(f"address space of worker {worker.pid} limited at {moment}")
        driver.end(RUN_S)
        return (driver,)

    return act


def clock_jump(offset: str) -> Act:
    """Run a driver under a clock that is off, together with one under the right clock."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        tool = shutil.which("faketime")
        assert tool is not None
        drivers = (scene.run(inside=[tool, "-f", offset]), scene.run())
        scene.note(f"clock off by {offset}, exit codes {[driver.end(RUN_S) for driver in drivers]}")
        return drivers

    return act


def verb_meanwhile(moment: str, *words: str, undo: Sequence[str] = (), pause_s: float = 3.0) -> Act:
    """Call a verb while the workload runs, and one that undoes it after some seconds; "SWEEP" and "CELL" are put in."""

    def act(scene: Scene) -> tuple[Driver, ...]:
        driver = scene.run()
        if scene.reach(driver, moment):
            asked = scene.ask(*_filled(scene, driver, words))
            scene.note(f"{words[0]} at {moment}: exit code {asked.process.returncode}")
            if undo:
                driver.wait_until(lambda: False, pause_s)
                scene.ask(*_filled(scene, driver, undo))
        driver.end(RUN_S)
        return (driver,)

    return act


def _filled(scene: Scene, driver: Driver, words: Sequence[str]) -> list[str]:
    running = [event[1] for event in driver.events("state") if event[2] == "running"]
    values = {"SWEEP": str(scene.sweep), "CELL": running[-1][:12] if running else "none"}
    return [values.get(word, word) for word in words]

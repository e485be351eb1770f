"""Drivers that are killed, interrupted, or started twice, on real trainings in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.store.open import open_store

pytestmark = [pytest.mark.faults, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(580)]

SCRIPT = Path(__file__).with_name("run_digits.py")
REPOSITORY = SCRIPT.parents[2]


class Running:
    """A driver in a process of its own."""

    def __init__(self, folder: Path, name: str, *, cells: int, epochs: int) -> None:
        self.log = folder / f"{name}.err"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(folder), str(cells), str(epochs), "1", name],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )

    def lines(self) -> list[list[str]]:
        """What it has said so far."""
        return [line.split() for line in self.log.read_text().splitlines() if line.strip()]

    def wait_until(self, condition: Callable[[list[list[str]]], bool], timeout_s: float = 400.0) -> None:
        """Wait until what it has said meets a condition."""
        deadline = time.monotonic() + timeout_s
        while not condition(self.lines()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def result(self, timeout_s: float = 400.0) -> dict[str, Any]:
        """Wait for its end and return what it printed."""
        printed, _ = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, self.log.read_text()
        return json.loads(printed)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start drivers; those that still run at the end are killed."""
    started: list[Running] = []

    def run(name: str, **sizes: int) -> Running:
        started.append(Running(tmp_path, name, **sizes))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def _said(word: str, count: int) -> Callable[[list[list[str]]], bool]:
    return lambda lines: sum(line[0] == word for line in lines) >= count


def test_a_killed_driver_loses_only_what_was_in_flight_and_the_next_one_resumes_it(start, tmp_path):
    first = start("first", cells=3, epochs=24)
    first.wait_until(lambda lines: any(line[0] == "done" for line in lines) and lines[-1][0] == "epoch")
    first.wait_until(_said("epoch", 24 + 5))
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    finished = [line[1] for line in first.lines() if line[0] == "done"]
    interrupted = first.lines()[-1][1]
    second = start("second", cells=3, epochs=24).result()
    assert second["status"] == "complete"
    assert len(second["done"]) == 3
    assert set(second["computed"]).isdisjoint(finished)
    store = open_store(str(tmp_path / "storage"))
    results = store.results(second["done"])
    assert len(results) == 3
    resumed = results[interrupted].training.summary
    assert resumed.resumed_from_step is not None
    assert [row.epoch for row in resumed.epochs] == list(range(24))
    folders = [path for key in second["done"] for path in (tmp_path / "storage" / "results" / key).iterdir()]
    assert len(folders) == 3


def test_an_interrupted_driver_gives_its_leases_back_and_ends_cleanly(start, tmp_path):
    driver = start("first", cells=2, epochs=4000)
    driver.wait_until(_said("epoch", 3))
    driver.process.send_signal(signal.SIGINT)
    result = driver.result()
    assert result["status"] == "interrupted"
    store = open_store(str(tmp_path / "storage"))
    keys = [line[1] for line in driver.lines() if line[0] == "running"]
    assert len(keys) == 1
    assert [attempt.error_class for key in keys for attempt in store.attempts(key)] == ["stopped"]
    assert store.holders(keys) == {}


def test_two_drivers_at_once_compute_nothing_twice(start):
    drivers = [start(name, cells=4, epochs=8) for name in ("first", "second")]
    results = [driver.result(500.0) for driver in drivers]
    assert [result["status"] for result in results] == ["complete", "complete"]
    computed = [key for result in results for key in result["computed"]]
    assert len(computed) == len(set(computed)) == 4
    assert all(len(result["done"]) == 4 for result in results)

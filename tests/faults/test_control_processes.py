"""Processes of Ray that are killed under a run: the command says so at once, starts its own Ray again, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from orchestration.store.open import open_store

pytestmark = [pytest.mark.faults, pytest.mark.ray, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]

REPOSITORY = Path(__file__).parents[2]
SAYS_SO_WITHIN_S = 20.0
EPOCHS = 60
"""So many that a cell is under way when a process is killed; each epoch ends with a checkpoint."""

SWEEP = """
name: lasting
title: A sweep whose Ray loses a process
base: {dataset: digits, model: small-cnn, recipe: digits}
axes:
  cells:
    - {row: Baseline, method: baseline}
seeds: [0, 1]
workers: 1
table: {columns: [clean/error]}
benchmarks:
  clean: {max_images: 100}
"""
VICTIMS = {
    "raylet": "raylet/raylet",
    "control store": "gcs/gcs_server",
    "mailbox": "ray::Mailbox",
}
"""What is killed -> a part of its command line. A raylet ends with its agents: their death is its own."""


class Command:
    """`dreamgrid run` in a process of its own, with the moment of each line that it says."""

    def __init__(self, folder: Path) -> None:
        path = folder / "lasting.yaml"
        path.write_text(SWEEP)
        self.storage = folder / "storage"
        self.lines: list[tuple[float, str]] = []
        words = [
            "run",
            str(path),
            "--storage",
            str(self.storage),
            "--set",
            f"train.epochs={EPOCHS}",
            "--set",
            "train.lr=0.02",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "MLFLOW_TRACKING_URI": "none"},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line))

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 900.0) -> None:
        """Wait until something is so, while it runs."""
        ends = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < ends, self.said()
            time.sleep(0.2)

    def said(self) -> str:
        """All lines so far."""
        return "".join(line for _, line in self.lines)

    def moment_of(self, text: str) -> float:
        """When it first said something."""
        return next(at for at, line in self.lines if text in line)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    made = Command(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.send_signal(signal.SIGKILL)
        made.process.wait()


def find(command: Command, victim: str) -> psutil.Process:
    """Return the process of a run that is to be killed."""
    for process in psutil.Process(command.process.pid).children(recursive=True):
        try:
            if VICTIMS[victim] in " ".join(process.cmdline()):
                return process
        except psutil.Error:
            continue
    raise AssertionError(f"no {victim} runs")


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_run_whose_ray_loses_a_process_says_so_and_goes_on_with_another_ray(command: Command, victim: str) -> None:
    command.wait_until(lambda: any(command.storage.rglob("step-*.ckpt")))
    killed_at = time.monotonic()
    find(command, victim).kill()

    printed = _output_of(command)

    assert command.process.returncode == 0, command.said()
    assert command.said().count("nothing that is recorded is lost") == 1
    assert command.moment_of("Ray is started again, once") - killed_at < SAYS_SO_WITHIN_S
    assert "| Baseline" in printed
    store = open_store(str(command.storage))
    results = store.results(store.train_keys())
    assert len(results) == 2
    assert all([row.epoch for row in each.training.summary.epochs] == list(range(EPOCHS)) for each in results.values())
    assert any(each.training.summary.resumed_from_step is not None for each in results.values())
    assert store.failures(store.train_keys()) == {}
    assert store.holders(store.train_keys()) == {}


def _output_of(command: Command) -> str:
    assert command.process.stdout is not None
    printed = command.process.stdout.read()
    command.process.wait(60)
    return printed

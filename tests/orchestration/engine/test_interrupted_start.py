"""Ctrl-C while Ray starts: acknowledged, exit code 130, and no process of that Ray is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("after_s", [0.0, 1.0, 3.0])
def test_the_start_of_ray_ends_at_once(after_s: float, tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    command = [sys.executable, "-m", "orchestration.cli", "run", "demo", "--smoke", "--storage", storage]
    surroundings = dict(os.environ)  # without the COLUMNS that GNU Readline, which pytest imports, gives to children
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings
    ) as running:
        assert running.stderr is not None
        before = next(line for line in running.stderr if line.startswith("starting Ray"))
        time.sleep(after_s)
        begun = psutil.Process(running.pid).children(recursive=True)
        os.kill(running.pid, signal.SIGINT)
        began = time.monotonic()
        said, printed = running.stderr.read(), running.stdout.read() if running.stdout else ""

    assert running.returncode == 130, before + said
    assert said.startswith("Ctrl-C: ")
    assert "demo-smoke: interrupted" in said
    assert "  continue:                  dreamgrid run demo --smoke" in said
    assert printed == ""
    assert time.monotonic() - began < 60.0
    assert psutil.wait_procs(begun, timeout=10.0)[1] == []

"""What connecting to Ray changes in the process that does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, time
from clusters.connect import connect

heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
with connect(None, num_cpus=1):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.5)
print(heard)
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_process_that_is_connected_answers_sigterm_as_before() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout.splitlines()[-1:]) == (0, ["[15]"]), ran.stderr
    assert "SIGTERM received" not in ran.stderr

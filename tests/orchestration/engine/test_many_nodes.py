"""Several raylets on this machine stand for the nodes of a cluster.

A process is connected to one Ray at a time, so that the cases run in a process of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("many_nodes_cases.py")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_nodes() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "timeout=420", str(CASES)]
    ran = subprocess.run(
        command, cwd=CASES.parents[3], env=environment, text=True, capture_output=True, timeout=880, check=False
    )

    assert ran.returncode == 0, ran.stdout[-6000:]
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout

"""Several cells on one GPU: what Ray is asked for, on a machine whose GPU is made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestration.engine.packing_cases import CELLS

HERE = Path(__file__).resolve().parent


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("how", "most", "shares"), [("share", 3, {1.0, 0.3333}), ("own", 1, {1.0})])
def test_cells_that_fit_share_a_gpu_if_asked(how: str, most: int, shares: set[float], tmp_path: Path) -> None:
    path = os.pathsep.join([str(HERE), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "packing_cases.py"), str(tmp_path), how],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert len(lines) == CELLS
    assert {share for share, _, _ in lines} == shares
    at_once = [sum(start <= moment < end for _, start, end in lines) for _, moment, _ in lines]
    assert max(at_once) == most
    # The first one shows what its kind needs, alone.
    first = min(lines, key=lambda line: line[1])
    assert first[0] == 1.0
    assert all(start >= first[2] for share, start, _ in lines if share < 1.0)

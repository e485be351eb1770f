"""Runs on a Ray with GPUs that do not exist: what is derived, said and reserved, with the device of a worker replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers.worker.devices import DEVICE_VARIABLE

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "run_on_fake_gpus.py"

pytestmark = [pytest.mark.ray, pytest.mark.timeout(580)]


def run(folder: Path, *shards: int, device: str = "cpu") -> tuple[dict[str, Any], list[str]]:
    """Run cells with so many batch shards; return how the run ended and what it said."""
    path = os.pathsep.join([str(HERE.parents[2]), str(HERE)])
    found = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), *map(str, shards)],
        capture_output=True,
        text=True,
        timeout=560,
        check=True,
        env={**os.environ, "PYTHONPATH": path, DEVICE_VARIABLE: device},
    )
    # Without the stages, as "starting Ray ...".
    return json.loads(found.stdout), [line for line in found.stderr.splitlines() if not line.endswith(" ...")]


def jobs(folder: Path) -> list[dict[str, Any]]:
    """Return what the workers wrote down."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("cell-*.json"))]


def test_two_cells_run_at_once_each_on_its_gpu(tmp_path: Path) -> None:
    outcome, lines = run(tmp_path, 1, 1)

    assert lines[0] == "2 workers x 1 GPU, 1 CPU each"
    assert lines[-1] == "made-up: complete"
    assert outcome["resources"]["gpus"] == {"GPU": 2}
    first, second = jobs(tmp_path)
    assert first["gpus"] != second["gpus"]
    assert {len(first["gpus"]), len(second["gpus"]), first["device"], second["device"]} == {1, "cpu"}
    assert first["began"] < second["ended"]
    assert second["began"] < first["ended"]


def test_a_cell_alone_takes_both_gpus(tmp_path: Path) -> None:
    outcome, lines = run(tmp_path, 2)

    assert (outcome["status"], lines[0]) == ("complete", "2 workers x 1 GPU, 1 CPU each")
    found = jobs(tmp_path)
    assert [one["world_size"] for one in found] == [2, 2]
    assert sorted(gpu for one in found for gpu in one["gpus"]) == ["0", "1"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine whose GPUs torch cannot use")
def test_gpus_that_torch_does_not_see_end_the_run_at_once(tmp_path: Path) -> None:
    outcome, lines = run(tmp_path, 1, 1, device="")

    assert "reserved a GPU, but torch sees no GPU" in outcome["refused"]
    assert "give --gpus-per-worker 0 to train on CPUs" in outcome["refused"]
    assert not any("attempt" in line for line in lines)
    assert jobs(tmp_path) == []

"""The script of a session on a GPU keeps going after a failure, keeps its time, and says what happened."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_session.sh"
PYTHON = """#!/usr/bin/env bash
echo "$*" >> "$(dirname "$0")/calls"
case "$*" in
    *BROKEN*) echo "it broke"; exit 3 ;;
    *"-m pytest"*) echo "SKIPPED [1] tests/gpu/x.py:1: needs two GPUs"; echo "== 5 passed, 1 skipped in 2 s ==" ;;
    *benchmarks*) echo "wrn-40-4  1 ms  1 ms  1%  0.97  >= 0.95  bare step met"; echo "note: GPU busy 98 %" ;;
esac
"""


def session(folder: Path, *options: str, broken: str = "nothing") -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the script with a Python that only says what is wanted of it."""
    python = folder / "python"
    python.write_text(PYTHON.replace("BROKEN", broken))
    python.chmod(0o755)
    ran = subprocess.run(
        ["bash", str(SCRIPT), str(folder / "out"), "--python", str(python), *options],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    return ran, (folder / "out" / "summary.txt").read_text()


def test_a_session_runs_every_stage_and_keeps_what_it_says(tmp_path: Path) -> None:
    ran, summary = session(tmp_path, "--commit", "abc123")
    calls = (tmp_path / "calls").read_text()

    assert ran.returncode == 0, ran.stdout + ran.stderr
    for call in ("-m pytest -m gpu tests/gpu", "-m benchmarks.train --device cuda", "-m benchmarks.eval --device cuda"):
        assert call in calls
    for line in ("commit: abc123", "date: 20", "tests: done", "train: done", "5 passed, 1 skipped", "needs two GPUs",
                 "0.97  >= 0.95", "GPU busy 98 %", "session: complete"):  # fmt: skip
        assert line in summary
    assert {path.name for path in (tmp_path / "out").glob("*.txt")} == {
        "machine.txt", "kernels.txt", "tests.txt", "train.txt", "eval.txt", "summary.txt",
    }  # fmt: skip


@pytest.mark.parametrize("broken", ["pytest", "benchmarks.train", "warm_kernels"])
def test_a_stage_that_fails_does_not_keep_the_next_from_running(tmp_path: Path, broken: str) -> None:
    ran, summary = session(tmp_path, broken=broken)

    assert ran.returncode == 1
    assert summary.count("FAILED with exit code 3") == 1
    assert "eval: done" in summary
    assert "session: NOT complete" in summary
    assert "it broke" in "".join(path.read_text() for path in (tmp_path / "out").glob("*.txt"))


def test_a_session_without_time_says_what_was_not_run(tmp_path: Path) -> None:
    ran, summary = session(tmp_path, "--limit", "4")

    assert ran.returncode == 1
    assert summary.count("not run, the session's 4 s are over") == 4


def test_on_a_cpu_the_same_stages_run_at_tiny_sizes(tmp_path: Path) -> None:
    ran, _ = session(tmp_path, "--device", "cpu", "--quick")
    calls = (tmp_path / "calls").read_text()

    assert ran.returncode == 0
    assert "-m pytest -m not gpu and not slow tests/gpu" in calls
    assert "-m benchmarks.gpu_train --device cpu --quick" in calls
    assert "-m benchmarks.gpu_eval --device cpu --quick" in calls


@pytest.mark.parametrize("options", [[], ["--device"], ["out", "--device", "tpu"], ["out", "--fast"]])
def test_a_mistaken_call_is_told_how(options: list[str]) -> None:
    ran = subprocess.run(["bash", str(SCRIPT), *options], capture_output=True, text=True, check=False, timeout=60)

    assert ran.returncode == 2
    assert "bash benchmarks/gpu_session.sh OUT --python PYTHON" in ran.stderr

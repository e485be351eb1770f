"""Every kind of hostile input, in a process of its own: no unforeseen error, no hang, no more than 1 GiB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow]

KINDS = sorted(path.stem for path in Path(__file__).with_name("kinds").glob("*.py"))
EXAMPLES = os.environ.get("DREAMGRID_FUZZ_EXAMPLES")
"""Inputs of each kind instead of its own number, for a campaign."""
SEED = os.environ.get("DREAMGRID_FUZZ_SEED")


@pytest.mark.timeout(3600 if EXAMPLES else 300)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs_are_refused_in_plain_words(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*(["--examples", EXAMPLES] if EXAMPLES else []), *(["--seed", SEED] if SEED else [])]
    command = [sys.executable, "-m", "tests.fuzz.harness", kind, *options]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr[-4000:]}"
    counts = json.loads(found.stdout)
    with capsys.disabled():
        sys.stdout.write("\n" + ", ".join(f"{name} {counts[name]}" for name in counts if name != "faults") + "\n")
    assert counts["inputs"] == counts["refused"] + counts["accepted"]
    assert counts["refused"] > 0

"""The page of the Python API: its examples run from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "python-api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SWEEPS = ("dreamgrid.run(", "load_sweep(")
"""What runs a sweep, which takes a Ray."""


def test_every_call_of_dreamgrid_is_in_a_block_that_runs() -> None:
    """The formatter takes the indentation from examples that end the description of a module, which then were prose."""
    outside = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)

    assert [line for line in outside.splitlines() if re.match(r"(\w+ = )?dreamgrid\.\w+", line)] == []


def test_its_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_torch_thread: None) -> None:
    monkeypatch.chdir(tmp_path)
    quick = [block for block in BLOCKS if not any(word in block for word in SWEEPS)]
    assert len(quick) >= 8
    names: dict[str, Any] = {}
    for block in quick:
        exec(compile(block, str(PAGE), "exec"), names)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(580)
def test_its_examples_of_sweeps_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[0], str(PAGE), "exec"), names)
    (block,) = [block for block in BLOCKS if "load_sweep(" in block]
    exec(compile(block, str(PAGE), "exec"), names)

    assert len(names["frame"]) > 0

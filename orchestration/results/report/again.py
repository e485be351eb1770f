"""How a report can be made again: the command, and the text of the sweep."""

from __future__ import annotations

import shlex

from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import PROGRAM

_SEEDS = "seeds="


def run_command(resolved: ResolvedSweep, storage: str) -> str:
    """Return the command line that computes what is missing of a sweep, as it is, in a storage."""
    sweep = resolved.sweep
    words = [PROGRAM, "run", resolved.source or sweep.name, *([] if sweep.size == "full" else [f"--{sweep.size}"])]
    for text in sweep.overrides:
        words += ["--seeds", text.removeprefix(_SEEDS)] if text.startswith(_SEEDS) else ["--set", text]
    return shlex.join([*words, *(["--storage", storage] if storage else [])])


def sweep_texts(resolved: ResolvedSweep) -> list[dict[str, str]]:
    """Return the name and the YAML of the sweep, and of its parts where it is a union of several."""
    return [
        {"name": each.name, "yaml": each.document.text}
        for each in (resolved.sweep, *resolved.sweep.parts)
        if each.document.text
    ]

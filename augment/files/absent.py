"""How a line on missing data says what is missing, and which command gets it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path


def absent_text(names: Sequence[str]) -> str:
    """Return "train.mat is missing", or "train.mat and 2 more are missing".

    Args:
        names: What is missing, at least one.
    """
    return f"{names[0]} and {len(names) - 1} more are missing" if len(names) > 1 else f"{names[0]} is missing"


def fetch_command(name: str, data_root: str | Path) -> str:
    """Return the command that downloads data by name into a data root."""
    return shlex.join(["dreamgrid", "data", "fetch", name, "--data-root", str(data_root)])

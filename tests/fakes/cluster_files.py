"""The shipped cluster files with every place filled in, as their owners would."""

from __future__ import annotations

import re
from pathlib import Path

MANIFESTS = Path(__file__).resolve().parents[2] / "clusters" / "manifests"


def filled_text(name: str) -> str:
    """Return the text of a shipped file with a plain word for each `<place>`."""
    return re.sub(r"<([a-zA-Z])[^<>\n]*>", r"\1-filled-in", (MANIFESTS / name).read_text(encoding="utf-8"))

"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["fine", "note", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: fine, worth a note, or broken; with what to do about it."""

    what: str
    state: State
    detail: str
    fix: str = ""

"""What a table format is, and how entries are written in any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eval.tables.grid import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How entries are written.

    Attributes:
        spread: Whether the sample standard deviation follows the mean.
    """

    decimals: int = 1
    spread: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """How one format marks up text."""

    best: Callable[[str], str]
    second: Callable[[str], str]
    symbol: Callable[[str], str]
    text: Callable[[str], str]
    missing: str
    plus_minus: str
    raised: tuple[str, str] = ("⁺", "⁻")

    def shift(self, outcome: str) -> str:
        """Return the sign of a row that is shown to be better or worse than the baseline row, else nothing."""
        return dict(zip(("better", "worse"), self.raised, strict=True)).get(outcome, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to write tables.

    Attributes:
        name: Key in `FORMATS`.
        write: Table -> text.
        join: The texts of several tables -> one text.
    """

    name: str
    write: Callable[[Table, Style], str]
    join: Callable[[Sequence[str]], str] = "\n".join

"""The guide to reading a grid: every mark of a table is explained there as the table's own footnote says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.tables.formats.cells import SYMBOLS
from eval.tables.grid import MARKS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "reading-a-grid.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_explained_as_its_footnote_says_it(mark: str) -> None:
    symbol = SYMBOLS[mark].replace("*", r"\*")
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {symbol} |")]

    assert MARKS[mark] in line

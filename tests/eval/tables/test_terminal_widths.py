"""Tables on terminals of any width: no number and no word of a heading is broken or cut; parts go below each other."""

from __future__ import annotations

import pytest

from eval.tables.column import Column
from eval.tables.formats.contract import Style
from eval.tables.formats.terminal import write
from eval.tables.grid import Observation, Table
from eval.tables.layouts import metric_table

COLUMNS = [
    "clean/error",
    "clean/rms",
    "c-generated/error",
    "c-generated/rms",
    "cbar/error",
    "p/mfr",
    "pgd/error",
    "ood-generated/auroc",
]
ROWS = ["Baseline", "AutoAugment", "Outlier Exposure with labels"]


@pytest.fixture
def wide() -> Table:
    """Three rows, eight columns, two seeds; every mean is another number."""
    seen = [
        Observation(row=row, column=Column.of(name), seed=seed, value=0.1 + 0.021 * at + 0.2 * place + 0.01 * seed)
        for place, row in enumerate(ROWS)
        for at, name in enumerate(COLUMNS)
        for seed in (0, 1)
    ]
    return metric_table("A wide table", ROWS, [Column.of(name) for name in COLUMNS], seen)


@pytest.mark.parametrize(("width", "parts"), [(160, 1), (120, 2), (80, 2), (50, 4), (40, 8)])
def test_a_table_is_drawn_in_parts_that_fit(
    width: int, parts: int, wide: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    text = write(wide, Style())

    assert max(map(len, text.splitlines())) <= width
    assert text.count("Method") == parts
    assert text.count("A wide table") == 1
    for entry in (entry for row in wide.entries for entry in row if entry is not None):
        assert f"{100 * entry.summary.mean:.1f} ± 0.7" in text
    assert "…" not in text
    assert {"Exposure", "AutoAugment", "Error", "AUROC"} <= set(text.split())

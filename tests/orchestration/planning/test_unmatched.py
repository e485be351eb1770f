"""A sweep that names a published table of which it has no entry: the plan says so, since nothing would ever be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.cells.checks.tables import unmatched_tables
from orchestration.cells.load import SWEEPS, built_in_sweep
from orchestration.cli import main

FILE = """
name: mine
title: Mine
base: {dataset: digits, model: small-cnn, recipe: digits}
axes: {cells: [{row: ROW, method: baseline}, {row: Ours, method: cutout}]}
table: {columns: [clean/error], published: table-3}
"""


@pytest.mark.parametrize(("row", "is_named"), [("baseline", False), ("Plain", True)])
def test_the_plan_names_a_published_table_without_an_entry_of_the_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, is_named: bool
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE.replace("ROW", row))

    assert main(["plan", str(path), "--storage", str(tmp_path), "--data-root", str(tmp_path)]) == 0

    shown = capsys.readouterr().out
    assert (
        "no entry of 'mine' is in the published 'table-3', so nothing is compared; its rows: Baseline" in shown
    ) is is_named


def test_every_built_in_sweep_has_entries_of_the_tables_that_it_names() -> None:
    """In their full size: the smoke size of `mnist-report-2` has generated outlier sets only, and says so."""
    assert {name: found for name in SWEEPS if (found := unmatched_tables(built_in_sweep(name)))} == {}

"""Every built-in sweep in its smallest size, for real: all published tables in one run, then each table from what is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.cells.load import SWEEPS, load_sweep_file

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(1800)]

TABLES = [name for name in SWEEPS if not load_sweep_file(name).include and name != "demo"]
UNIONS = [name for name in SWEEPS if load_sweep_file(name).include]


@pytest.fixture(scope="module")
def everything(dreamgrid: Any) -> Any:
    """Every published table, its smallest size computed from nothing."""
    ran = dreamgrid("run", "everything", "--smoke", "--tracking-uri", "none", "--json", timeout=1700)
    assert ran.code == 0, ran.err
    return ran


def test_every_published_table_runs_to_completion(everything: Any) -> None:
    document = everything.document

    assert document["status"] == "complete"
    assert document["failed"] == {}
    assert len(document["tables"]) == len(TABLES)
    assert document["cost"]["cells"] == len(document["computed"])


@pytest.mark.parametrize("name", TABLES)
def test_each_table_has_every_entry_and_nothing_is_left_to_run(name: str, dreamgrid: Any, everything: Any) -> None:
    plan = dreamgrid("plan", name, "--smoke", "--json").document
    table = dreamgrid("table", name, "--smoke", "--compare", "--json").document

    assert plan["counts"]["to_run"] == 0
    assert all(entry is not None for row in table["entries"] for entry in row)


@pytest.mark.parametrize("name", UNIONS)
def test_a_union_has_nothing_left_to_run(name: str, dreamgrid: Any, everything: Any) -> None:
    assert dreamgrid("plan", name, "--smoke", "--json").document["counts"]["to_run"] == 0


def test_claims_and_report_speak_of_every_table(dreamgrid: Any, everything: Any, tmp_path: Any) -> None:
    claims = json.loads(dreamgrid("claims", *TABLES, "--smoke", "--json").out)
    report = dreamgrid("report", "everything", "--smoke", "-o", str(tmp_path / "all.html"), "--json")

    assert {"pass", "fail", "undecided"} & {each["verdict"] for each in claims}
    assert len({each["sweep"] for each in claims}) >= len(TABLES) - 2
    assert report.code == 0, report.err
    assert (tmp_path / "all.html").stat().st_size > 50_000

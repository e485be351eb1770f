"""The page of results with its birth certificate: grid, claims, where numbers come from; nothing of half a sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.results_page import document, machine
from orchestration.planning.costs.units import duration
from orchestration.results.notebook import load_sweep
from orchestration.sweeps.model import Size

Recorded = Callable[[str, Size], Path]


def test_a_page_shows_grid_claims_and_where_every_number_comes_from(recorded_store: Recorded) -> None:
    folder = recorded_store("table-3", "smoke")
    loaded = load_sweep("table-3", size="smoke", storage=str(folder), seeds="0,1")
    page = document(loaded, "dreamgrid run table-3 --smoke", "a machine of the test")

    results = loaded.store.results({cell.train_key for cell in loaded.resolved.cells})
    heading, _, grid = loaded.table().to_markdown().strip().partition("\n\n")
    assert page.startswith(f"{heading.removeprefix('##')}\n")
    assert grid in page
    assert "| command | `dreamgrid run table-3 --smoke` |" in page
    assert "a machine of the test; workers per cell: " in page
    assert f"| cells | {len(results)} |" in page
    evaluations = [
        results[each.train_key].reports[request.key] for each in loaded.resolved.cells for request in each.benchmarks
    ]
    evaluated_s = sum(report.wall_s for report in evaluations)
    assert f"training {duration(36.0 * len(results))}, evaluation {duration(evaluated_s)} of worker time" in page
    for result in results.values():
        assert result.training.provenance.commit[:12] in page
        assert all(f"{name} {version}" in page for name, version in result.training.provenance.versions.items())
    assert "| the papers say | papers' numbers | ours | why |" in page


def test_a_page_of_half_a_sweep_is_refused(recorded_store: Recorded) -> None:
    folder = recorded_store("table-3", "smoke")
    loaded = load_sweep("table-3", size="smoke", storage=str(folder), seeds="0-9")

    with pytest.raises(ValueError, match="every cell must be recorded, but"):
        document(loaded, "", "")


def test_this_machine_is_told_by_processor_cores_and_memory() -> None:
    assert "cores" in machine()
    assert "GiB of memory" in machine()

"""Sweeps from Python: run, and load with their results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dreamgrid
from orchestration.errors import InputError, SweepError
from orchestration.store.open import open_store

SWEEP = """
name: two
title: Two methods
base: {dataset: digits, model: small-cnn, recipe: digits, train: {epochs: 1, train_images: 64}}
axes: {cells: [{row: Baseline, method: baseline}, {row: Cutout, method: cutout}]}
table: {columns: [clean/error]}
"""


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Any]:
    """A sweep of two cells and a storage of its own."""
    (tmp_path / "two.yaml").write_text(SWEEP)
    return {"name_or_path": str(tmp_path / "two.yaml"), "storage": str(tmp_path / "storage")}


def test_a_sweep_without_results_says_what_it_wants_in_three_lines(places: dict[str, Any]) -> None:
    open_store(places["storage"])
    Path(places["storage"]).mkdir(exist_ok=True)
    loaded = dreamgrid.load_sweep(**places)

    assert repr(loaded) == "two: Two methods\n0 of 2 cells recorded\n.plan()  .results()  .table()  .figure()"
    assert len(loaded.plan().to_run) == 2
    assert loaded.results().empty


def test_wrong_names_are_refused(places: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="did you mean 'demo'"):
        dreamgrid.run("demmo", storage=places["storage"])


def test_what_did_not_complete_raises_with_the_reasons(places: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamgrid import sweeps
    from orchestration.engine.options import RunOutcome

    outcome = RunOutcome(status="failed", done=(), unfinished=(), failed={"ab" * 32: "ValueError: no"})
    made = type("Completed", (), {"run": type("Run", (), {"outcome": outcome})})
    monkeypatch.setattr(sweeps, "complete", lambda request, **rest: made)

    with pytest.raises(SweepError, match="sweep 'two' is failed: abababababab: ValueError: no"):
        dreamgrid.run(**places)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(580)
def test_a_sweep_is_run_and_its_results_are_a_tidy_frame(places: dict[str, Any]) -> None:
    ran = dreamgrid.run(**places, tracking_uri="none", max_concurrent=1)
    frame = ran.results()

    assert "2 of 2 cells recorded" in repr(ran)
    assert set(frame.row) == {"Baseline", "Cutout"}
    assert "| Baseline |" in ran.table().to_markdown()
    assert dreamgrid.load_sweep(**places).results().equals(frame)

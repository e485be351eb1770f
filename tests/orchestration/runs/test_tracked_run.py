"""A run with nothing to do shows what is recorded once on a tracking server, and then leaves it alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.tables.grid import Table
from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.engine.observer import RunObserver
from orchestration.planning.plan import make_plan
from orchestration.runs.tracked_run import LazyTracker, rendered_grid
from orchestration.settings import Settings, read_settings
from orchestration.store.open import open_store
from orchestration.tracking.contract import TrackingError
from orchestration.tracking.driver.tracker import Tracker
from orchestration.tracking.marks import ShownMark


def settings_in(folder: Path, uri: str) -> Settings:
    return read_settings(storage=str(folder / "storage"), cache_dir=folder / "cache", tracking_uri=uri, environment={})


def recorded_plan() -> Plan:
    """A plan of which everything is recorded."""
    plan = make_plan(load_sweep("demo", size="smoke"), store=open_store("memory:"))
    return replace(plan, cells=tuple(replace(cell, trained=True, missing=()) for cell in plan.cells))


def publish(settings: Settings, plan: Plan) -> str | None:
    tracker = LazyTracker(settings, open_store("memory:"))
    tracker.run_started(plan)
    tracker.run_ended(plan, "complete")
    return tracker.publish([])


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were synced to."""
    calls: list[str] = []

    def sync(store: Any, plan: Plan, uri: str, **_: Any) -> None:
        calls.append(uri)
        Path(uri.removeprefix("sqlite:///")).touch()

    monkeypatch.setattr("orchestration.runs.tracked_run.sync", sync)
    return calls


def test_what_is_recorded_is_shown_once(tmp_path: Path, synced: list[str]) -> None:
    settings = settings_in(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")

    assert publish(settings, recorded_plan()) is None
    assert publish(settings, recorded_plan()) is None

    assert synced == [settings.tracking]


def test_another_server_and_a_database_that_is_gone_are_shown_again(tmp_path: Path, synced: list[str]) -> None:
    first = settings_in(tmp_path, f"sqlite:///{tmp_path / 'a.db'}")
    second = settings_in(tmp_path, f"sqlite:///{tmp_path / 'b.db'}")

    for settings in (first, second):
        publish(settings, recorded_plan())
    (tmp_path / "a.db").unlink()
    publish(first, recorded_plan())

    assert synced == [first.tracking, second.tracking, first.tracking]


def test_a_database_in_the_place_of_another_is_shown_again(tmp_path: Path, synced: list[str]) -> None:
    """What was moved aside as broken may be made again by a `sync` of other sweeps."""
    settings = settings_in(tmp_path, f"sqlite:///{tmp_path / 'a.db'}")
    publish(settings, recorded_plan())
    (tmp_path / "a.db").rename(tmp_path / "a.db.broken")
    (tmp_path / "a.db").touch()

    publish(settings, recorded_plan())

    assert synced == [settings.tracking] * 2


def test_one_more_cell_makes_another_mark(tmp_path: Path) -> None:
    settings, plan = settings_in(tmp_path, "http://127.0.0.1:5000"), recorded_plan()
    mark = ShownMark.of(settings, plan)
    mark.note()

    assert ShownMark.of(settings, plan).is_noted()
    assert not ShownMark.of(settings, replace(plan, cells=plan.cells[:-1])).is_noted()


def test_a_choice_of_cells_is_shown_again_when_another_was_shown_in_between(tmp_path: Path, synced: list[str]) -> None:
    """What another `--set` showed last has this one's runs marked as unwanted."""
    settings, plan = settings_in(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}"), recorded_plan()

    for each in (plan, replace(plan, cells=plan.cells[:-1]), plan, plan):
        publish(settings, each)

    assert len(synced) == 3


def test_the_grid_is_a_page_with_charset_and_the_style_of_the_report() -> None:
    table = Table(
        title="Fehler · größer <b>", corner="Method", rows=("Größe",), columns=(), entries=((),), notes=("µ",)
    )

    page = rendered_grid([table])["grid.html"]

    assert page.startswith("<!doctype html>")
    assert '<meta charset="utf-8">' in page
    assert "border-collapse: collapse" in page
    assert "<title>Fehler · größer &lt;b&gt;</title>" in page
    assert page.count("<table ") == 1
    assert "script-src" not in page.replace("script-src 'unsafe-inline'", "")


def test_nothing_is_shown_without_tracking_or_without_results(tmp_path: Path, synced: list[str]) -> None:
    empty = make_plan(load_sweep("demo", size="smoke"), store=open_store("memory:"))

    assert publish(settings_in(tmp_path, "none"), recorded_plan()) is None
    tracker = LazyTracker(settings_in(tmp_path, f"sqlite:///{tmp_path / 'c.db'}"), open_store("memory:"))
    tracker.run_started(replace(empty, mode="read-only"))
    assert tracker.publish([]) is None

    assert synced == []


def test_a_server_that_fails_is_told_and_asked_again_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[str]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise TrackingError("the disk is full", passing=True)

    settings = settings_in(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")
    with monkeypatch.context() as patch:
        patch.setattr("orchestration.runs.tracked_run.sync", broken)
        told = publish(settings, recorded_plan())
    publish(settings, recorded_plan())

    assert "the disk is full" in str(told)
    assert synced == [settings.tracking]


@pytest.mark.parametrize("event", [name for name in vars(RunObserver) if not name.startswith("_")])
def test_every_event_of_a_run_is_tracked_or_left_out_on_purpose(event: str) -> None:
    assert hasattr(Tracker, event) or event in vars(LazyTracker)

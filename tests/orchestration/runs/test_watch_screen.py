"""The live screen of `watch`, driven by keys in a terminal that is played; the storage behind it is real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from clusters.temporary.owners import owner_here
from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.costs.machines import read_machine
from orchestration.runs.watching.looks import Looks
from orchestration.runs.watching.screen import TextScreen, WatchApp
from orchestration.store.contract import AttemptRecord
from orchestration.store.driver_report import DriverReport, RunningCell
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from tests.fakes.recorded_sweep import record_cell

Steps = Callable[[Pilot[None], WatchApp], Awaitable[None]]


@pytest.fixture
def sweep() -> ResolvedSweep:
    return load_sweep("demo", size="smoke")


@pytest.fixture
def store(sweep: ResolvedSweep) -> FileStore:
    """A storage in which one cell is done, one failed, one runs and two wait."""
    made = open_store("memory:")
    record_cell(sweep.cells[0], made)
    failed = sweep.cells[1].train_key
    made.record_attempt(
        AttemptRecord(train_key=failed, attempt=1, error_class="bug", message="it broke", started_at=1.0, ended_at=2.0)
    )
    made.report_driver(report(sweep))
    return made


def report(sweep: ResolvedSweep, **changes: Any) -> DriverReport:
    cell = RunningCell(train_key=sweep.cells[2].train_key, stage="train", done=1, total=4, loss=1.5)
    return DriverReport(**{"owner": OWNER, "sweep": "demo-smoke", "beat": 1, "cells": (cell,), **changes})


OWNER = owner_here()


def play(sweep: ResolvedSweep, store: FileStore, steps: Steps, *, size: tuple[int, int] = (120, 40)) -> WatchApp:
    """Open the screen in a terminal of a size, do the steps, close it."""
    looks = Looks(sweep, store, machine=read_machine(), on_damage=lambda error: None, every_s=60.0)
    app = WatchApp(looks, looks.look())

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await steps(pilot, app)

    asyncio.run(run())
    return app


def texts(app: WatchApp) -> list[list[str]]:
    table = app.screen_stack[0].query_one(DataTable)
    return [[str(value) for value in table.get_row_at(place)] for place in range(table.row_count)]


def shown(app: WatchApp, name: str) -> str:
    return str(app.screen_stack[0].query_one(f"#{name}", Static).content)


def page(app: WatchApp) -> str:
    assert isinstance(app.screen, TextScreen)
    return str(app.screen.query_one(Static).content)


def test_the_screen_lists_every_cell_in_the_words_of_status(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        assert shown(app, "title") == "demo-smoke: Five methods on the digits"
        assert [row[3] for row in texts(app)] == ["done", "failed", "running", "waiting", "waiting"]
        assert "5 cells: 1 done, 1 running, 1 failed, 2 waiting" in shown(app, "summary")
        assert shown(app, "failures") == "failed: Cutout seed 0: bug: it broke"
        assert app.screen.has_class("with-grid")

    play(sweep, store, steps)


@pytest.mark.parametrize(("width", "columns"), [(120, 9), (80, 6), (50, 4)])
def test_the_list_fits_the_terminal(width: int, columns: int, sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        table = app.query_one(DataTable)
        assert len(table.columns) == columns
        if width < 100:  # with the reason of a failure, which may be of any length, the list is scrolled
            assert table.virtual_size.width <= width

    play(sweep, store, steps, size=(width, 24))


def test_a_terminal_that_changes_its_size_is_drawn_again(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        await pilot.resize_terminal(50, 20)
        await pilot.pause()
        assert len(app.query_one(DataTable).columns) == 4
        assert not app.screen.has_class("with-grid")

    play(sweep, store, steps)


def test_f_shows_failed_cells_then_running_ones_then_all(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        seen = []
        for _ in range(3):
            await pilot.press("f")
            await pilot.pause()
            seen.append([row[3] for row in texts(app)])
        assert seen[:2] == [["failed"], ["running"]]
        assert len(seen[2]) == 5

    play(sweep, store, steps)


def test_enter_shows_the_chosen_cell_and_escape_leads_back(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        await pilot.press("down", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert f"cell {sweep.cells[1].train_key[:12]}: Cutout, seed 0" in page(app)
        assert "attempt 1 failed after 1 s: bug: it broke" in page(app)
        await pilot.press("escape")
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert app.query_one(DataTable).cursor_row == 1

    play(sweep, store, steps)


def test_a_question_mark_shows_the_keys(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        for key in ("q ", "r ", "f ", "enter ", "g ", "? "):
            assert any(line.startswith(key) for line in page(app).splitlines())

    play(sweep, store, steps)


def test_g_hides_and_shows_the_table_so_far(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        grids = []
        for _ in range(2):
            await pilot.press("g")
            await pilot.pause()
            grids.append(app.query_one("#grid").display)
        assert grids == [False, True]

    play(sweep, store, steps)


def test_r_reads_what_has_changed_and_the_cursor_stays(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        await pilot.press("down", "down")
        record_cell(sweep.cells[2], store)
        store.report_driver(report(sweep, beat=2, cells=()))
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert [row[3] for row in texts(app)] == ["done", "failed", "done", "waiting", "waiting"]
        assert app.query_one(DataTable).cursor_row == 2

    app = play(sweep, store, steps)
    assert app.shown.counts == "5 cells: 2 done, 1 failed, 2 waiting"


def test_the_screen_looks_again_by_itself(sweep: ResolvedSweep, store: FileStore) -> None:
    looks = Looks(sweep, store, machine=read_machine(), on_damage=lambda error: None, every_s=0.05)
    app = WatchApp(looks, looks.look())

    async def run() -> None:
        async with app.run_test() as pilot:
            store.report_driver(report(sweep, beat=2, eta_s=70.0))
            for _ in range(200):
                await pilot.pause(0.05)
                if app.shown.eta_s is not None:
                    return

    asyncio.run(run())
    assert app.shown.eta_s is not None
    assert 0.0 < app.shown.eta_s <= 70.0


def test_what_runs_and_what_failed_comes_first_where_not_all_cells_have_room(
    sweep: ResolvedSweep, store: FileStore
) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        await pilot.press("down")
        app.query_one(DataTable).styles.height = 4
        await pilot.resize_terminal(110, 14)
        await pilot.pause()
        assert [row[3] for row in texts(app)] == ["running", "failed", "done", "waiting", "waiting"]
        assert app.query_one(DataTable).cursor_row == 1  # on the same cell

    play(sweep, store, steps)


def test_q_closes_the_screen(sweep: ResolvedSweep, store: FileStore) -> None:
    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running

    play(sweep, store, steps)


def test_without_colour_the_chosen_row_is_reversed_and_nothing_is_coloured(
    sweep: ResolvedSweep, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def steps(pilot: Pilot[None], app: WatchApp) -> None:
        assert app.no_color
        style = app.query_one(DataTable).get_component_rich_style("datatable--cursor")
        assert style.reverse

    play(sweep, store, steps)

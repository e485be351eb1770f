"""How cells become trials: a trial carries several cells at once and one after the other, and each is one report."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.search import Searcher

from orchestration.engine import tuner as module
from orchestration.engine.tuner import CELLS_AT_ONCE, CellSearcher

pytestmark = pytest.mark.ray


class PlayedDriver:
    """A driver that has so many cells to give now, and more later; it is finished when all that it gave has ended."""

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self.jobs = 0
        self.running: set[int] = set()
        self.calls: list[tuple[Any, ...]] = []
        self.is_last = False

    def suggest(self) -> Any:
        if not self.cells:
            return "finished" if self.is_last and not self.running else None
        self.cells -= 1
        self.jobs += 1
        self.running.add(self.jobs)
        return {"group": f"g{self.jobs}", "job": self.jobs}

    def trial_ended(self, job: int, *, has_broken: bool = False) -> None:
        self.running.discard(job)
        self.calls.append(("broken" if has_broken else "ended", job))


@pytest.fixture
def searcher_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[CellSearcher, PlayedDriver]]:
    """Build a searcher whose driver has so many cells; what goes to its mailbox is among the driver's calls."""

    def build(cells: int, at_once: int = CELLS_AT_ONCE) -> tuple[CellSearcher, PlayedDriver]:
        driver = PlayedDriver(cells)
        mailbox = SimpleNamespace(
            hand_over=SimpleNamespace(
                remote=lambda trial, group, job: driver.calls.append(("handed over", trial, job))
            ),
            dismiss=SimpleNamespace(remote=lambda trial: driver.calls.append(("dismissed", trial))),
        )
        monkeypatch.setattr(module, "mailbox_of", lambda suggestion: mailbox)
        monkeypatch.setattr(module.ray, "get", lambda value: value)
        return CellSearcher(driver, at_once), driver  # type: ignore[arg-type]

    return build


def test_a_trial_that_reports_gets_the_next_cell(searcher_of):
    searcher, driver = searcher_of(1)
    assert searcher.suggest("one") == {"group": "g1", "job": 1}
    assert searcher.suggest("two") is None
    for job in (1, 2):
        driver.cells = 1
        searcher.on_trial_result("one", {"job": job, "cells": job})
    assert driver.calls == [("ended", 1), ("handed over", 1, 2), ("ended", 2), ("handed over", 1, 3)]


def test_a_trial_is_filled_before_there_is_another_one(searcher_of):
    searcher, driver = searcher_of(1 + CELLS_AT_ONCE)
    assert searcher.suggest("one")["job"] == 1
    assert searcher.suggest("two")["job"] == 1 + CELLS_AT_ONCE
    assert driver.calls == [("handed over", 1, 2 + number) for number in range(CELLS_AT_ONCE - 1)]
    driver.cells = 1
    assert searcher.suggest("three") is None
    assert driver.calls[-1] == ("handed over", 1 + CELLS_AT_ONCE, 2 + CELLS_AT_ONCE)


def test_a_report_hands_over_no_more_than_there_is_room_for(searcher_of):
    searcher, driver = searcher_of(CELLS_AT_ONCE)
    searcher.suggest("one")
    searcher.suggest("two")
    driver.cells = 10
    searcher.on_trial_result("one", {"job": 2})
    assert (driver.cells, driver.calls[-1]) == (9, ("handed over", 1, CELLS_AT_ONCE + 1))


def test_all_trials_are_dismissed_when_nothing_is_left(searcher_of):
    searcher, driver = searcher_of(CELLS_AT_ONCE + 1)
    searcher.suggest("one")
    searcher.suggest("two")
    driver.is_last = True
    for job in range(1, CELLS_AT_ONCE + 1):
        searcher.on_trial_result("one", {"job": job})
    assert not any(call[0] == "dismissed" for call in driver.calls)
    searcher.on_trial_result("two", {"job": CELLS_AT_ONCE + 1})
    assert driver.calls[-2:] == [("dismissed", 1), ("dismissed", CELLS_AT_ONCE + 1)]
    assert searcher.suggest("three") == Searcher.FINISHED


def test_what_a_trial_returns_at_its_end_ends_no_cell(searcher_of):
    searcher, driver = searcher_of(1)
    searcher.suggest("one")
    searcher.on_trial_result("one", {"job": 1, "cells": 1})
    searcher.on_trial_result("one", {"cells": 1})
    searcher.on_trial_result("one", {"cells": 1, "job": 1})
    searcher.on_trial_complete("one", {"cells": 1})
    assert driver.calls == [("ended", 1)]


@pytest.mark.parametrize(("error", "word"), [(True, "broken"), (False, "ended")])
def test_a_trial_that_is_over_gives_its_cells_back_and_gets_no_more(searcher_of, error, word):
    searcher, driver = searcher_of(2)
    searcher.suggest("one")
    searcher.suggest("two")
    searcher.on_trial_complete("one", error=error)
    assert driver.calls[1:] == [(word, 1), (word, 2)]
    driver.cells = 1
    assert searcher.suggest("three") == {"group": "g3", "job": 3}


def test_with_one_cell_at_once_every_cell_is_a_trial_of_its_own(searcher_of):
    searcher, driver = searcher_of(2, at_once=1)
    assert searcher.suggest("one")["job"] == 1
    assert searcher.suggest("two")["job"] == 2
    driver.cells = 1
    searcher.on_trial_result("one", {"loss": 0.5})
    searcher.on_trial_complete("one", {"loss": 0.5})
    assert driver.calls == [("ended", 1)]
    assert searcher.suggest("three")["job"] == 3

"""The quick rows of the matrix, each a test by the name of its row; all others are played by the campaign."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.faults.harness.play import Undisturbed, play
from tests.faults.table import QUICK, ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "explanations" / "guarantees.md"


LONG = ("driver-twice", "two-sweeps", "endpoint-ignores-conditions", "tracking-403")
PLAYED = [pytest.param(row, id=row.id, marks=[pytest.mark.long] * (row.id in LONG)) for row in QUICK]


@pytest.fixture(scope="module")
def undisturbed() -> Undisturbed:
    """What runs that nothing happens to compute."""
    return Undisturbed()


@pytest.mark.faults
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("row", PLAYED)
def test_a_promise_is_kept(row: Row, undisturbed: Undisturbed) -> None:
    lacking = row.setting.lacks()
    if lacking:
        pytest.skip(f"this machine lacks {lacking}")

    verdict = play(row.act, row.keeps, row.workload, row.setting, undisturbed)

    assert not verdict.problems, "\n".join([*verdict.problems, *verdict.notes, verdict.lines])
    assert not verdict.missed, "\n".join(verdict.notes)


def test_every_row_has_a_name_of_its_own() -> None:
    doubles = [name for name, number in Counter(row.id for row in ROWS).items() if number > 1]

    assert not doubles


def test_the_page_of_guarantees_names_every_row_and_no_other() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| rows |")[2].partition("\n\n")[0]
    patterns = {name for line in table.splitlines() for name in re.findall(r"`([^`]+)`", line.split(" | ")[-1])}
    names = {row.id for row in ROWS}

    assert not {pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in names)}
    assert not {name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)}

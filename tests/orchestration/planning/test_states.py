"""The words for the state of a cell, durations and amounts: the same wherever they are printed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.cells.load import load_sweep
from orchestration.planning.costs.units import amount, duration, size
from orchestration.planning.plan import make_plan
from orchestration.planning.states import counts_text, state_of
from orchestration.store.open import open_store


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "under 1 s"),
        (40.4, "40 s"),
        (180, "3 min"),
        (5_399, "90 min"),
        (18_720, "5.2 h"),
        (40 * 3600, "40 h"),
        (3_772 * 3600, "157 days"),
        (6.2 * 365.25 * 86_400, "6.2 years"),
        (1e12, "31,688 years"),
    ],
)
def test_a_duration_has_one_unit_and_no_exponent(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.004, "<0.01"), (0.19, "0.19"), (1.0, "1"), (9.31, "9.3"), (79.4, "79"), (3_772.0, "3,772")],
)
def test_an_amount_has_no_exponent(value: float, text: str) -> None:
    assert amount(value) == text


def test_sizes_are_in_binary_units() -> None:
    assert (size(342 * 2**20), size(1.25 * 2**30)) == ("342 MiB", "1.2 GiB")


def test_the_states_of_cells_add_up() -> None:
    first, second, third, fourth, fifth = make_plan(load_sweep("demo", size="smoke"), store=open_store("memory:")).cells
    cells = [
        replace(first, trained=True, missing=()),
        replace(second, failed="nan"),
        replace(third, retrained="its checkpoint is damaged"),
        replace(fourth, trained=True),
        replace(fifth, supporting=True),
    ]

    states = [state_of(cell, None) for cell in cells]

    assert states == ["done", "failed", "damaged", "trained", "waiting"]
    assert state_of(cells[1], "another driver") == "running"
    assert state_of(cells[0], "another driver") == "done"
    text = counts_text(cells, states)
    assert text == "5 cells, 4 of them in the table: 1 done, 1 failed, 1 damaged, 1 trained, 1 waiting"
    assert counts_text([], []) == "0 cells: none"

"""Adding seeds until verdicts are decided: which rows get them, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from eval.tables.column import Column
from eval.tables.grid import Observation, Reference
from eval.tables.layouts import metric_table
from orchestration.cells.load import load_sweep, read_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.cli import main
from orchestration.errors import InputError
from orchestration.runs.until_decided import (
    DecidingOptions,
    Look,
    look_at,
    next_seeds,
    rows_of_claim,
    run_until_decided,
    seeds_by_row,
    with_more_seeds,
)
from orchestration.sweeps.model import Overrides, Sweep


def sweep_of(name: str = "table-3", seeds: tuple[int, ...] = (0, 1, 2)) -> Sweep:
    return read_sweep(name, size="smoke", overrides=Overrides(seeds=seeds))


def look(undecided: Mapping[str, tuple[str, ...]], seeds: int = 3, *, is_possible: bool = True) -> Look:
    rows = ("Baseline", "PixMix")
    return Look(undecided=undecided, seeds=dict.fromkeys(rows, seeds), is_possible=is_possible)


def run_of(status: str = "complete") -> Any:
    return SimpleNamespace(outcome=SimpleNamespace(status=status))


def test_more_seeds_go_to_the_undecided_rows_only_and_take_the_next_numbers() -> None:
    larger = with_more_seeds(sweep_of(), ["PixMix"], {"PixMix": 5})

    assert seeds_by_row(larger)["PixMix"] == 5
    assert seeds_by_row(larger)["Baseline"] == 3
    assert sorted(point.seed for point in larger.points if point.row == "PixMix") == [0, 1, 2, 3, 4]


def test_seeds_that_are_there_are_never_repeated() -> None:
    larger = with_more_seeds(sweep_of(seeds=(1, 4)), ["PixMix"], {"PixMix": 4})

    assert sorted(point.seed for point in larger.points if point.row == "PixMix") == [0, 1, 2, 4]


def test_the_parts_of_a_union_grow_too() -> None:
    larger = with_more_seeds(sweep_of("cifar-all"), ["PixMix"], {"PixMix": 4})

    assert {seeds_by_row(part)["PixMix"] for part in larger.parts if "PixMix" in part.rows} == {4}


def test_rows_grow_by_half_up_to_the_limit() -> None:
    assert next_seeds(look({"PixMix": ("a",)}, 4), DecidingOptions()) == {"PixMix": 6}
    assert next_seeds(look({"PixMix": ("a",)}, 1), DecidingOptions()) == {"PixMix": 2}
    assert next_seeds(look({"PixMix": ("a",)}, 10), DecidingOptions(max_seeds=10)) == {}


def test_an_undecided_entry_is_found_in_its_row() -> None:
    from dataclasses import replace

    seen = [Observation(row=row, column=Column.of("clean/error"), seed=0, value=0.2) for row in ("Baseline", "PixMix")]
    table = metric_table("t", ["Baseline", "PixMix"], [Column.of("clean/error")], seen)
    entries = tuple(
        (replace(row[0], reference=Reference(value=0.2, verdict=verdict)),)  # type: ignore[type-var]
        for row, verdict in zip(table.entries, ("reproduced", "undecided (about 2 more seeds)"), strict=True)
    )

    found = look_at([replace(table, entries=entries)], [], sweep_of())

    assert found.is_possible
    assert found.undecided == {"PixMix": ("clean/error",)}


def test_without_published_verdicts_claims_say_what_is_undecided() -> None:
    claim = SimpleNamespace(name="c", holds=({"test": "better", "row": "PixMix", "than": ["Baseline"]},))
    evaluated: Any = SimpleNamespace(claim=claim, ours=SimpleNamespace(truth="undecided"))

    found = look_at([], [evaluated], sweep_of())

    assert found.undecided == {"PixMix": ("claim c",), "Baseline": ("claim c",)}


def test_a_claim_about_the_best_row_is_about_all_rows() -> None:
    evaluated: Any = SimpleNamespace(claim=SimpleNamespace(name="c", holds=({"test": "best", "row": "PixMix"},)))

    assert set(rows_of_claim(evaluated, sweep_of())) == set(sweep_of().rows)


@pytest.mark.parametrize(
    ("looks", "options", "runs", "said"),
    [
        ([look({})], DecidingOptions(), 1, "every verdict is decided after look 1"),
        ([look({"PixMix": ("a",)}), look({})], DecidingOptions(), 2, "every verdict is decided after look 2"),
        ([look({"PixMix": ("a",)})] * 9, DecidingOptions(looks=3, max_seeds=99), 3, "still undecided after 3 looks"),
        ([look({"PixMix": ("a",)}, 10)], DecidingOptions(max_seeds=10), 1, "still undecided after 10 seeds a row"),
        ([look({"PixMix": ("a",)})] * 9, DecidingOptions(budget_hours=3.0), 2, "would exceed the budget"),
        ([look({}, is_possible=False)], DecidingOptions(), 1, "no verdict is possible"),
    ],
)
def test_seeds_are_added_until_a_limit_is_met(
    looks: list[Look], options: DecidingOptions, runs: int, said: str
) -> None:
    told: list[str] = []
    wanted: list[int] = []

    def run(resolved: ResolvedSweep) -> Any:
        wanted.append(seeds_by_row(resolved.sweep)["PixMix"])
        return run_of()

    pending = iter(looks)
    run_until_decided(
        load_sweep("table-3", size="smoke"),
        run,
        lambda *_: next(pending),
        lambda _: 2.0,
        options=options,
        notify=told.append,
    )

    assert len(wanted) == runs
    assert wanted == sorted(wanted)
    assert said in told[-1]


def test_a_run_that_did_not_complete_gets_no_more_seeds() -> None:
    told: list[str] = []

    run_until_decided(
        load_sweep("table-3", size="smoke"),
        lambda _: run_of("stopped"),
        lambda *_: look({"PixMix": ("a",)}),
        lambda _: 1.0,
        options=DecidingOptions(),
        notify=told.append,
    )

    assert told == ["no more seeds are added: the run is stopped"]


def test_wrong_limits_are_named() -> None:
    with pytest.raises(InputError) as caught:
        DecidingOptions(max_seeds=1, looks=0, budget_hours=-1.0)

    assert [mistake.where for mistake in caught.value.mistakes] == ["--max-seeds", "--looks", "--budget-hours"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--until-decided", "--looks", "0"], "looks must be at least 1"),
        (["--priority", "PixMix"], "write ROW=N"),
        (["--priority", "PixMx=3"], "did you mean 'PixMix'"),
    ],
)
def test_the_command_line_refuses_wrong_limits(
    options: list[str], expected: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "demo", "--smoke", "--storage", str(tmp_path), *options]) == 2

    assert expected in capsys.readouterr().err

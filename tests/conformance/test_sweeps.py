"""Every built-in sweep parses, expands and plans in each of its sizes, and says by name what it leaves out."""

from __future__ import annotations

import pytest

from augment.mixing_sets.registry import MIXING_SETS
from eval.benchmarks import parse_column
from orchestration.catalogue import builtin_catalogue
from orchestration.plan import make_plan
from orchestration.resolve import resolve_sweep
from orchestration.store import open_store
from orchestration.sweep import Sweep
from orchestration.sweep_files import SWEEPS, load_sweep, load_sweep_file
from orchestration.sweep_spec import SweepFile
from trainers.datasets.registry import DATASETS

SIZES = [(name, size) for name in SWEEPS for size in load_sweep_file(name).sizes]
SMOKE_IMAGES = 20_000
"""Pictures that all trainings of a smoke size may see together, so that it takes seconds to minutes."""


def sized(name: str, size: str) -> Sweep:
    return load_sweep(name, size=size, catalogue=builtin_catalogue())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SWEEPS)
def test_the_name_of_a_file_is_the_name_of_its_sweep(name: str) -> None:
    file = load_sweep_file(name)

    assert file.name == name
    assert "smoke" in file.sizes


@pytest.mark.parametrize("name", SWEEPS)
def test_a_file_says_above_all_what_it_rebuilds_and_how_to_run_it(name: str) -> None:
    head = SWEEPS[name].read_text().splitlines()[:4]

    assert all(line.startswith("# ") for line in head[:3])
    assert any(f"dreamgrid run {name}" in line for line in head)
    assert any(line.startswith("# Expect:") for line in head)


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_each_size_plans_with_every_column_known(name: str, size: str) -> None:
    sweep = sized(name, size)

    plan = make_plan(sweep, store=open_store("memory:"), catalogue=builtin_catalogue())

    assert plan.to_run
    for column in sweep.columns:
        parse_column(column)


@pytest.mark.parametrize("name", SWEEPS)
def test_the_smoke_size_is_small_and_needs_no_download(name: str) -> None:
    sweep = sized(name, "smoke")
    cells = resolve_sweep(sweep, builtin_catalogue())

    assert all(not DATASETS[cell.config.dataset].files for cell in cells)
    seen = [cell.config.recipe.epochs * (cell.config.recipe.train_images or 10**9) for cell in cells]
    assert sum(seen) <= SMOKE_IMAGES
    assert {cell.cell.row for cell in cells} == set(sweep.rows)


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_rows_and_columns_of_the_published_table_are_there_or_left_out_by_name(name: str, size: str) -> None:
    full, sweep = load_sweep_file(name), sized(name, size)

    gone = set(full.table.columns) - set(sweep.columns) - set(sweep.stand_ins.values())
    assert gone <= set(sweep.left_out)
    all_rows = {cell.row for cell in full.axes.cells if cell.row}
    assert all_rows - set(sweep.rows) <= set(sweep.left_out)
    assert all(reason.strip() for reason in sweep.left_out.values())


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_nothing_is_left_out_as_not_built_that_is_built(name: str, size: str) -> None:
    file, sweep = load_sweep_file(name), sized(name, size)

    unbuilt = [item for item, reason in sweep.left_out.items() if "not built yet" in reason]

    assert [item for item in unbuilt if "/" in item and is_built_column(file, size, item)] == []
    assert [item for item in unbuilt if "/" not in item and is_built_row(file, item)] == []


def is_built_column(file: SweepFile, size: str, column: str) -> bool:
    stand_in = file.sizes[size].columns.get(column, column)  # type: ignore[index]
    return stand_in.partition("/")[0] in builtin_catalogue().benchmarks


def is_built_row(file: SweepFile, row: str) -> bool:
    cell = next(cell for cell in file.axes.cells if cell.row == row)
    mixing_set = cell.mixing_set or file.base.mixing_set
    is_known_set = mixing_set is None or mixing_set in MIXING_SETS or cell.mixing_set is None
    return cell.method in builtin_catalogue().methods and is_known_set


def test_sweeps_that_name_the_same_cell_share_it() -> None:
    keys = {
        name: {cell.train_key for cell in resolve_sweep(sized(name, "smoke"), builtin_catalogue())}
        for name in ("demo", "table-10")
    }

    assert keys["demo"] & keys["table-10"]

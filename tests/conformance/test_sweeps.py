"""Every built-in sweep parses, expands and plans in each of its sizes, and says by name what it leaves out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from augment.mixing_sets.registry import MIXING_SETS
from augment.registry import METHODS
from eval.tables.column import check_column
from eval.tables.published.tables import published_table
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import SWEEPS, load_sweep, load_sweep_file, read_sweep, sizes_of
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.plan import make_plan
from orchestration.store.open import open_store
from orchestration.sweeps.sweep_file import SweepFile, TableSpec
from trainers.datasets.registry import DATASETS


def table_of(name: str) -> TableSpec:
    table = load_sweep_file(name).table
    assert table is not None
    return table


SINGLE = [name for name in SWEEPS if not load_sweep_file(name).include]
SIZES = [(name, size) for name in SINGLE for size in sizes_of(load_sweep_file(name)) if size != "full"]
PUBLISHED = [name for name in SINGLE if table_of(name).published]
SMOKE_IMAGES = 20_000
"""Images that all trainings of a smoke size may see together, so that it takes seconds to minutes."""


def sized(name: str, size: str) -> ResolvedSweep:
    return load_sweep(name, size=size, catalogue=builtin_catalogue())  # type: ignore[arg-type]


def train_keys(resolved: ResolvedSweep) -> set[str]:
    return {cell.train_key for cell in resolved.cells}


@pytest.mark.parametrize("name", SWEEPS)
def test_the_name_of_a_file_is_the_name_of_its_sweep_and_it_can_shrink(name: str) -> None:
    file = load_sweep_file(name)

    assert file.name == name
    assert "smoke" in sizes_of(file)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_file_says_above_all_what_it_rebuilds_and_how_to_run_it(name: str) -> None:
    head = SWEEPS[name].read_text().splitlines()[:3]

    assert all(line.startswith("# ") for line in head)
    assert head[1].startswith(f"# Run:    dreamgrid run {name}")
    assert head[2].startswith("# Expect: ")


@pytest.mark.parametrize(("name", "size"), [*SIZES, *((name, "full") for name in SINGLE)])
def test_each_size_plans_with_every_column_known(name: str, size: str) -> None:
    resolved = sized(name, size)

    plan = make_plan(resolved, store=open_store("memory:"))

    assert plan.to_run
    for column in resolved.sweep.columns:
        check_column(column)


@pytest.mark.parametrize("name", SINGLE)
def test_a_published_table_plans_on_a_machine_without_data(name: str, tmp_path: Path) -> None:
    plan = make_plan(load_sweep(name, catalogue=builtin_catalogue(tmp_path)), store=open_store("memory:"))

    assert plan.to_run


@pytest.mark.data
@pytest.mark.parametrize("name", SINGLE)
def test_a_published_table_plans_where_data_are(name: str, data_root: Path) -> None:
    plan = make_plan(load_sweep(name, catalogue=builtin_catalogue(data_root)), store=open_store("memory:"))

    assert plan.to_run


@pytest.mark.parametrize("name", SINGLE)
def test_the_smoke_size_is_small_and_needs_no_download(name: str) -> None:
    resolved = sized(name, "smoke")
    cells = resolved.cells

    assert all(not DATASETS[cell.config.dataset].files for cell in cells)
    assert all(cell.config.outliers in (None, "digits") for cell in cells)
    seen = [cell.config.recipe.epochs * (cell.config.recipe.train_images or 10**9) for cell in cells]
    assert sum(seen) <= SMOKE_IMAGES
    assert {cell.cell.row for cell in cells} == set(resolved.sweep.rows)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_full_size_has_the_rows_and_columns_of_the_published_table(name: str) -> None:
    table, file, sweep = published_table(str(table_of(name).published)), load_sweep_file(name), read_sweep(name)

    assert set(sweep.value_columns) == set(table.columns)
    assert [row for row in table.rows if row not in file.left_out] == list(sweep.rows)
    datasets = {cell.config.dataset for cell in load_sweep(name).cells}
    assert datasets == {table.dataset}
    if table.model is not None:
        assert {cell.config.model for cell in load_sweep(name).cells} == {table.model}


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_rows_and_columns_are_there_or_left_out_by_name(name: str, size: str) -> None:
    full, sweep = read_sweep(name), sized(name, size).sweep

    gone = set(table_of(name).columns) - set(map(str, (*sweep.columns, *sweep.stand_ins.values())))
    assert gone <= set(sweep.left_out)
    assert set(full.rows) - set(sweep.rows) <= set(sweep.left_out)
    assert all(reason.strip() for reason in sweep.left_out.values())


@pytest.mark.parametrize("name", SINGLE)
def test_nothing_is_left_out_as_not_built_that_is_built(name: str) -> None:
    file = load_sweep_file(name)
    reasons = {**file.left_out, **{item: why for size in file.sizes.values() for item, why in size.left_out.items()}}

    unbuilt = [item for item, reason in reasons.items() if "not built yet" in reason]

    assert [row for row in unbuilt if is_built_row(file, row)] == []


def is_built_row(file: SweepFile, row: str) -> bool:
    assert file.axes is not None
    cell = next(cell for cell in file.axes.cells if cell.row == row)
    method, mixing_set = cell.method or file.base.method, cell.mixing_set or file.base.mixing_set
    return method in METHODS and (mixing_set is None or mixing_set in MIXING_SETS)


@pytest.mark.parametrize("size", ["full", "smoke", "small"])
def test_everything_is_the_union_of_the_published_tables_and_shares_their_cells(size: str) -> None:
    everything = sized("everything", size)

    assert {part.name for part in everything.sweep.parts} == set(PUBLISHED)
    assert train_keys(everything) == set().union(*(train_keys(sized(name, size)) for name in PUBLISHED))


def test_the_number_of_trainings_is_what_the_published_tables_say() -> None:
    unbuilt = len(load_sweep_file("mixing-sets").left_out)
    plan = make_plan(sized("everything", "full"), store=open_store("memory:"))
    wanted = Counter(cell.config.dataset for cell in plan.cells if not cell.supporting)
    stock = [cell for cell in plan.cells if cell.config.recipe.epochs == 0]

    # CIFAR-100: 8 of table 3, 3 more of table 1, 1 of table 2, 8 of table 10 (one is table 3's), 7 mixing sets (one is).
    # ImageNet: 8 of table 5, 2 more of table 6, 6 of table 7. Places365: the network that is fine-tuned, and two fine-tunings.
    assert wanted == {"cifar-100": 27 - unbuilt, "cifar-10": 8, "imagenet": 16, "places365": 3, "mnist": 6}
    assert [cell.config.dataset for cell in stock] == ["imagenet"]
    assert [cell.cell.row for cell in plan.cells if cell.supporting] == []


def test_sweeps_that_name_the_same_cell_share_it() -> None:
    assert train_keys(sized("demo", "smoke")) & train_keys(sized("table-10", "smoke"))
    assert train_keys(sized("table-8", "full")) <= train_keys(sized("table-7", "full"))
    assert train_keys(sized("table-11", "full")) == train_keys(sized("table-12", "full"))

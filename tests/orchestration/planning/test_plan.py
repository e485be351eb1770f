"""Planning: wanted minus recorded, in every mode; what runs after an edit is exactly what changed."""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.catalogue import Catalogue, builtin_catalogue
from orchestration.cells.cell import Mode, Plan
from orchestration.cells.resolve import resolve_sweep
from orchestration.planning.plan import failure_of, make_plan
from orchestration.store.contract import AttemptRecord, ErrorClass, ResultsStore, TrainingRecord
from orchestration.store.open import open_store
from orchestration.sweeps.expand import expand
from orchestration.sweeps.model import Sweep
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.yaml_reader import Document
from tests.fakes.cpu_peer import pandas_import_s
from tests.fakes.records import make_report, make_training

BASE = {"method": "pixmix", "dataset": "digits", "model": "wrn-10-1", "recipe": "digits", "mixing_set": "fractals"}
DIGEST = "d" * 64


def sweep_of(
    cells: Sequence[dict[str, Any]], *, seeds: Sequence[int] = (0,), columns: Sequence[str] = ("clean/error",)
) -> Sweep:
    value = {
        "name": "s",
        "title": "S",
        "base": BASE,
        "axes": {"cells": list(cells)},
        "seeds": list(seeds),
        "table": {"columns": list(columns)},
    }
    file, mistakes = parse_document(Document(value, {}))
    assert file is not None, mistakes
    sweep, found = expand(file, Document(value, {}))
    assert not found, found
    return sweep


def training(key: str) -> TrainingRecord:
    return make_training(key)


def record(store: ResultsStore, plan: Plan, *, benchmarks: bool = True) -> None:
    """Record everything that a plan would run."""
    for cell in plan.to_run:
        store.record_training(training(cell.train_key))
        for request in cell.missing if benchmarks else ():
            outcome = BenchmarkOutcome(metrics={"error": MetricValue(0.5, 10)})
            report = make_report(request, outcome)
            store.record_report(cell.train_key, DIGEST, report)


def attempt(key: str, error_class: ErrorClass, number: int = 1) -> AttemptRecord:
    return AttemptRecord(
        train_key=key,
        attempt=number,
        error_class=error_class,
        message="it broke",
        started_at=number,
        ended_at=number + 0.5,
    )


@pytest.fixture
def store() -> ResultsStore:
    return open_store("memory:")


def plan_of(sweep: Sweep, store: ResultsStore, mode: Mode = "cached", catalogue: Catalogue | None = None) -> Plan:
    return make_plan(resolve_sweep(sweep, catalogue or builtin_catalogue()), store=store, mode=mode)


TWO = ({"row": "A", "method": "baseline"}, {"row": "B", "method": "cutout"})


def test_everything_is_to_run_on_an_empty_store_and_nothing_once_recorded(store: ResultsStore) -> None:
    sweep = sweep_of(TWO, seeds=(0, 1))
    first = plan_of(sweep, store)
    assert len(first.to_run) == 4

    record(store, first)

    second = plan_of(sweep, store)
    assert second.to_run == ()
    assert all(cell.is_done for cell in second.cells)


def test_a_new_seed_runs_only_its_own_cells(store: ResultsStore) -> None:
    record(store, plan_of(sweep_of(TWO), store))

    grown = plan_of(sweep_of(TWO, seeds=(0, 1)), store)

    assert [(cell.cell.row, cell.cell.seed) for cell in grown.to_run] == [("A", 1), ("B", 1)]


def test_a_new_benchmark_never_retrains(store: ResultsStore) -> None:
    record(store, plan_of(sweep_of(TWO), store))

    grown = plan_of(sweep_of(TWO, columns=("clean/error", "pgd/error")), store)

    assert all(cell.trained for cell in grown.to_run)
    assert [[request.name for request in cell.missing] for cell in grown.to_run] == [["pgd"], ["pgd"]]


def test_equal_cells_are_one_cell_and_are_told(store: ResultsStore) -> None:
    plan = plan_of(
        sweep_of(({"row": "A"}, {"row": "B", "params": {"beta": 3}}, {"row": "C", "params": {"beta": 4}})), store
    )

    assert len(plan.cells) == 2
    assert plan.duplicates == (("A", "B"),)


def test_a_missing_parent_joins_before_its_child_and_only_trains(store: ResultsStore) -> None:
    sweep = sweep_of(({"row": "A", "init_from": {"method": "baseline"}},))

    plan = plan_of(sweep, store)

    assert [(cell.config.method, cell.supporting) for cell in plan.cells] == [("baseline", True), ("pixmix", False)]
    assert plan.cells[0].missing == ()
    assert plan.cells[1].config.init_from == plan.cells[0].train_key


def test_a_parent_that_is_a_row_itself_stands_once_and_before_its_child(store: ResultsStore) -> None:
    rows = ({"row": "A", "init_from": {"method": "baseline"}}, {"row": "B", "method": "baseline"})

    plan = plan_of(sweep_of(rows), store)

    assert [(cell.cell.row, cell.supporting) for cell in plan.cells] == [("B", False), ("A", False)]


def test_a_trained_child_needs_its_parent_no_more(store: ResultsStore) -> None:
    sweep = sweep_of(({"row": "A", "init_from": {"method": "baseline"}},))
    child = resolve_sweep(sweep, builtin_catalogue()).cells[0]
    store.record_training(training(child.train_key))

    plan = plan_of(sweep, store)

    assert [cell.train_key for cell in plan.cells] == [child.train_key]
    assert plan.to_run[0].trained


def test_failed_cells_stay_aside_until_retry(store: ResultsStore) -> None:
    sweep = sweep_of(TWO)
    broken = plan_of(sweep, store).cells[0]
    store.record_attempt(attempt(broken.train_key, "nan"))

    cached, retry = plan_of(sweep, store), plan_of(sweep, store, "retry")

    assert [cell.train_key for cell in cached.set_aside] == [broken.train_key]
    assert broken.train_key not in [cell.train_key for cell in cached.to_run]
    assert cached.set_aside[0].failed == "nan: it broke"
    assert len(retry.to_run) == 2
    assert retry.set_aside == ()


def test_children_of_a_failed_parent_stay_aside_with_it(store: ResultsStore) -> None:
    sweep = sweep_of(({"row": "A", "init_from": {"method": "baseline"}},))
    store.record_attempt(attempt(plan_of(sweep, store).cells[0].train_key, "bug"))

    plan = plan_of(sweep, store)

    assert plan.to_run == ()
    assert "builds on failed" in str(plan.cells[1].failed)
    assert len(plan_of(sweep, store, "retry").to_run) == 2


def test_force_runs_everything_again_and_read_only_nothing(store: ResultsStore) -> None:
    sweep = sweep_of(TWO)
    record(store, plan_of(sweep, store))
    grown = sweep_of(TWO, seeds=(0, 1))

    assert len(plan_of(grown, store, "force").to_run) == 4
    assert not any(cell.trained for cell in plan_of(grown, store, "force").to_run)
    assert plan_of(grown, store, "read-only").to_run == ()


@pytest.mark.parametrize(
    ("classes", "is_failed"),
    [
        ((), False),
        (("preempted", "stopped"), False),
        (("no-space",), False),
        (("worker-died",), False),
        (("worker-died", "worker-died", "worker-died"), True),
        (("worker-died", "preempted", "worker-died"), False),
        (("nan",), True),
        (("out-of-memory",), True),
        (("bad-data", "stopped"), True),
    ],
)
def test_what_counts_as_failed(classes: Sequence[ErrorClass], is_failed: bool) -> None:
    attempts = [attempt("k", each, number) for number, each in enumerate(classes, start=1)]

    assert (failure_of(attempts) is not None) == is_failed


def test_missing_data_are_told_with_the_command_that_gets_them(store: ResultsStore, tmp_path: Path) -> None:
    sweep = sweep_of(({"row": "A", "method": "baseline", "dataset": "cifar-10"},))

    plan = make_plan(resolve_sweep(sweep, builtin_catalogue(tmp_path)), store=store)

    assert len(plan.missing_data) == 1
    assert "cifar-10" in plan.missing_data[0]
    assert "get it with" in plan.missing_data[0]


beta = st.sampled_from([2, 3, 4, 5])
rounds = st.sampled_from([1, 2, 3, 4])
grids = st.lists(st.tuples(beta, rounds), min_size=1, max_size=5, unique=True)
seed_sets = st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)
column_sets = st.lists(
    st.sampled_from(["clean/error", "pgd/error", "ood-generated/auroc"]), min_size=1, max_size=3, unique=True
)
Drawn = tuple[list[tuple[int, int]], list[int], list[str]]


def drawn_sweep(drawn: Drawn) -> Sweep:
    points, seeds, columns = drawn
    cells = [{"row": f"{b} {k}", "params": {"beta": b, "max_rounds": k}} for b, k in points]
    return sweep_of(cells, seeds=seeds, columns=columns)


@settings(max_examples=25, deadline=None)
@given(first=st.tuples(grids, seed_sets, column_sets), second=st.tuples(grids, seed_sets, column_sets))
def test_after_any_edit_exactly_what_changed_runs(first: Drawn, second: Drawn) -> None:
    store = open_store("memory:")
    record(store, plan_of(drawn_sweep(first), store))

    plan = plan_of(drawn_sweep(second), store)

    old = {(b, k, seed, column) for b, k in first[0] for seed in first[1] for column in first[2]}
    new = {(b, k, seed, column) for b, k in second[0] for seed in second[1] for column in second[2]}
    to_evaluate = {
        (cell.config.method_params["beta"], cell.config.method_params["max_rounds"], cell.cell.seed, request.name)
        for cell in plan.to_run
        for request in cell.missing
    }
    trained_before = {(b, k, seed) for b, k in first[0] for seed in first[1]}
    assert to_evaluate == {(b, k, seed, column.partition("/")[0]) for b, k, seed, column in new - old}
    assert all(
        cell.trained
        == (
            (cell.config.method_params["beta"], cell.config.method_params["max_rounds"], cell.cell.seed)
            in trained_before
        )
        for cell in plan.to_run
    )


class NothingRecorded:
    """As much of a store as planning on an empty one needs."""

    def results(self, train_keys: Any, *, wanted: Any = None) -> dict[str, Any]:
        return {}

    def failures(self, train_keys: Any) -> dict[str, Any]:
        return {}


@pytest.fixture
def without_the_heap_of_other_tests() -> Iterator[None]:
    """The collector does not walk what tests before have left: the time is that of the plan."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("without_the_heap_of_other_tests")
def test_ten_thousand_cells_plan_in_the_time_of_twelve_imports_of_pandas() -> None:
    axis = [1 + number / 10 for number in range(50)]
    value = {
        "name": "s",
        "title": "S",
        "base": BASE,
        "axes": {"grid": {"params.beta": axis, "train.lr": [0.001 * (number + 1) for number in range(50)]}},
        "seeds": [0, 1, 2, 3],
        "table": {"columns": ["clean/error", "c-generated/error", "pgd/error"]},
    }
    file, _ = parse_document(Document(value, {}))
    assert file is not None
    began = time.process_time()

    sweep, mistakes = expand(file, Document(value, {}))
    plan = make_plan(resolve_sweep(sweep, builtin_catalogue()), store=NothingRecorded())  # type: ignore[arg-type]

    assert not mistakes
    assert len(plan.to_run) == 10_000
    assert time.process_time() - began < 12 * pandas_import_s()


def test_a_raised_version_of_a_method_makes_its_cells_missing_and_no_others(store: ResultsStore) -> None:
    catalogue = builtin_catalogue()
    sweep = sweep_of(TWO)
    record(store, plan_of(sweep, store))

    def compose(name: str) -> Any:
        found = catalogue.compose(name)
        return dataclasses.replace(found, semantics=found.semantics + 1) if name == "cutout" else found

    plan = plan_of(sweep, store, catalogue=dataclasses.replace(catalogue, compose=compose))

    assert [cell.cell.row for cell in plan.to_run] == ["B"]

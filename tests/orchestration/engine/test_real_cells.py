"""Real cells of the demo: a cell's weights and numbers do not depend on the company it ran in, nor on the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.engine.groups.group import GroupPool
from orchestration.engine.options import ENGINES
from orchestration.engine.run import execute
from orchestration.planning.plan import make_plan
from orchestration.store.files import MemoryStore
from trainers.job import JobPaths

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(580)]


@pytest.fixture
def pool(local_ray: None) -> Iterator[GroupPool]:
    """Groups that stay warm over a test; not longer, since they hold all CPUs."""
    with GroupPool(health_check_s=0.2) as groups:
        yield groups


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The demo's five methods, in smoke size."""
    catalogue = builtin_catalogue()
    sweep = load_sweep("demo", size="smoke", catalogue=catalogue)
    return make_plan(sweep, store=MemoryStore())


def _numbers(store: MemoryStore, key: str) -> tuple[Any, ...]:
    result = store.result(key)
    assert result is not None
    metrics = {name: report.outcome.metrics for name, report in result.reports.items() if report.outcome}
    summary = result.training.summary
    return summary.environment["weights_sha256"], summary.checkpoint_sha256, metrics


@pytest.fixture
def run(plan, options, listener, tmp_path) -> Callable[..., MemoryStore]:
    """Run cells of the plan on two workers each, in a storage of their own."""

    def built(cells: tuple[Any, ...], name: str, *, pool: GroupPool | None = None, **changes: Any) -> MemoryStore:
        store = MemoryStore()
        paths = JobPaths(checkpoints=str(tmp_path / name), data_root=str(tmp_path), cache_dir=str(tmp_path / "cache"))
        settings = options(job="trainers.worker.run_job:run_job", paths=paths, workers=2, max_concurrent=1, **changes)
        chosen = dataclasses.replace(plan, cells=cells)
        outcome = execute(chosen, store=store, options=settings, observer=listener, pool=pool)
        assert outcome.status == "complete", (outcome.failed, outcome.reason)
        return store

    return built


def test_a_cell_is_bit_identical_first_after_all_other_methods_and_cold(pool, plan, run):
    pixmix = next(cell for cell in plan.cells if cell.config.method == "pixmix")
    others = tuple(cell for cell in plan.cells if cell is not pixmix)
    assert len(others) == 4
    first = run((pixmix,), "first", pool=pool)
    last = run((*others, pixmix), "last", priorities={pixmix.train_key: -1}, pool=pool)
    cold = run((pixmix,), "cold", mode="cold", pool=pool)
    assert _numbers(first, pixmix.train_key) == _numbers(last, pixmix.train_key)
    assert _numbers(first, pixmix.train_key) == _numbers(cold, pixmix.train_key)


@pytest.mark.long
def test_both_engines_record_the_same_weights_and_numbers_under_the_same_keys(local_ray, plan, run):
    cells = tuple(cell for cell in plan.cells if cell.config.method in ("baseline", "pixmix"))
    assert len(cells) == 2

    warm, plain = (run(cells, engine, engine=engine, health_check_s=0.2) for engine in ENGINES)

    assert set(warm.train_keys()) == set(plain.train_keys()) == {cell.train_key for cell in cells}
    for cell in cells:
        weights, checkpoint, metrics = _numbers(warm, cell.train_key)
        assert (weights, checkpoint, metrics) == _numbers(plain, cell.train_key)
        assert metrics.keys() == {request.key for request in cell.benchmarks}

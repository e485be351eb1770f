"""Many cells, sweeps that share them, and others on the same server: `sync` shows its own once, and prunes nothing of anybody."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestration.settings import sqlite_address
from orchestration.store.open import open_store
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.sync import sync

SWEEPS = tuple(f"sweep-{number}" for number in range(5))


def recorded_plan(store: Any, lab: Any, sweep: str, seeds: int) -> Any:
    plan = lab.plan(sweep, methods=("baseline", "pixmix"), seeds=seeds)
    for cell in plan.cells:
        if store.result(cell.train_key) is None:
            lab.finish(store, cell)
    return lab.done(plan)


def cells_of(client: MlflowTracking, experiments: Any = None) -> list[Any]:
    return list(client.find(client.experiments() if experiments is None else experiments, {"kind": "cell"}))


def others(database: str) -> list[tuple[Any, ...]]:
    """Return all that is on the server and not ours, as it is now."""
    import mlflow

    client = mlflow.MlflowClient(database)
    found = []
    for experiment in client.search_experiments(filter_string="tags.team = 'others'", view_type=3):
        for run in client.search_runs([experiment.experiment_id], run_view_type=3):
            found.append((experiment.name, experiment.lifecycle_stage, run.info.status, run.info.lifecycle_stage,
                          sorted(run.data.params.items()), sorted(run.data.metrics.items())))  # fmt: skip
    return found


def with_others(database: str) -> list[tuple[Any, ...]]:
    """Put an experiment of somebody else there, whose runs bear tags and names like ours."""
    import mlflow

    client = mlflow.MlflowClient(database)
    for name in ("theirs", "gone"):
        made = client.create_experiment(name, tags={"team": "others"})
        run = client.create_run(made, tags={"kind": "cell", "sweep": SWEEPS[0]}, run_name="Baseline · seed 0")
        client.log_param(run.info.run_id, "method", "baseline")
        client.log_metric(run.info.run_id, "clean/error", 0.5)
    client.delete_experiment(made)
    return others(database)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seeds", [2, pytest.param(50, id="500 runs", marks=pytest.mark.long)])
def test_sweeps_that_share_cells_show_each_once_and_come_back_whole_when_one_is_deleted(
    seeds: int, store: Any, lab: Any, tmp_path: Path
) -> None:
    database = sqlite_address(tmp_path / "mlflow.db")
    client = MlflowTracking(database)
    foreign = with_others(database)
    plans = [recorded_plan(store, lab, sweep, seeds) for sweep in SWEEPS]
    for plan in plans:
        sync(store, plan, database, client=client)

    number = 2 * seeds
    runs = cells_of(client)
    assert Counter(run.experiment_id for run in runs) == dict.fromkeys(client.experiments(), number)
    primaries = Counter(run.tags["cell_key"] for run in runs if run.tags["primary"] == "true")
    assert primaries == {cell.train_key: 1 for cell in plans[0].cells}, "of a shared cell one run counts"
    assert others(database) == foreign

    import mlflow

    gone = client.experiments()[0]
    mlflow.MlflowClient(database).delete_experiment(gone)
    for plan in plans:
        sync(store, plan, database, client=client)
    assert {run.run_id for run in cells_of(client)} == {run.run_id for run in runs}, "the same runs, none twice"
    assert others(database) == foreign
    assert all(sync(store, plan, database, client=client).unchanged == number for plan in plans)


@pytest.mark.slow
def test_a_sweep_continued_elsewhere_keeps_what_the_other_storage_does_not_have(lab: Any, tmp_path: Path) -> None:
    database = sqlite_address(tmp_path / "mlflow.db")
    client = MlflowTracking(database)
    here, there = open_store(tmp_path / "here"), open_store(tmp_path / "there")
    first = recorded_plan(here, lab, "shared", 2)
    sync(here, first, database, client=client)
    before = {run.run_id for run in cells_of(client)}
    more = recorded_plan(there, lab, "shared", 4)
    continued = sync(there, more, database, client=client)

    runs = cells_of(client)
    assert len(runs) == len(more.cells) == 8
    assert before < {run.run_id for run in runs}, "runs that were there are continued, not doubled"
    assert continued.absent == 0
    sync(here, first, database, client=client)
    assert {run.run_id for run in cells_of(client)} == {run.run_id for run in runs}, "nothing is pruned"
    assert Counter(run.tags["wanted"] for run in cells_of(client)) == {"true": 4, "false": 4}

"""Runs the missing cells of a plan in this process, one after the other and without Ray: real trainings, real records."""

from __future__ import annotations

from typing import Any

import torch

from clusters.placement import GroupShape
from clusters.temporary.owners import owner_here
from orchestration.cells.cell import Plan
from orchestration.engine.driver.candidates import request_of
from orchestration.engine.driver.recorder import Recorder
from orchestration.engine.observer import RunObserver
from orchestration.engine.options import RunOptions, RunOutcome
from orchestration.store.contract import ResultsStore
from trainers.errors import NonFiniteLoss
from trainers.training.group import OneWorker
from trainers.worker.run_job import run_job

_SHAPE = GroupShape(num_workers=1, cpus_per_worker=1.0, gpus_per_worker=0.0)


class _Silent:
    """A sink of events that nobody waits for: what counts is in the result."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: False


def execute(plan: Plan, *, store: ResultsStore, options: RunOptions, observer: RunObserver) -> RunOutcome:
    """Do what `orchestration.engine.run.execute` does; of failures only those of numbers are told apart."""
    observer.run_started(plan)
    recorder, owner, computed = Recorder(store, observer), owner_here(), []
    failed = {cell.train_key: str(cell.failed) for cell in plan.set_aside}
    for cell in plan.to_run:
        lease = store.acquire(cell.train_key, owner)
        assert lease is not None, f"{cell.cell_id} is held by {store.holders([cell.train_key])}"
        eras = {key: store.era(key) for key in (cell.train_key, *cell.parents)}
        request = request_of(cell, options, _SHAPE, store.result(cell.train_key), eras)
        try:
            recorder.result(cell, run_job(request, group=OneWorker(torch.device("cpu")), sink=_Silent()))
        except NonFiniteLoss as error:
            failed[cell.train_key] = str(error)
        else:
            computed.append(cell.train_key)
            observer.cell_state(cell, "done")
        store.release(lease)
    observer.run_ended(plan, "failed" if failed else "complete")
    return RunOutcome(
        status="failed" if failed else "complete",
        done=tuple(cell.train_key for cell in plan.cells if cell.train_key not in failed),
        failed=failed,
        unfinished=(),
        computed=tuple(computed),
    )

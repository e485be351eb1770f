"""The engine: bring every cell of a plan to completion on Ray, and record what comes of it.

Importing this package imports no Ray and no torch; `execute` does when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.engine.options import LeaseTimings, RunOptions, RunOutcome

if TYPE_CHECKING:
    from orchestration.cells.cell import Plan
    from orchestration.engine.groups.group import GroupPool
    from orchestration.engine.observer import RunObserver
    from orchestration.store.contract import ResultsStore

__all__ = ["LeaseTimings", "RunOptions", "RunOutcome", "execute"]


def execute(
    plan: Plan,
    *,
    store: ResultsStore,
    options: RunOptions,
    observer: RunObserver,
    pool: GroupPool | None = None,
) -> RunOutcome:
    """Run what is missing of a plan until every cell is done, failed or set aside.

    Nothing is started when nothing is missing. The driver is the only writer of the store: workers return values.

    Args:
        plan: What is wanted and what of it is recorded.
        store: The truth; results, attempts and leases are written to it as they come.
        options: Where and how to run.
        observer: Is told what happens.
        pool: Warm worker groups to use and to leave running; without one the run has its own and ends it.

    Returns:
        What came of it. A failed cell is part of the outcome, not an exception.

    Raises:
        ClusterError: If Ray cannot be reached, or no node can hold a worker.
    """
    from orchestration.engine.run import execute_plan

    return execute_plan(plan, store=store, options=options, observer=observer, pool=pool)

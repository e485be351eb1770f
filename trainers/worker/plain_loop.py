"""What every worker of a plain run does: the one job of its group, and a report of it through Ray Train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray.train

from trainers.job import JobResult
from trainers.worker.group_loop import group_loop


def plain_loop(config: Mapping[str, Any]) -> None:
    """Run the job that the mailbox has, then report its numbers, which Ray Tune shows as the trial's.

    Args:
        config: As of `trainers.worker.group_loop.group_loop`.

    Raises:
        Exception: Whatever the job raised on this rank.
    """
    ray.train.report(numbers_of(group_loop(config)))


def numbers_of(result: JobResult | None) -> dict[str, Any]:
    """Return the numbers of a job, by "benchmark/metric" for its reports; None is a job that was taken back."""
    if result is None:
        return {"outcome": "returned"}
    rows = result.training.epochs
    last = {"loss": rows[-1].loss, "accuracy": rows[-1].accuracy} if rows else {}
    return {"outcome": "finished", "epochs": len(rows), **last} | {
        f"{report.benchmark}/{name}": metric.value
        for report in result.reports
        if report.outcome is not None
        for name, metric in report.outcome.metrics.items()
    }

"""One trial of the plain engine: start a Ray Train run for one job, and report by Ray's own callback what came of it.

Ray's guide, "Hyperparameter tuning with Ray Tune" of Ray Train: a function trainable calls `TorchTrainer(...).fit()`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any, Final

import ray

from clusters.placement import GroupShape

OUTCOME_S: Final = 5.0
"""So long after the end of a run its job's own end may take to be known; a run that ended without it broke by itself."""


def plain_trial(config: Mapping[str, Any]) -> None:
    """Have a job delivered to workers of its own, and wait until both have ended.

    Args:
        config: "mailbox" (name of the actor), "namespace", "group", "job" (number), "run" ("module:function"), "shape" (fields of
            `GroupShape`), "scratch" (folder), "environment" (variables that Ray Train reads) and "cell" (for people who read
            logs).
    """
    os.environ.update(config["environment"])
    mailbox, group = ray.get_actor(config["mailbox"], namespace=config["namespace"]), config["group"]
    over = mailbox.run.remote(group, config["job"])
    # Not called here at once: calls of an asynchronous actor may overtake each other, and `run` would find the group ended.
    threading.Thread(target=_end_after, args=(mailbox, group, over), name="end-group", daemon=True).start()
    # The driver may have withdrawn the job, or ended the group, while this process started.
    if not ray.wait([over], timeout=0.1)[0]:
        _fit(mailbox, config, over)
    else:
        ray.get(mailbox.ended.remote(group, ""))


def _end_after(mailbox: Any, group: str, over: Any) -> None:
    """Let the workers of a group end as soon as its job has."""
    ray.wait([over])
    mailbox.end.remote(group)


def _fit(mailbox: Any, config: Mapping[str, Any], over: Any) -> None:
    from orchestration.engine.plain.train_run import fit  # imports torch, which the driver does without

    group, reason = config["group"], ""
    try:
        fit(mailbox, group=group, run=config["run"], shape=GroupShape(**config["shape"]), scratch=config["scratch"])
    except Exception as error:
        # What ended the job was reported by its ranks, or by Ray's controller; where nothing was, the run itself broke.
        if not ray.wait([over], timeout=OUTCOME_S)[0]:
            reason = _described(error)
    ray.get(mailbox.ended.remote(group, reason))


def _described(error: Exception) -> str:
    """Return the class and the message of what a run failed of: of its first worker, or of Ray's controller, where either did."""
    workers = getattr(error, "worker_failures", None)
    cause = workers[min(workers)] if workers else getattr(error, "controller_failure", error)
    lines = str(cause).strip().splitlines()
    # Some versions of Ray wrap an exception in its trace, whose last line is the exception.
    is_trace = bool(lines) and lines[0].startswith("Traceback")
    return lines[-1] if is_trace else f"{type(cause).__name__}: {cause}"

"""The Ray Train run of a plain trial. Imports torch: only the processes of trials, and what Ray starts for them, import this."""

from __future__ import annotations

from typing import Any

import ray.tune
from ray.train import FailureConfig, RunConfig
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from clusters.placement import GroupShape
from orchestration.engine.groups.train_run import COLLECTIVE_TIMEOUT_S, LossWatcher, scaling_of
from trainers.worker.plain_loop import plain_loop
from trainers.worker.process_group import GroupTorchConfig


def fit(mailbox: Any, *, group: str, run: str, shape: GroupShape, scratch: str) -> None:
    """Run the job of a group on workers of its own.

    Args:
        run: What its workers run, as "module:function".
        scratch: Folder of Ray Train's own files.

    Raises:
        Exception: Whatever Ray raises for workers that failed or could not start.
    """
    TorchTrainer(
        plain_loop,
        train_loop_config={"mailbox": mailbox, "group": group, "job": run, "gpus": shape.gpus_per_worker},
        torch_config=GroupTorchConfig(timeout_s=COLLECTIVE_TIMEOUT_S, gpus=shape.gpus_per_worker),
        scaling_config=scaling_of(shape),
        run_config=RunConfig(
            name=f"train-{ray.tune.get_context().get_trial_id()}",
            storage_path=scratch,
            # The driver decides what follows from a failure.
            failure_config=FailureConfig(max_failures=0),
            callbacks=[TuneReportCallback(), LossWatcher(mailbox, group)],
        ),
    ).fit()

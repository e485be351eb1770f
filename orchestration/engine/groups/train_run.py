"""The Ray Train run behind a group. Imports torch: only the actor that runs a group, and what Ray starts for it, import this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ray.train import FailureConfig, RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchTrainer

from clusters.placement import GroupShape
from orchestration.engine.groups.plan import GroupPlan
from trainers.worker.failure import describe_failure
from trainers.worker.group_loop import group_loop
from trainers.worker.process_group import GroupTorchConfig

COLLECTIVE_TIMEOUT_S: Final = 1800


def fit(mailbox: Any, plan: GroupPlan, label: Mapping[str, str] | None) -> None:
    """Run a group until it is asked to end.

    Args:
        label: Label of the node on which its workers are to start, or None for any.

    Raises:
        ray.train.ControllerError: If its workers could not be started.
        ray.exceptions.RayActorError: If its controller died.
    """
    shape = plan.shape
    TorchTrainer(
        group_loop,
        train_loop_config={"mailbox": mailbox, "group": plan.name, "job": plan.job, "gpus": shape.gpus_per_worker},
        torch_config=GroupTorchConfig(timeout_s=COLLECTIVE_TIMEOUT_S, gpus=shape.gpus_per_worker),
        scaling_config=scaling_of(shape, label),
        run_config=RunConfig(
            name=plan.run_name,
            storage_path=plan.scratch,
            # Attempts are counted per cell by the driver; the workers come back as often as they must. A start that fails ends
            # the run, since Ray Train would try in silence for ever.
            failure_config=FailureConfig(max_failures=-1, controller_failure_limit=0),
            callbacks=[LossWatcher(mailbox, plan.name)],
        ),
    ).fit()


def scaling_of(shape: GroupShape, label: Mapping[str, str] | None = None) -> ScalingConfig:
    """Return a group's size as Ray Train is given it, on a node with a label or on any."""
    resources = {"CPU": shape.cpus_per_worker}
    if shape.gpus_per_worker:
        resources["GPU"] = shape.gpus_per_worker
    return ScalingConfig(
        num_workers=shape.num_workers,
        use_gpu=shape.gpus_per_worker > 0,
        resources_per_worker=resources,
        placement_strategy="PACK",
        accelerator_type=shape.accelerator or None,
        # Left out where none is asked for: not every version of Ray has it.
        **({"label_selector": dict(label)} if label else {}),
    )


class LossWatcher(UserCallback):  # type: ignore[misc]
    """Reports failures from the controller process, also of workers that died without a report."""

    def __init__(self, mailbox: Any, group: str) -> None:
        self._mailbox = mailbox
        self._group = group

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Report which ranks failed, and of what."""
        failures = [describe_failure(error, rank) for rank, error in worker_exceptions.items()]
        self._mailbox.lost.remote(self._group, failures)

"""The Ray Train run of a plain trial. Imports torch: only the processes of trials, and what Ray starts for them, import this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray.tune
from ray.train import FailureConfig, RunConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback
from ray.util import get_node_ip_address

from clusters.placement import GroupShape
from orchestration.engine.groups.train_run import COLLECTIVE_TIMEOUT_S, LossWatcher, scaling_of
from trainers.worker.plain_loop import plain_loop
from trainers.worker.preemption import handle_sigterm
from trainers.worker.process_group import name_interfaces


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
        # Both, as in warm groups: what workers gather besides gradients is on CPUs.
        torch_config=NamedTorchConfig(
            backend="cpu:gloo,cuda:nccl" if shape.gpus_per_worker else "gloo", timeout_s=COLLECTIVE_TIMEOUT_S
        ),
        scaling_config=scaling_of(shape),
        run_config=RunConfig(
            name=f"train-{ray.tune.get_context().get_trial_id()}",
            storage_path=scratch,
            # The driver decides what follows from a failure.
            failure_config=FailureConfig(max_failures=0),
            callbacks=[TuneReportCallback(), LossWatcher(mailbox, group)],
        ),
    ).fit()


def prepare() -> None:
    """Prepare the process of a worker, in its main thread, before its process group is made."""
    handle_sigterm()
    name_interfaces(str(get_node_ip_address()))


class NamedBackend(TorchConfig().backend_cls):  # type: ignore[misc]
    """Ray's own way to make the process group, in workers whose network interfaces are named."""

    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Prepare every worker; called by Ray when all have started."""
        worker_group.execute(prepare)
        super().on_start(worker_group, backend_config)


@dataclass
class NamedTorchConfig(TorchConfig):  # type: ignore[misc]
    """Ray's own torch configuration, but for the network interfaces."""

    @property
    def backend_cls(self) -> type[NamedBackend]:
        """What makes the process group."""
        return NamedBackend

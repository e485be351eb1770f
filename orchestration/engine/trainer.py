"""The Ray Train run behind a warm group, without the helper processes that it has no use for.

Ray gives each run a process for data sets and one that removes its resources should the controller die; each takes more than
100 MiB of the head node. Warm groups read no Ray data sets, and the driver, which outlives every controller, removes the
resources itself.
"""

from __future__ import annotations

from typing import Any

import ray
from ray._common.constants import RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR
from ray.train import UserCallback
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.callback import WorkerGroupCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from trainers.preemption import relay_sigterm
from trainers.rank_failure import describe_failure

UNUSED_CALLBACKS = frozenset({"DatasetsCallback", "PlacementGroupCleanerCallback"})


class WarmTrainer(DataParallelTrainer):  # type: ignore[misc]
    """A data-parallel run whose controller starts no processes beside its workers and their barrier, and can be ended."""

    _controller: Any = None
    _is_ended = False

    def end(self) -> None:
        """End the run at once, whatever it is doing; `fit` raises then."""
        self._is_ended = True
        if self._controller is not None:
            ray.kill(self._controller)

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        environment = {RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR: "0", **get_env_vars_to_propagate()}
        make = ray.remote(num_cpus=0, label_selector=here, runtime_env={"env_vars": environment})(TrainController)
        self._controller = make.remote(**arguments)
        if self._is_ended:
            self.end()
        ray.get(self._controller.run.remote())
        return ray.get(self._controller.get_result.remote())

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if type(one).__name__ not in UNUSED_CALLBACKS]


class LossWatcher(UserCallback):  # type: ignore[misc]
    """Passes failures on from the controller process, also of workers that died without a word."""

    def __init__(self, mailbox: Any, group: str) -> None:
        self._mailbox = mailbox
        self._group = group

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Tell which ranks failed, and of what."""
        failures = [describe_failure(error, rank) for rank, error in worker_exceptions.items()]
        self._mailbox.lost.remote(self._group, failures)


class SigtermPasser(WorkerGroupCallback):  # type: ignore[misc]
    """Has each worker's main thread hand SIGTERM to the thread that runs its jobs."""

    def after_worker_group_start(self, worker_group: Any) -> None:
        """Set up the workers that have just started, before they train."""
        worker_group.execute(relay_sigterm)


class PlacementTeller(WorkerGroupCallback):  # type: ignore[misc]
    """Tells the mailbox which resources a group reserved, for the case that its controller dies before giving them back."""

    def __init__(self, mailbox: Any, group: str) -> None:
        self._mailbox = mailbox
        self._group = group

    def after_worker_group_start(self, worker_group: Any) -> None:
        """Tell the placement group of the workers that have just started."""
        handle = worker_group.get_worker_group_state().placement_group_handle
        self._mailbox.placed.remote(self._group, handle.placement_group)

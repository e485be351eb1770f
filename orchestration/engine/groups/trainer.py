"""The Ray Train run behind a warm group, without the helper processes that it has no use for.

Ray gives each run a process for data sets and one that removes its resources should the controller die; each takes more than
100 MiB of the head node. Warm groups read no Ray data sets, and the driver, which outlives every controller, removes the
resources itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Final

import ray
from ray._common.constants import RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR
from ray._private.state import available_resources_per_node, state
from ray.core.generated import gcs_pb2
from ray.train import UserCallback
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.callback import ControllerCallback, WorkerGroupCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trainers.worker.failure import describe_failure
from trainers.worker.preemption import handle_sigterm

_ROUNDING: Final = 1e-4
UNUSED_CALLBACKS = frozenset({"DatasetsCallback", "PlacementGroupCleanerCallback"})


class WarmTrainer(DataParallelTrainer):  # type: ignore[misc]
    """A data-parallel run whose controller starts no processes beside its workers and their barrier, and can be ended."""

    host = ""
    """Id of the node on which the controller is to run, with the barrier of its workers; "" for this one."""

    _controller: Any = None
    is_ended = False

    def end(self) -> None:
        """End the run at once, whatever it is doing; `fit` raises then."""
        self.is_ended = True
        if self._controller is not None:
            ray.kill(self._controller)

    def free(self) -> None:
        """Remove what the controller reserved, in case it died without doing so; workers on it are killed.

        A controller may die between reserving and telling anybody, so that Ray is asked what it made.
        """
        if self._controller is None:
            return
        made_by = self._controller._actor_id.binary()
        for data in state._connect_and_get_accessor().get_placement_group_table():
            found = gcs_pb2.PlacementGroupTableData.FromString(data)
            if found.creator_actor_id == made_by and found.state != gcs_pb2.PlacementGroupTableData.REMOVED:
                remove_placement_group(PlacementGroup(ray.PlacementGroupID(found.placement_group_id)))

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        node = self.host or ray.get_runtime_context().get_node_id()
        # Should the node be gone by then, Ray refuses, and the group ends instead of waiting for it.
        place = NodeAffinitySchedulingStrategy(node, soft=False)
        environment = {RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR: "0", **get_env_vars_to_propagate()}
        make = ray.remote(num_cpus=0, scheduling_strategy=place, runtime_env={"env_vars": environment})(TrainController)
        self._controller = make.remote(**arguments)
        if self.is_ended:
            self.end()
        ray.get(self._controller.run.remote())
        return ray.get(self._controller.get_result.remote())

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if type(one).__name__ not in UNUSED_CALLBACKS]


class LossWatcher(UserCallback):  # type: ignore[misc]
    """Reports failures from the controller process, also of workers that died without a report."""

    def __init__(self, mailbox: Any, group: str) -> None:
        self._mailbox = mailbox
        self._group = group

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Report which ranks failed, and of what."""
        failures = [describe_failure(error, rank) for rank, error in worker_exceptions.items()]
        self._mailbox.lost.remote(self._group, failures)


class SigtermForwarder(WorkerGroupCallback):  # type: ignore[misc]
    """Has each worker's main thread hand SIGTERM to the thread that runs its jobs."""

    def after_worker_group_start(self, worker_group: Any) -> None:
        """Set up the workers that have just started, before they train."""
        worker_group.execute(handle_sigterm)


class HostReporter(WorkerGroupCallback):  # type: ignore[misc]
    """Reports to the mailbox on which node a group's controller runs."""

    def __init__(self, mailbox: Any, group: str) -> None:
        self._mailbox = mailbox
        self._group = group

    def after_worker_group_start(self, worker_group: Any) -> None:
        """Report it while the workers that have just started are yet to join."""
        self._mailbox.hosted.remote(self._group, ray.get_runtime_context().get_node_id())


class ControllerPlacement(ControllerCallback):  # type: ignore[misc]
    """Starts the workers of a controller that is not on the driver's node on the controller's node, and leaves no files there.

    The head would need hundreds of MiB for the controllers of many groups. A node is released when nothing is reserved on it, so
    that a controller, which reserves nothing, belongs where its workers are. Where they do not fit at the moment (others may have
    taken the place) they go where Ray finds room.

    Args:
        scratch: Local folder of Train's disposable files, which each node has for itself, or "" where all share one.
    """

    def __init__(self, driver_node: str, scratch: str) -> None:
        self._driver_node = driver_node
        self._scratch = scratch
        self._folder = ""

    def after_controller_start(self, train_run_context: Any) -> None:
        """Note where Train keeps the files of this run."""
        self._folder = str(Path(self._scratch, train_run_context.run_config.name)) if self._scratch else ""

    def on_controller_start_worker_group(self, *, scaling_config: Any, num_workers: int) -> dict[str, str] | None:
        """Return the label of this node if all workers fit on it now."""
        here = ray.get_runtime_context().get_node_id()
        free = available_resources_per_node().get(here, {})
        needs = scaling_config.resources_per_worker.items()
        fits = all(num_workers * amount <= free.get(kind, 0.0) + _ROUNDING for kind, amount in needs)
        return {"ray.io/node-id": here} if fits and here != self._driver_node else None

    async def before_controller_shutdown(self) -> None:
        """Remove the files of this run from a node that is not the driver's, which removes its own."""
        if self._folder and ray.get_runtime_context().get_node_id() != self._driver_node:
            shutil.rmtree(self._folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.rmdir(self._scratch)

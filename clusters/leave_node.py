"""Leave a cluster in order: what a pod runs before it is deleted, as `python -m clusters.leave_node` in its `preStop` hook.

Deleting a pod sends SIGTERM to Ray's node process, which ends every worker at once. Draining the node first tells the driver, so
that workers write a checkpoint at the next step and the cells go on elsewhere from there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from clusters.errors import ClusterError

DEADLINE_S: Final = 90.0
"""Shorter than the grace period of the manifests' pods, 110 seconds: what the hook leaves of it is Ray's to end in."""

_PREEMPTION: Final = 2
"""DRAIN_NODE_REASON_PREEMPTION of Ray's autoscaler.proto: no consent is asked; the node ends at the deadline."""
_POLL_S: Final = 1.0


def drain(address: str, node_id: str, deadline_s: float = DEADLINE_S) -> None:
    """Tell a cluster that a node leaves.

    Args:
        address: Address of the control store, host:port.
        node_id: Hexadecimal id of the node.
        deadline_s: Seconds until it is gone.

    Raises:
        ClusterError: If the control store refuses.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    at_ms = int((time.time() + deadline_s) * 1000)
    accepted, reason = GcsClient(address=address).drain_node(node_id, _PREEMPTION, "the pod is being deleted", at_ms)
    if not accepted:
        raise ClusterError(
            f"node {node_id[:12]} could not be drained: {reason}; its cells go on from their last checkpoint"
        )


def wait_until_idle(node_id: str, deadline_s: float) -> bool:
    """Wait until nothing on a node holds CPUs or GPUs; return False where something still does at the deadline."""
    import ray
    from ray._private.state import available_resources_per_node

    ends = time.monotonic() + deadline_s
    whole: dict[str, float] = next((one["Resources"] for one in ray.nodes() if one["NodeID"] == node_id), {})
    while time.monotonic() < ends:
        free = available_resources_per_node().get(node_id, whole)
        if all(free.get(kind, 0.0) >= whole.get(kind, 0.0) for kind in ("CPU", "GPU")):
            return True
        time.sleep(_POLL_S)
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Drain the node that this process runs on and wait until its work has left; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m clusters.leave_node", description=main.__doc__)
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, help="seconds until the node is gone")
    deadline_s: float = parser.parse_args(arguments).deadline
    import ray

    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    context = ray.get_runtime_context()
    node_id = str(context.get_node_id())
    try:
        drain(context.gcs_address, node_id, deadline_s)
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    idle = wait_until_idle(node_id, deadline_s)
    sys.stderr.write("work has left this node\n" if idle else "the deadline has passed with work on this node\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

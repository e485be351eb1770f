"""Leave a cluster in order: what a pod runs before it is deleted, as `python -m clusters.leave_node` in its `preStop` hook.

Deleting a pod sends SIGTERM to Ray's node process, which ends every worker at once. Draining the node first notifies the driver,
so that workers write a checkpoint at the next step and the cells go on elsewhere from there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from clusters.connect import connect
from clusters.errors import ClusterError

DEADLINE_S: Final = 90.0
"""Shorter than the grace period of the manifests' pods, 110 seconds: what the hook leaves of it is Ray's to end in."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Drain the node that this process runs on and wait until its work has left; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m clusters.leave_node", description=main.__doc__)
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, help="seconds until the node is gone")
    deadline_s: float = parser.parse_args(arguments).deadline
    try:
        with connect("auto") as connection:
            node_id = connection.here()
            connection.drain(node_id, deadline_s)
            is_idle = connection.wait_until_idle(node_id, deadline_s)
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write("work has left this node\n" if is_idle else "the deadline has passed with work on this node\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

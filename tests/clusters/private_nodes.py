"""A provider of nodes for Ray's autoscaler: each is a raylet on this machine with a folder of Ray of its own.

Ray's provider of fake nodes lets all nodes share the head's folder, where each node's agent unpacks a job's upload anew while
others work in it. The autoscaler imports this file by name; tests do not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import psutil
from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_WORKER,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)


class PrivateNodeProvider(FakeMultiNodeProvider):
    """Starts and ends the nodes."""

    def non_terminated_nodes(self, tag_filters: Any) -> list[str]:
        """Return the nodes whose processes run: one that a busy machine was too slow for is started anew."""
        with self.lock:
            ended = [name for name, one in self._nodes.items() if "node" in one and one["node"].poll() is not None]
            for name in ended:
                del self._nodes[name]
        found: list[str] = super().non_terminated_nodes(tag_filters)
        return found

    def _create_node_with_resources_and_labels(
        self, node_config: Any, tags: dict[str, str], count: int, resources: dict[str, Any], labels: Any
    ) -> None:
        folder = self.provider_config["folder"]
        with self.lock:
            kind, name = tags[TAG_RAY_USER_NODE_TYPE], self._next_hex_node_id()
            environment = {
                **os.environ,
                "RAY_OVERRIDE_NODE_ID_FOR_TESTING": name,
                "RAY_CLOUD_INSTANCE_ID": name,
                "RAY_NODE_TYPE_NAME": kind,
            }
            command = [
                "unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', folder,
                sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats",
                f"--address={self._gcs_address}", f"--num-cpus={resources.get('CPU', 0)}",
                "--dashboard-agent-listen-port=0",
            ]  # fmt: skip
            node = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, cwd="/")
            standing = {
                TAG_RAY_NODE_KIND: NODE_KIND_WORKER,
                TAG_RAY_USER_NODE_TYPE: kind,
                TAG_RAY_NODE_NAME: name,
                TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE,
            }
            self._nodes[name] = {"tags": {**standing, **tags}, "node": node}

    def _terminate_node(self, node: dict[str, Any]) -> None:
        process = psutil.Process(node["node"].pid)
        for one in [*process.children(recursive=True), process]:
            one.kill()
        node["node"].wait(30)

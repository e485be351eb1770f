"""Start and end the cluster of a launcher file with `ray up` and `ray down`, after checking that file and token are ready."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from clusters.cluster_files.check import check_manifest
from clusters.cluster_files.contract import read_manifest
from clusters.cluster_files.documents import mapping, read_documents
from clusters.errors import ManifestError
from clusters.ray_api.address import cluster_token

Action = Literal["up", "down"]

_OTHERS: Final[Mapping[str, Mapping[Action, str]]] = {
    "kind": {"up": "kubectl apply -f {path}", "down": "kubectl delete -f {path}"},
    "services": {"up": "docker compose -f {path} up --detach", "down": "docker compose -f {path} down"},
}


def launch(action: Action, path: Path) -> int:
    """Run `ray up` or `ray down` on a launcher file and return its exit code.

    Raises:
        ManifestError: If the file is of another kind, does not pass its check or has places that are not filled in; and, before
            a start, if there is no token.
    """
    _check_is_launcher(action, path)
    if action == "up":
        _check_ready(path)
    command = [sys.executable, "-m", "ray.scripts.scripts", action, "--yes", str(path)]
    return subprocess.run(command, check=False).returncode


def _check_is_launcher(action: Action, path: Path) -> None:
    documents = read_documents(read_manifest(path), path)
    keys = mapping(documents[0][1]) if documents else {}
    if "available_node_types" in keys:
        return
    for key, commands in _OTHERS.items():
        if key in keys:
            fix = commands[action].format(path=path)
            raise ManifestError(f"`cluster {action}` takes Ray's launcher files, but {path} is not one; use: {fix}")
    raise ManifestError(
        f"`cluster {action}` takes Ray's launcher files, but {path} is not one; start from clusters/manifests"
    )


def _check_ready(path: Path) -> None:
    mistakes = [str(finding) for finding in check_manifest(path)]
    if not cluster_token():
        mistakes.append(
            "a cluster needs an authentication token, but none was found; create one: "
            "ray get-auth-token --generate, then chmod 600 ~/.ray/auth_token"
        )
    if mistakes:
        raise ManifestError(*mistakes)

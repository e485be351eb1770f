"""When a tracking server listens beyond this machine: only with authentication, and only for the host that was named."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

from orchestration.errors import InputError, Mistake

LOOPBACK: Final = "127.0.0.1"
LOOPBACKS: Final = frozenset({LOOPBACK, "localhost", "::1"})
EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})
SHORTEST_PASSWORD: Final = 12
"""As MLflow itself demands of its administrator."""

_PASSWORD: Final = "MLFLOW_AUTH_ADMIN_PASSWORD"
_SECRET: Final = "MLFLOW_FLASK_SERVER_SECRET_KEY"


def check_exposure(host: str, environment: Mapping[str, str] | None = None) -> None:
    """Check that a server which others can reach asks for a password."""
    if host in LOOPBACKS:
        return
    variables = os.environ if environment is None else environment
    lacking = []
    if len(variables.get(_PASSWORD, "")) < SHORTEST_PASSWORD:
        lacking.append(f"a password of at least {SHORTEST_PASSWORD} characters in {_PASSWORD}")
    if not variables.get(_SECRET):
        lacking.append(f"a secret in {_SECRET} (openssl rand -hex 32)")
    if lacking:
        text = f"a server that listens on {host} can be reached by others and needs {' and '.join(lacking)}; or use {LOOPBACK}"
        raise InputError("options", [Mistake(where="--host", text=text)])


def exposed_arguments(host: str, port: int) -> list[str]:
    """Return what `mlflow server` needs next to `--host`: nothing on loopback, else authentication and allowed hosts."""
    if host in LOOPBACKS:
        return []
    names = [host, LOOPBACK, "localhost"] if host not in EVERYWHERE else [LOOPBACK, "localhost", socket.gethostname()]
    return ["--app-name", "basic-auth", "--allowed-hosts", ",".join(f"{name}:{port}" for name in names)]

"""The MLflow UI on a tracking store: a loopback server with few processes, links to prepared views, an end with its parent."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil

from clusters.code.own_packages import command_of
from orchestration.errors import EnvironmentRefused
from orchestration.tracking.addresses import (
    ARTIFACTS,
    folder_address,
    is_databricks,
    is_sagemaker,
    sqlite_file,
    with_driver,
)
from orchestration.tracking.content.views import EXPERIMENTS_LINK, view_link
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.server.database import one_at_a_time
from orchestration.tracking.server.exposure import EVERYWHERE, LOOPBACK, check_exposure, exposed_arguments
from orchestration.tracking.server.http_call import ask

USUAL_PORT: Final = 5000
_START_S: Final = 120.0
_ATTEMPTS: Final = 3
_STOP_S: Final = 15.0
_SERVER_ENVIRONMENT: Final[Mapping[str, str]] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
_VIEWS: Final[Mapping[str, str]] = {
    "cells": "all cells",
    "methods": "by method",
    "rows": "by row",
    "means": "means of rows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLinks:
    """Where to look at a sweep: what it shows -> address."""

    sweep: str
    links: Mapping[str, str]


class UiServer:
    """A running UI; leaving the `with` block ends it when it was started here."""

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None) -> None:
        self.url = url
        self._process = process

    def sweeps(self) -> Sequence[SweepLinks]:
        """Return the links of every sweep that the server knows, newest first."""
        ordered = sorted(_experiments(self.url), key=lambda experiment: -int(experiment.get("last_update_time", 0)))
        return [
            SweepLinks(
                sweep=experiment["name"],
                links={
                    text: f"{self.url}/{view_link(experiment['experiment_id'], key)}" for key, text in _VIEWS.items()
                },
            )
            for experiment in ordered
        ]

    @property
    def is_ours(self) -> bool:
        """Whether the server was started here."""
        return self._process is not None

    @property
    def pages(self) -> Mapping[str, str]:
        """MLflow's own pages in the mode that shows trainings: what they show -> address."""
        return {"experiments in MLflow": f"{self.url}/{EXPERIMENTS_LINK}"}

    def wait(self) -> None:
        """Serve until the server ends or the caller is interrupted."""
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """End the server and everything it started."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def __enter__(self) -> UiServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve_ui(
    uri: str, *, port: int | None = None, log: Path | None = None, arguments: Sequence[str] = (), host: str = LOOPBACK
) -> UiServer:
    """Open the UI of a tracking store: a server on loopback for a file or database, the server itself for http(s).

    Args:
        port: Port on loopback; without one, 5000 or a free one.
        log: File that takes what the server prints.
        arguments: More arguments of `mlflow server`, for example ("--app-name", "basic-auth").
        host: Address to listen on; any but loopback demands passwords (`orchestration.tracking.server.exposure`).

    Raises:
        InputError: If the server would be open to others without a password.
        EnvironmentRefused: If the port is taken or the server does not come up.
    """
    if uri.startswith("http"):
        return UiServer(uri.rstrip("/"), None)
    if is_databricks(uri) or is_sagemaker(uri):
        raise EnvironmentRefused(
            f"`ui` opens files, databases and servers, but '{scrubbed(uri)}' has pages of its own; open them in its console"
        )
    check_exposure(host)
    if port is not None and not is_free(port):
        raise _taken(port)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", with_driver(uri), "--workers", "1"]
    database = sqlite_file(uri)
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True)
        command += ["--artifacts-destination", folder_address(database.parent / ARTIFACTS)]
    for _ in range(_ATTEMPTS if port is None else 1):
        chosen = port if port is not None else USUAL_PORT if is_free(USUAL_PORT) else _free_port()
        with contextlib.suppress(_PortLost), _alone(database):
            return _start([*command, *arguments], host, chosen, log)
    raise _taken(chosen)


@contextmanager
def _alone(database: Path | None) -> Iterator[None]:
    """Keep others from a database until the server has made its tables: half of them look like what a killed process left."""
    if database is None or not os.access(database.parent, os.W_OK):
        yield
        return
    with one_at_a_time(database):
        yield


class _PortLost(Exception):
    """Another program took the port between the look at it and the start of the server."""


def _taken(port: int) -> EnvironmentRefused:
    return EnvironmentRefused(
        f"the UI needs a free port, but {port} is taken; give another with --port, or none for a free one"
    )


def _start(command: Sequence[str], host: str, port: int, log: Path | None) -> UiServer:
    errors: Any = log.open("ab") if log else subprocess.DEVNULL
    guard = [*command_of("orchestration.tracking.server.guard"), *command, "--host", host, "--port", str(port)]
    guard += exposed_arguments(host, port)
    environment = {**os.environ, **_SERVER_ENVIRONMENT}
    process = subprocess.Popen(guard, stdin=subprocess.PIPE, stdout=errors, stderr=errors, env=environment)
    server = UiServer(f"http://{LOOPBACK if host in EVERYWHERE else host}:{port}", process)
    try:
        _wait_until_healthy(server.url, process, port, log)
    except BaseException:
        server.stop()
        raise
    return server


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], port: int, log: Path | None) -> None:
    """Wait for an answer of this very server: another program's on the same port is none."""
    patience = time.monotonic() + _START_S
    while time.monotonic() < patience and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                if _listens(process.pid, port):
                    return
        except OSError:
            pass
        time.sleep(0.3)
    if not _listens(process.pid, port) and not is_free(port):
        raise _PortLost
    log_hint = f"; see {log}" if log else ""
    raise EnvironmentRefused(f"the MLflow server must come up within {_START_S:.0f} s, but it did not{log_hint}")


def _listens(pid: int, port: int) -> bool:
    """Say whether a process or one that it started listens on a port."""
    with contextlib.suppress(psutil.Error):
        family = [started := psutil.Process(pid), *started.children(recursive=True)]
        sockets = [connection for member in family for connection in member.net_connections("tcp")]
        return any(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in sockets)
    return False


def _experiments(url: str) -> list[dict[str, Any]]:
    """Ask a server for the experiments that hold sweeps, as this user."""
    body = {"max_results": 1000, "filter": "tags.`dreamgrid.kind` = 'sweep'"}
    try:
        return list(ask(url, "/api/2.0/mlflow/experiments/search", body).get("experiments", []))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EnvironmentRefused(
            f"the tracking server must answer, but '{scrubbed(url)}' does not ({error}); start it"
        ) from error


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port

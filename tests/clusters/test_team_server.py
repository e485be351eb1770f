"""The team's tracking server as its compose file starts it: PostgreSQL, artifacts on S3, authentication, allowed hosts.

The command, the environment and the configuration are those of the file; only addresses are replaced by ones on loopback.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

MANIFESTS = Path(__file__).resolve().parents[2] / "clusters" / "manifests"
PASSWORD = "a-long-enough-word"
WRITERS = 16


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((MANIFESTS / "mlflow-compose.yaml").read_text(encoding="utf-8"))
    return document


def test_users_and_permissions_outlive_the_container() -> None:
    document = compose()
    server = document["services"]["mlflow"]
    auth = document["configs"]["auth"]["content"]

    assert {"source": "auth", "target": server["environment"]["MLFLOW_AUTH_CONFIG_PATH"]} in server["configs"]
    assert "sqlite" not in auth
    assert f"database_uri = {server['environment']['MLFLOW_BACKEND_STORE_URI']}" in auth
    assert document["services"]["postgres"]["volumes"] == ["postgres:/var/lib/postgresql/data"]


def test_kubernetes_has_the_same_server_as_compose() -> None:
    text = (MANIFESTS / "mlflow-kubernetes.yaml").read_text(encoding="utf-8")
    objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}
    pod = objects["Deployment", "mlflow"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    server = compose()["services"]["mlflow"]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}

    assert variables.keys() == server["environment"].keys()
    assert all(server["environment"][name] == value for name, value in variables.items() if value is not None)
    assert [word.partition("=")[0] for word in container["command"]] == [
        word.partition("=")[0] for word in server["command"]
    ]
    assert objects["ConfigMap", "mlflow-auth"]["data"]["auth.ini"] == compose()["configs"]["auth"]["content"]
    assert pod["volumes"] == [{"name": "auth", "configMap": {"name": "mlflow-auth"}}]
    assert ("NetworkPolicy", "postgres") in objects


@dataclass(frozen=True)
class TeamServer:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    command: list[str]
    environment: dict[str, str]

    def answer(self, path: str, *, host: str | None = None, password: str | None = None) -> int:
        """Return the status of the answer to a request."""
        import base64

        request = urllib.request.Request(self.url + path)
        if host:
            request.add_header("Host", host)
        if password:
            word = base64.b64encode(f"admin:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {word}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def team_server(postgresql: str, s3_uri: str, tmp_path: Path) -> Iterator[TeamServer]:
    """The compose file's server on loopback."""
    pytest.importorskip("flask_wtf", reason="the extra 'server' is needed for authentication")
    command, environment = on_loopback(postgresql, s3_uri, tmp_path)
    process = start(command, environment, tmp_path / "server.log")
    made = TeamServer(url=command[-1], process=process, command=command[:-1], environment=environment)
    try:
        wait_until_healthy(made, tmp_path / "server.log")
        yield made
    finally:
        stop(process)


def on_loopback(postgresql: str, s3_uri: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the file's command, with the server's address after it, and its environment, for this machine."""
    database = urlsplit(postgresql)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = {
        "POSTGRES_PASSWORD": database.password or "",
        "MLFLOW_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SECRET": "only-for-this-test",
        "ARTIFACTS": f"{s3_uri}/mlflow",
        "ALLOWED_HOSTS": f"mlflow.team:{port},127.0.0.1:{port}",
    }

    def here(text: str) -> str:
        text = re.sub(r"\$\{(\w+)(?::[?-][^}]*)?\}", lambda found: chosen[found[1]], text)
        return text.replace("mlflow@postgres:5432/mlflow", f"postgres@127.0.0.1:{database.port}/postgres")

    document = compose()
    server = document["services"]["mlflow"]
    auth = folder / "auth.ini"
    auth.write_text(here(document["configs"]["auth"]["content"]))
    environment = {name: here(value) for name, value in server["environment"].items()}
    words = [here(word) for word in server["command"]]
    changed = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}", "--workers=2": "--workers=1"}
    command = [
        sys.executable,
        "-m",
        "mlflow",
        *(changed.get(word, word) for word in words[1:]),
        f"http://127.0.0.1:{port}",
    ]
    return command, {**os.environ, **environment, "MLFLOW_AUTH_CONFIG_PATH": str(auth)}


def start(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command[:-1], env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=log.parent
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    import psutil

    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for one in family:
        one.terminate()
    psutil.wait_procs(family, timeout=20)
    process.wait(30)


def wait_until_healthy(server: TeamServer, log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert server.process.poll() is None, log.read_text()[-3000:]
        try:
            if server.answer("/health") == 200:
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sixteen_writers_at_once_write_to_the_server_of_the_compose_file(
    team_server: TeamServer, s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    from orchestration.tracking.contract import Point
    from orchestration.tracking.mlflow_client import MlflowTracking

    search = "/api/2.0/mlflow/experiments/search?max_results=1"
    assert team_server.answer(search) == 401
    assert team_server.answer(search, password="not-the-word") == 401
    assert team_server.answer(search, password=PASSWORD) == 200
    port = urlsplit(team_server.url).port
    assert team_server.answer(search, password=PASSWORD, host=f"mlflow.team:{port}") == 200
    assert team_server.answer(search, password=PASSWORD, host="elsewhere.example") == 403

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    clients = [MlflowTracking(team_server.url) for _ in range(WRITERS)]

    def write(number: int) -> str:
        client = clients[number]
        experiment = client.experiment("team", None, {})
        run = client.create(experiment, f"cell-{number}", 1_000, {"cell_key": str(number)})
        client.log(
            run, [Point("clean/error", number / 100, 1_000, step) for step in range(20)], {"seed": str(number)}, {}
        )
        client.write_text(run, "record.json", json.dumps({"writer": number}))
        client.end(run, "FINISHED", 2_000)
        return run

    with ThreadPoolExecutor(WRITERS) as pool:
        runs = list(pool.map(write, range(WRITERS)))

    found = clients[0].find(clients[0].experiments(), {})
    assert sorted(run.tags["cell_key"] for run in found) == sorted(map(str, range(WRITERS)))
    assert {run.status for run in found} == {"FINISHED"}
    assert {run.run_id: run.metrics["clean/error"] for run in found} == {
        run: number / 100 for number, run in enumerate(runs)
    }
    bucket = s3_uri.removeprefix("s3://").partition("/")[0]
    listed = boto3.session.Session().client("s3").list_objects_v2(Bucket=bucket, Prefix="dreamgrid/mlflow/")
    assert sum(item["Key"].endswith("record.json") for item in listed["Contents"]) == WRITERS
    command = Path(f"/proc/{team_server.process.pid}/cmdline").read_bytes()
    assert team_server.environment["PGPASSWORD"].encode() not in command
    assert PASSWORD not in (tmp_path / "server.log").read_text()

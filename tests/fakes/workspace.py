"""A tracking server behind HTTP that keeps its runs in memory and is as strict as a hosted one, with a log of who asked."""

from __future__ import annotations

import json
import re
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CONDITION = re.compile(r"tags\.`?([\w.]+)`? = '([^']*)'")


class Refusal(Exception):
    """What the server answers instead."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code


class Workspace:
    """What the server has.

    Attributes:
        is_databricks: Whether names must be paths below `folders`, artifacts are kept by the workspace, and tags of MLflow's UI
            are refused.
        artifacts: Where artifacts are kept by a server that is told no place.
        authorization: The header that a caller must show, or "" for anyone.
        headers: The headers of every call, lower case.
    """

    def __init__(
        self, *, is_databricks: bool = False, authorization: str = "", artifacts: str = "mlflow-artifacts:"
    ) -> None:
        self.artifacts = "dbfs:/databricks/mlflow-tracking" if is_databricks else artifacts
        self.is_databricks, self.authorization = is_databricks, authorization
        self.folders = ("/Users/me",)
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.headers: list[dict[str, str]] = []

    @property
    def names(self) -> list[str]:
        return [each["name"] for each in self.experiments.values()]

    def answer(self, path: str, given: dict[str, Any]) -> dict[str, Any]:
        """Answer one call of MLflow's REST API."""
        method = path.removeprefix("/api/2.0/mlflow/").replace("/", "_").replace("-", "_")
        handler = getattr(self, method, None)
        if handler is None:
            raise Refusal(404, "ENDPOINT_NOT_FOUND", f"no {path}")
        found: dict[str, Any] = handler(**given)
        return found

    def experiments_search(self, filter: str = "", **_: Any) -> dict[str, Any]:
        return {"experiments": [each for each in self.experiments.values() if _matches(each["tags"], filter)]}

    def experiments_get_by_name(self, experiment_name: str) -> dict[str, Any]:
        for each in self.experiments.values():
            if each["name"] == experiment_name:
                return {"experiment": each}
        raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Node {experiment_name} does not exist.")

    def experiments_create(self, name: str, artifact_location: str = "", tags: Any = (), **_: Any) -> dict[str, Any]:
        if self.is_databricks:
            if not name.startswith("/"):
                text = f"Got an invalid experiment name '{name}'. An experiment name must be an absolute path"
                raise Refusal(400, "INVALID_PARAMETER_VALUE", text)
            if name.rpartition("/")[0] not in self.folders:
                raise Refusal(
                    404, "RESOURCE_DOES_NOT_EXIST", f"Parent directory {name.rpartition('/')[0]} does not exist."
                )
            if artifact_location:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "artifact_location is not allowed in this workspace")
        number = str(len(self.experiments) + 1)
        place = artifact_location or f"{self.artifacts}/{number}"
        self.experiments[number] = {"experiment_id": number, "name": name, "lifecycle_stage": "active",
                                    "artifact_location": place, "tags": list(tags)}  # fmt: skip
        return {"experiment_id": number}

    def experiments_get(self, experiment_id: str) -> dict[str, Any]:
        return {"experiment": self.experiments[experiment_id]}

    def experiments_set_experiment_tag(self, experiment_id: str, key: str, value: str) -> dict[str, Any]:
        if self.is_databricks and key.startswith("mlflow."):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{key} is reserved")
        self.experiments[experiment_id]["tags"].append({"key": key, "value": value})
        return {}

    def runs_create(self, experiment_id: str, run_name: str = "", tags: Any = (), **given: Any) -> dict[str, Any]:
        number = uuid.uuid4().hex  # MLflow keeps connections by the id of a run
        place = f"{self.experiments[experiment_id]['artifact_location']}/{number}/artifacts"
        info = {"run_id": number, "run_uuid": number, "experiment_id": experiment_id, "run_name": run_name,
                "status": "RUNNING", "start_time": given.get("start_time", 0), "artifact_uri": place,
                "lifecycle_stage": "active"}  # fmt: skip
        self.runs[number] = {"info": info, "data": {"tags": list(tags), "params": [], "metrics": []}}
        return {"run": self.runs[number]}

    def runs_get(self, run_id: str, **_: Any) -> dict[str, Any]:
        return {"run": self.runs[run_id]}

    def runs_search(self, experiment_ids: Any, filter: str = "", run_view_type: str = "", **_: Any) -> dict[str, Any]:
        stage = "deleted" if run_view_type == "DELETED_ONLY" else "active"
        found = [
            run
            for run in self.runs.values()
            if run["info"]["experiment_id"] in experiment_ids
            and run["info"]["lifecycle_stage"] == stage
            and _matches(run["data"]["tags"], filter)
        ]
        return {"runs": found}

    def runs_log_batch(self, run_id: str, **given: Any) -> dict[str, Any]:
        data = self.runs[run_id]["data"]
        for kind in ("metrics", "params", "tags"):
            fresh = {each["key"]: each for each in given.get(kind, ())}
            data[kind] = [each for each in data[kind] if each["key"] not in fresh] + list(fresh.values())
        return {}

    def runs_set_tag(self, run_id: str, key: str, value: str, **_: Any) -> dict[str, Any]:
        return self.runs_log_batch(run_id, tags=[{"key": key, "value": value}])

    def runs_update(self, run_id: str, status: str = "RUNNING", **_: Any) -> dict[str, Any]:
        self.runs[run_id]["info"]["status"] = status
        return {"run_info": self.runs[run_id]["info"]}


def _matches(tags: Any, conditions: str) -> bool:
    has = {each["key"]: each["value"] for each in tags}
    return all(has.get(key) == value for key, value in CONDITION.findall(conditions or ""))


@contextmanager
def served(workspace: Workspace, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve a workspace on loopback; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = {key: values[-1] for key, values in parse_qs(urlsplit(self.path).query).items()}
            self._answer({key: value for key, value in given.items() if key != "max_results"})

        def do_POST(self) -> None:
            self._answer(json.loads(self._body() or b"{}"))

        def do_PUT(self) -> None:
            workspace.files[unquote(urlsplit(self.path).path)] = self._body()
            self._send(200, {})

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, given: dict[str, Any]) -> None:
            workspace.headers.append({name.lower(): value for name, value in self.headers.items()})
            try:
                path = urlsplit(self.path).path
                if path.startswith("/.well-known/"):  # asked by anyone; older workspaces have none
                    raise Refusal(404, "ENDPOINT_NOT_FOUND", path)
                if workspace.authorization not in ("", self.headers.get("Authorization")):
                    raise Refusal(401, "UNAUTHENTICATED", "who are you?")
                self._send(200, workspace.answer(path, given))
            except Refusal as refusal:
                self._send(refusal.status, {"error_code": refusal.code, "message": str(refusal)})

        def _send(self, status: int, found: dict[str, Any]) -> None:
            text = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://{'localhost' if tls else '127.0.0.1'}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()

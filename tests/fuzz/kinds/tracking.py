"""Answers of a tracking server: changed, of other types and codes, with pages without end and headers that ask for patience."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from orchestration.errors import EnvironmentRefused
from orchestration.tracking.contract import Point, TrackedData, TrackedModel, TrackingError
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.server.check import check_tracking
from tests.fuzz.harness import Kind, Verdict, library
from tests.fuzz.mutations import ODD_VALUES, mutated_bytes, mutated_tree

_EXPERIMENT: Final = {
    "experiment_id": "7",
    "name": "demo",
    "artifact_location": "mlflow-artifacts:/7",
    "lifecycle_stage": "active",
    "tags": [{"key": "dreamgrid.kind", "value": "sweep"}],
}
_RUN: Final = {
    "info": {"run_id": "abc", "experiment_id": "7", "status": "RUNNING", "start_time": 1, "lifecycle_stage": "active"},
    "data": {
        "metrics": [{"key": "a", "value": 0.5, "timestamp": 1, "step": 0}],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "k", "value": "v"}],
    },
}
_LOGGED: Final = {
    "info": {
        "model_id": "m-1",
        "experiment_id": "7",
        "name": "cell",
        "status": "LOGGED_MODEL_READY",
        "source_run_id": "abc",
        "artifact_uri": "mlflow-artifacts:/7/models/m-1/artifacts",
    },
    "data": {},
}
_VERSION: Final = {"name": "name", "version": "1", "source": "models:/m-1", "status": "READY", "run_id": "abc"}
_ANSWER: Final = {
    "experiment": _EXPERIMENT,
    "experiments": [_EXPERIMENT],
    "model": _LOGGED,
    "models": [_LOGGED],
    "registered_model": {"name": "name"},
    "model_versions": [_VERSION],
    "model_version": _VERSION,
    "experiment_id": "7",
    "run": _RUN,
    "runs": [_RUN],
    "next_page_token": "",
}
"""An answer to every question, of which each reads what it asked for."""
_MODEL: Final = TrackedModel(
    name="cell",
    train_key="a" * 64,
    checkpoint_uri="/x/final.ckpt",
    sha256="b" * 64,
    hashes=("b" * 64,),
    image=(1, 2, 2),
    num_classes=2,
)
_DATA: Final = TrackedData(name="digits", digest="1", source="here", context="training")
_CODES: Final = (200, 200, 200, 200, 200, 204, 301, 400, 401, 403, 404, 418)
_HEADERS: Final = (
    *(("Retry-After", "999999"), ("Location", "/"), ("Content-Length", "5")),
    *(("Content-Encoding", "gzip"), ("X", "y" * 9000)),
)


@st.composite
def _inputs(draw: Any) -> tuple[str, int, list[tuple[str, str]], bytes]:
    call = draw(st.sampled_from(sorted(_calls())))
    body = draw(
        st.one_of(
            mutated_tree(_ANSWER).map(_as_json),
            mutated_tree(_ANSWER).map(_as_json),
            mutated_bytes(_as_json(_ANSWER)),
            ODD_VALUES.map(_as_json),
            st.just(_as_json({**_ANSWER, "next_page_token": "again"})),
            st.sampled_from([b"", b"<html>", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"9" * 6000, b"null"]),
        )
    )
    code = draw(st.sampled_from(_CODES))
    return call, code, draw(st.lists(st.sampled_from(_HEADERS), max_size=1)), body


def _as_json(tree: Any) -> bytes:
    return json.dumps(tree, default=str, skipkeys=True).encode()


@functools.cache
def _calls() -> dict[str, Callable[[MlflowTracking], object]]:
    return {
        "experiment": lambda client: client.experiment("demo", None, {"a": "b"}),
        "experiments": lambda client: client.experiments(),
        "find": lambda client: client.find(["7"], {"cell_key": "ab"}),
        "create": lambda client: client.create("7", "cell", 1, {"a": "b"}),
        "log": lambda client: client.log("abc", [Point("a", 0.5, 1, 0)], {"p": "1"}, {"t": "x"}),
        "model": lambda client: client.log_model("7", "abc", _MODEL, b""),
        "data": lambda client: client.log_data("abc", [_DATA]),
        "register": lambda client: client.register("name", "m-1", "abc", {"a": "b"}, "text", ("champion",)),
        "end": lambda client: client.end("abc", "FINISHED", 5),
        "check": lambda client: check_tracking(_address()),
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: tuple[int, list[tuple[str, str]], bytes] = (200, [], _as_json(_ANSWER))


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _reply(self) -> None:
        code, headers, body = self.server.answer
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(code)
        names = {name for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _reply

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@functools.cache
def _server() -> _Server:
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _address() -> str:
    return f"http://127.0.0.1:{_server().server_port}"


@functools.cache
def _client() -> MlflowTracking:
    return MlflowTracking(_address())


def _attempt(given: tuple[str, int, list[tuple[str, str]], bytes], folder: Path) -> Verdict:
    call, code, headers, body = given
    _server().answer = (code, headers, body)
    return library(lambda: _calls()[call](_client()), TrackingError, EnvironmentRefused)


KIND: Final = Kind(inputs=_inputs(), attempt=_attempt, examples=200, prepare=_client)

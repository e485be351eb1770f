"""One HTTP call to a tracking server without MLflow: as the same user, with the same certificates and patience as its client."""

from __future__ import annotations

import base64
import configparser
import http.client
import json
import os
import ssl
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from orchestration.tracking.addresses import ANSWER_S
from orchestration.tracking.server.deadline import within

CONNECT_S: Final = 5.0
MOST_BYTES: Final = 64 * 2**20
"""Bytes that an answer may have; a thousand experiments with their views have about 10 MB."""
CA_VARIABLE: Final = "MLFLOW_TRACKING_SERVER_CERT_PATH"
_CA_VARIABLES: Final = (CA_VARIABLE, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which MLflow's client reads them."""
_YES: Final = frozenset({"true", "1"})


def ask(uri: str, path: str, body: object = None) -> dict[str, Any]:
    """Return the JSON object that a tracking server answers with.

    Args:
        uri: http(s)://server, perhaps with a user and password.
        body: What is posted as JSON; None asks with GET.

    Raises:
        OSError: If it does not answer in time (`urllib.error.HTTPError` where it answers with an error), or a file of
            certificates cannot be read.
        ValueError: If the answer is no JSON object, or has no end.
        http.client.HTTPException: If it is no HTTP.
    """
    parts = urlsplit(uri)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{bare.rstrip('/')}{path}", data=data)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    authorization = _authorization(parts.username, parts.password)
    if authorization:
        request.add_unredirected_header("Authorization", authorization)  # not to where a redirect leads
    opener = urllib.request.build_opener(_PatientHandler, _PatientTlsHandler(context=tls_context()))

    def call() -> bytes:
        with opener.open(request, timeout=CONNECT_S) as answer:
            text: bytes = answer.read(MOST_BYTES + 1)
            return text

    text = within(CONNECT_S + answer_s() + 1, call)
    if len(text) > MOST_BYTES:
        raise ValueError(f"its answer has more than {MOST_BYTES // 2**20} MiB")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError("its answer is no JSON: perhaps a proxy or a login page answers") from error
    if not isinstance(found, dict):
        raise ValueError("its answer is no JSON object")
    return found


def answer_s() -> float:
    """Return the seconds that a server may take for an answer."""
    try:
        return float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", ANSWER_S))
    except ValueError:
        return ANSWER_S


def tls_context() -> ssl.SSLContext:
    """Return what https trusts and shows, by MLflow's own variables.

    Raises:
        OSError: If a file of certificates cannot be read, with its variable in the text.
    """
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in _YES:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    variable = next((name for name in _CA_VARIABLES if os.environ.get(name)), "")
    place = os.environ.get(variable, "")
    try:
        is_folder = bool(place) and Path(place).is_dir()
        context = ssl.create_default_context(
            cafile=place if place and not is_folder else None, capath=place if is_folder else None
        )
        mine = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
        if mine:
            variable, place = "MLFLOW_TRACKING_CLIENT_CERT_PATH", mine
            context.load_cert_chain(mine)
    except OSError as error:  # ssl.SSLError is one
        raise OSError(
            f"{variable} must name a file of certificates (PEM), but '{place}' is not one: {error}"
        ) from error
    return context


def _authorization(user: str | None, password: str | None) -> str:
    """Return how this user says who it is, in MLflow's order: a name with its password before a token."""
    of_file = _credentials_file()
    name = os.environ.get("MLFLOW_TRACKING_USERNAME") or of_file.get("mlflow_tracking_username")
    word = os.environ.get("MLFLOW_TRACKING_PASSWORD") or of_file.get("mlflow_tracking_password")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if not (name and word) and not token and user:
        name, word = unquote(user), unquote(password or "")
    if name and word is not None:
        return f"Basic {base64.b64encode(f'{name}:{word}'.encode()).decode()}"
    return f"Bearer {token}" if token else ""


def _credentials_file() -> dict[str, str]:
    """Return what `~/.mlflow/credentials` says, where there is one."""
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read(Path("~/.mlflow/credentials").expanduser(), encoding="utf-8")
    except (configparser.Error, ValueError, OSError, RuntimeError):
        return {}
    return dict(found["mlflow"]) if "mlflow" in found else {}


class _PatientConnection(http.client.HTTPConnection):
    """Gives a server seconds to accept a connection, and then as long to answer as MLflow's own client does."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(answer_s())


class _PatientTlsConnection(http.client.HTTPSConnection):
    """The same for https."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(answer_s())


class _PatientHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_PatientConnection, request)


class _PatientTlsHandler(urllib.request.HTTPSHandler):
    def __init__(self, *, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._trust = context

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_PatientTlsConnection, request, context=self._trust)

"""A tracking server that is slow is waited for; one that is not there is told within seconds."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestration.errors import EnvironmentRefused
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.server.http_call import CONNECT_S

LONGER_THAN_A_CONNECTION_S = 6.0


@contextmanager
def answering(after_s: float, code: int = 200) -> Iterator[str]:
    """Serve every request after some seconds, as a busy server does; yield the address."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(after_s)
            with contextlib.suppress(BrokenPipeError):  # nobody waits any more
                self.send_response(code)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def usual_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)


def test_a_server_that_answers_after_longer_than_a_connection_may_take_is_healthy() -> None:
    assert CONNECT_S < LONGER_THAN_A_CONNECTION_S
    with answering(after_s=LONGER_THAN_A_CONNECTION_S) as address:
        check_tracking(address)


def test_a_slow_refusal_is_told_as_the_refusal_that_it_is() -> None:
    with answering(after_s=1.0, code=403) as address, pytest.raises(EnvironmentRefused, match="refuses with 403"):
        check_tracking(address)


def test_the_patience_is_that_of_the_client_of_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with answering(after_s=3.0) as address, pytest.raises(EnvironmentRefused, match=r"does not \(timed out\)"):
        check_tracking(address)


def test_an_answer_that_is_no_http_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"220 mail at your service\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(EnvironmentRefused, match="the tracking server must answer, but"):
            check_tracking(f"http://127.0.0.1:{listener.getsockname()[1]}")


def test_nobody_there_is_told_at_once() -> None:
    began = time.monotonic()

    with pytest.raises(EnvironmentRefused, match="refused"):
        check_tracking("http://127.0.0.1:9")
    assert time.monotonic() - began < CONNECT_S

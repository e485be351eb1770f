"""Notifications: what is sent, and that neither a bad server nor a message can hurt."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from orchestration.cli import main
from orchestration.errors import InputError
from orchestration.runs.notify import Webhook, message_of, notify, webhook_of


class Receiver(HTTPServer):
    """A webhook on loopback that remembers what it was sent and answers with a status."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook/secret-token"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_message_names_sweep_status_and_the_first_failures(receiver: Receiver) -> None:
    message = message_of("demo", "failed", computed=3, failed={f"cell{n}": "nan" for n in range(9)}, wall_s=61.2)

    assert notify(Webhook(receiver.url), message) is None

    (sent,) = receiver.received
    assert sent["text"].startswith("dreamgrid demo: failed, 3 cells computed in 61 s, 9 failed: cell0: nan")
    assert (sent["sweep"], sent["status"], len(sent["failed"])) == ("demo", "failed", 5)


def test_a_server_that_refuses_or_is_away_is_told_without_its_address(receiver: Receiver) -> None:
    receiver.status = 500
    refused = notify(Webhook(receiver.url), message_of("demo", "complete"))
    away = notify(Webhook("http://127.0.0.1:9/hook/secret-token"), message_of("demo", "complete"), timeout_s=2.0)

    assert "HTTP status 500" in str(refused)
    assert "could not be sent" in str(away)
    assert "secret-token" not in f"{refused}{away}{Webhook(receiver.url)!r}"


def test_the_address_comes_from_the_option_or_else_from_the_environment() -> None:
    environment = {"DREAMGRID_WEBHOOK": "https://example.org/b"}

    assert webhook_of("https://example.org/a", environment) == Webhook("https://example.org/a")
    assert webhook_of(None, environment) == Webhook("https://example.org/b")
    assert webhook_of(None, {}) is None


@pytest.mark.parametrize(
    "url", ["ftp://example.org/secret-token", "secret-token", "http:///secret-token", "http://[secret-token"]
)
def test_something_else_than_a_web_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError, match="must begin with http") as caught:
        Webhook(url)

    assert "secret-token" not in str(caught.value)


def test_a_run_that_cannot_start_notifies_too(
    receiver: Receiver, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--storage", str(tmp_path), "--data-root", str(tmp_path / "none"), "--notify", receiver.url]

    assert main(["run", "table-10", *options]) == 2

    (sent,) = receiver.received
    assert (sent["status"], sent["reason"]) == ("refused", "ended with InputError")
    assert "secret-token" not in capsys.readouterr().err

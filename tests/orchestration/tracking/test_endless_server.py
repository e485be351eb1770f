"""A tracking server whose answers have no end, in drops or as a flood: nothing waits for it, and nothing fills memory."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestration.errors import EnvironmentRefused
from orchestration.tracking.contract import EndlessAnswer, TrackingError
from orchestration.tracking.driver.tracker import open_tracker
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.server import deadline
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.server.deadline import Overdue, within

FLOOD = b"[" * 2**20


@contextmanager
def endless(kind: str) -> Iterator[str]:
    """Answer every request with bytes that never end: one a tenth of a second, of the headers or the body; or many."""
    over = threading.Event()

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):  # the caller has hung up
                if kind == "dripping headers":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                else:
                    self.send_response(200)
                    self.end_headers()
                while not over.is_set():
                    self.wfile.write(FLOOD if kind == "flood" else b"[")
                    self.wfile.flush()
                    time.sleep(0 if kind == "flood" else 0.1)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        for thread in threading.enumerate():  # what was given up still reads, and puts a whole flood together
            if thread.name == "tracking-call":
                thread.join(60.0)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


@pytest.mark.parametrize("kind", ["dripping headers", "dripping body"])
def test_a_server_that_drips_is_told_before_anything_starts(kind: str) -> None:
    with endless(kind) as address, pytest.raises(EnvironmentRefused, match=r"did not end within 7 s\); start it"):
        check_tracking(address)


def test_a_server_that_floods_is_told_before_anything_starts() -> None:
    with endless("flood") as address, pytest.raises(EnvironmentRefused, match="its answer has more than 64 MiB"):
        check_tracking(address)


@pytest.mark.slow
def test_the_client_of_mlflow_gives_up_a_server_that_drips() -> None:
    import mlflow  # its own seconds are no part of the patience

    assert mlflow
    began = time.monotonic()
    with endless("dripping body") as address, pytest.raises(TrackingError, match="did not end within 5 s") as refusal:
        MlflowTracking(address)
    assert refusal.value.passing, "it may be well again later"
    assert time.monotonic() - began < 30


def test_a_flood_ends_the_process_that_it_would_fill(store: Any, lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "MOST_MEMORY", 64 * 2**20)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # memory that was freed before is filled first
    with endless("flood") as address, pytest.raises(EndlessAnswer, match="has more than 64 MiB") as refusal:
        MlflowTracking(address)
    assert not refusal.value.passing


@pytest.mark.slow
def test_a_run_goes_on_while_its_writer_gives_up_a_server_that_drips(store: Any, lab: Any) -> None:
    plan = lab.plan()
    with endless("dripping body") as address:
        tracker = open_tracker(address, store, grace_s=1.0)
        tracker.run_started(plan)
        tracker.run_ended(plan, "complete")
        trouble = tracker.close(120.0)

    assert trouble is not None
    assert "does not end its answers" in trouble
    assert "wait for `sync`" in trouble


def test_a_call_that_ends_in_time_gives_what_it_gives() -> None:
    assert within(5.0, lambda: 3) == 3
    assert within(5.0, lambda: time.sleep(0.3)) is None
    with pytest.raises(KeyError, match="lost"):
        within(5.0, lambda: {}["lost"])
    with pytest.raises(Overdue, match="within 0 s"):
        within(0.2, lambda: time.sleep(2.0))

"""Tracking servers that refuse everything, or that are not there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def answering(status: int | None) -> Iterator[str]:
    """Yield the address of a server that answers every request with a status, or of a port that nobody listens at."""
    if status is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            # Bound but not listened at: a connection is refused, and nobody else gets the port.
            yield f"http://127.0.0.1:{probe.getsockname()[1]}"
        return

    class Refusing(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

        def _refuse(self) -> None:
            self.send_response(status or 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = _refuse

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, name="refusing-server", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()

"""The first page of the UI: one page of ours on loopback, that links into MLflow. It answers to this machine's own names only."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from orchestration.tracking.server.exposure import LOOPBACK, LOOPBACKS

_CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@contextmanager
def front_page(build: Callable[[], str], port: int = 0) -> Iterator[str]:
    """Serve a page on loopback while the block runs; yield its address.

    Args:
        build: Makes the page, at each look at it; one look at a time.
        port: Port on loopback, 0 for a free one; one that is taken is replaced by a free one.
    """
    lock = threading.Lock()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            status, text = self._found()
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", _CONTENT_POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if with_body:
                with contextlib.suppress(OSError):  # the browser has gone
                    self.wfile.write(content)

        def _found(self) -> tuple[int, str]:
            # Another site's name that points at this machine must not read the page (DNS rebinding).
            name = self.headers.get("Host", "").rpartition(":")[0].strip("[]")
            if name not in LOOPBACKS:
                return 403, "this page answers to localhost only"
            if self.path.partition("?")[0] != "/":
                return 404, "there is one page: /"
            with lock:
                return 200, build()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = _listening(Page, port)
    thread = threading.Thread(target=server.serve_forever, name="front-page", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _listening(page: type[BaseHTTPRequestHandler], port: int) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((LOOPBACK, port), page)
    except OSError:
        return ThreadingHTTPServer((LOOPBACK, 0), page)

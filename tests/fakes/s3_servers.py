"""S3-compatible servers in a thread of this process that honour conditional writes, ignore them, or do not implement them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

Conditions = Literal["honours", "ignores", "501", "501 without a document"]
_CONDITION = "HTTP_IF_NONE_MATCH"
_NOT_IMPLEMENTED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NotImplemented</Code><Message>a header implies what is not implemented</Message></Error>"""


class ConditionalServer:
    """The server of moto behind a filter of conditional writes.

    Attributes:
        requests: Method and path of every request, as they came.
    """

    def __init__(self, conditions: Conditions) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._conditions = conditions
        self._inner = DomainDispatcherApplication(create_backend_app)
        self._writing = threading.Lock()
        self.requests: list[tuple[str, str]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (the interface of WSGI)."""
        self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if _CONDITION not in environ:
            return list(self._inner(environ, start))
        if self._conditions == "honours":
            with self._writing:  # moto looks first and writes then: two requests at once could both find nothing
                return list(self._inner(environ, start))
        if self._conditions == "ignores":
            del environ[_CONDITION]
            return list(self._inner(environ, start))
        body = _NOT_IMPLEMENTED if self._conditions == "501" else b""
        start("501 Not Implemented", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def conditional_server(conditions: Conditions) -> Iterator[tuple[str, ConditionalServer]]:
    """Serve on a free port of loopback; yield the address and the server."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = ConditionalServer(conditions)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", application
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()

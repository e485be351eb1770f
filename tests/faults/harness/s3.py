"""An object store in this process, and a proxy before it that fails as real endpoints do."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

import boto3

from tests.fakes.s3_servers import Conditions, conditional_server

_HOP: Final = frozenset({"connection", "transfer-encoding", "keep-alive", "host", "content-length", "date", "server"})
KEY: Final = "faults"


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on to a server, or fails them.

    Attributes:
        mode: "pass"; "dead" (the connection is cut), "slow" (each answer takes `slow_s`), "500", "503", "truncate" (half of
            each body).
        counts: Mode -> requests that met it.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.mode = "pass"
        self.slow_s = 3.0
        self.counts: dict[str, int] = {}
        threading.Thread(target=self.serve_forever, name="faulty-proxy", daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def for_a_while(self, mode: str, seconds: float) -> None:
        """Fail for some seconds, then work again."""
        self.mode = mode
        time.sleep(seconds)
        self.mode = "pass"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        mode = self.server.mode
        self.server.counts[mode] = self.server.counts.get(mode, 0) + 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if mode == "dead":
            self.close_connection = True
            return
        if mode in ("500", "503"):
            self._send(int(mode), {}, b"")
            return
        if mode == "slow":
            time.sleep(self.server.slow_s)
        self._send(*self._upstream(body), is_cut=mode == "truncate")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

    def _upstream(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        with contextlib.closing(http.client.HTTPConnection(self.server.upstream, timeout=60)) as connection:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if self.command == "HEAD":
                kept["Content-Length"] = answer.getheader("Content-Length") or "0"
            return answer.status, kept, answer.read()

    def _send(self, status: int, headers: dict[str, str], body: bytes, *, is_cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut and body:
            self.close_connection = True


@contextlib.contextmanager
def object_store(conditions: Conditions) -> Iterator[tuple[FaultyProxy, dict[str, str]]]:
    """Yield a proxy before an empty object store with the bucket `faults`, and the variables by which a process reaches it.

    Args:
        conditions: What the store makes of conditional writes.
    """
    with conditional_server(conditions) as (address, _):
        proxy = FaultyProxy(address)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        variables = {"AWS_ENDPOINT_URL": proxy.url, "AWS_DEFAULT_REGION": "us-east-1", **dict.fromkeys(names, KEY)}
        try:
            client_of(address).create_bucket(Bucket=KEY)
            yield proxy, variables
        finally:
            proxy.shutdown()
            proxy.server_close()


def client_of(url: str) -> Any:
    """Return a client of an object store."""
    return boto3.session.Session().client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=KEY
    )


@contextlib.contextmanager
def flipped_at_rest(url: str, prefix: str) -> Iterator[int]:
    """Flip a bit in the middle of every object under a prefix of the bucket for a while; yield how many there are."""
    client: Any = client_of(url)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=KEY, Prefix=prefix)
    names = [found["Key"] for page in pages for found in page.get("Contents", ())]
    whole = {name: client.get_object(Bucket=KEY, Key=name)["Body"].read() for name in names}
    for name, data in whole.items():
        middle = len(data) // 2
        client.put_object(Bucket=KEY, Key=name, Body=data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    try:
        yield len(whole)
    finally:
        for name, data in whole.items():
            client.put_object(Bucket=KEY, Key=name, Body=data)

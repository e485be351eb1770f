"""Addresses where no running Ray answers: one line within seconds, for every verb that takes one; and nothing of Ray's log."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import ClusterError
from clusters.ray_api import address as module
from clusters.ray_api import jobs
from clusters.ray_api.address import check_address, host_and_port, named_address
from orchestration.cli import main

HOST = "127.0.0.2"
"""A loopback address that Ray takes as it is."""

LIMIT_S = 15.0


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than for real, and have no address or token in the environment."""
    monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    monkeypatch.setattr(module, "ANSWER_S", 1.0)
    monkeypatch.setattr(jobs, "ANSWER_S", 1.0)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/nowhere")


class _Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<html>a page</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def silent_server(stack: contextlib.ExitStack, host: str = HOST) -> int:
    """Accept connections and say nothing."""
    server = stack.enter_context(socket.create_server((host, 0)))
    return int(server.getsockname()[1])


def speaking_server(stack: contextlib.ExitStack, greeting: bytes) -> int:
    """Greet everybody who comes, as servers of mail and shells do."""
    server = stack.enter_context(socket.create_server((HOST, 0)))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                opened, _ = server.accept()
                with opened:
                    opened.sendall(greeting)
                    opened.recv(1024)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def web_server(stack: contextlib.ExitStack, host: str = HOST) -> int:
    server = ThreadingHTTPServer((host, 0), _Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return int(server.server_address[1])


def closed_port(stack: contextlib.ExitStack) -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def grpc_server(stack: contextlib.ExitStack, methods: dict[str, Callable[..., bytes]] | None = None) -> int:
    """Serve gRPC without any of a control store's methods but those that are given."""
    import grpc

    server = grpc.server(futures.ThreadPoolExecutor(2))
    for path, method in (methods or {}).items():
        _, service, name = path.split("/")
        handler = grpc.unary_unary_rpc_method_handler(method)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    stack.callback(lambda: server.stop(None).wait())
    return int(port)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as opened:
        yield opened


def refusal(address: str | None) -> str:
    """Return the one line by which an address is refused."""
    began = time.monotonic()
    with pytest.raises(ClusterError) as caught:
        check_address(address)
    assert time.monotonic() - began < LIMIT_S
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_longest_wait_is_within_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert module.PATIENCE_S + 2 * module.ANSWER_S <= 13
    assert jobs.ANSWER_S * 2 <= 13


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (closed_port, "nothing listens there; check host and port"),
        (silent_server, "what listens there says nothing"),
        (web_server, "a web server listens there"),
        (grpc_server, "another gRPC server listens there"),
        (lambda stack: speaking_server(stack, b"SSH-2.0-OpenSSH_9.6\r\n"), "another program listens there"),
        (lambda stack: speaking_server(stack, b""), "hangs up|says nothing"),
    ],
    ids=["closed", "silent", "web", "grpc", "ssh", "hangs-up"],
)
def test_a_port_without_a_control_store_is_refused(
    server: Callable[[contextlib.ExitStack], int], expected: str, stack: contextlib.ExitStack
) -> None:
    port = server(stack)

    with pytest.raises(ClusterError, match=expected):
        check_address(f"{HOST}:{port}")
    assert f"'{HOST}:{port}'" in refusal(f"{HOST}:{port}")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("no-such-host.invalid:6379", "'no-such-host.invalid' does not resolve"),
        ("ray://127.0.0.1:10001", "is one of Ray Client"),
        ("http://127.0.0.1:8265", "`dreamgrid submit SWEEP --address http://127.0.0.1:8265`"),
        ("gopher://127.0.0.1:70", "must be HOST:PORT"),
        ("head", "must be HOST:PORT"),
        ("head:0", "must be HOST:PORT"),
        ("::1:6379", "must be HOST:PORT"),
    ],
)
def test_an_address_of_another_kind_is_refused_with_the_way_to_do_it(address: str, expected: str) -> None:
    assert expected in refusal(address)


def test_a_look_up_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def hang(*_: Any, **__: Any) -> None:
        is_over.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    assert "does not resolve" in refusal("slow-name:6379")
    is_over.set()


@pytest.mark.parametrize(("server", "expected"), [(silent_server, "says nothing"), (web_server, "a web server")])
def test_a_server_on_loopback_alone_is_not_where_ray_looks(
    server: Callable[..., int], expected: str, stack: contextlib.ExitStack
) -> None:
    port = server(stack, "127.0.0.1")

    assert expected in refusal(f"127.0.0.1:{port}")


def test_a_tunnel_to_a_head_is_refused_since_ray_does_not_take_it(
    monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack
) -> None:
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.9")
    with socket.create_server(("127.0.0.1", 0)) as tunnel:
        port = tunnel.getsockname()[1]

        def serve() -> None:
            with tunnel.accept()[0] as opened:
                opened.sendall(b"\0\0\0\4\0\0\0\0\0")
                opened.recv(1024)

        threading.Thread(target=serve, daemon=True).start()
        text = refusal(f"127.0.0.1:{port}")

    assert f"Ray reads as '127.0.0.9:{port}'" in text
    assert "dreamgrid submit" in text


def test_the_variable_counts_and_is_named(monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack) -> None:
    address = f"{HOST}:{closed_port(stack)}"
    monkeypatch.setenv("RAY_ADDRESS", address)

    for given in (None, "auto"):
        text = refusal(given)
        assert f"'{address}' (RAY_ADDRESS)" in text
        assert text.endswith("unset RAY_ADDRESS to run on this machine alone")
    assert "RAY_ADDRESS" not in refusal(f"{HOST}:{closed_port(stack)}")


def test_without_any_address_a_private_ray_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_address(None, {}) is None
    assert named_address("local", {"RAY_ADDRESS": "x:1"}) is None
    assert named_address(None, {"RAY_ADDRESS": "local"}) is None
    check_address(None)


def test_auto_without_a_ray_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_running_stores", list)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    assert "'auto' needs a Ray that runs on this machine, but none was found; start one" in refusal("auto")


def test_auto_with_what_a_dead_ray_left_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    monkeypatch.setattr(module, "_running_stores", list)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"{HOST}:{closed_port(stack)}\n")

    assert "(found by 'auto': the last that `ray start` started here), but nothing listens there" in refusal("auto")


def test_auto_among_several_asks_for_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_running_stores", lambda: ["10.0.0.1:1", "10.0.0.1:2"])
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    assert "there are 2; name one: 10.0.0.1:1, 10.0.0.1:2" in refusal("auto")


@pytest.mark.parametrize("private", [["127.0.0.1:1"], ["127.0.0.1:1", "[::1]:2"]])
def test_auto_does_not_find_the_private_ray_of_another_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private: list[str]
) -> None:
    monkeypatch.setattr(module, "_running_stores", lambda: private)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    assert "'auto' needs a Ray that runs on this machine, but none was found; start one" in refusal("auto")


def test_a_store_that_refuses_the_token_is_told_from_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack
) -> None:
    import grpc

    def alive(request: bytes, context: Any) -> bytes:
        if ("authorization", "Bearer right") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        return b""

    address = f"{HOST}:{grpc_server(stack, {module._ALIVE: alive})}"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")

    # Ray sends a token to a named address only where it is told to.
    assert "must be given its token, but none is sent" in refusal(address)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    check_address(address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    assert "but refuses this one" in refusal(address)


def test_a_store_of_a_version_that_renamed_its_call_passes(stack: contextlib.ExitStack) -> None:
    check_address(f"{HOST}:{grpc_server(stack, {module._HEALTH: lambda request, context: b''})}")


def test_with_encryption_only_the_port_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack
) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")

    check_address(f"{HOST}:{silent_server(stack)}")


def test_a_head_that_is_starting_is_waited_for(stack: contextlib.ExitStack) -> None:
    port = closed_port(stack)
    opened: list[socket.socket] = []
    threading.Timer(0.4, lambda: opened.append(socket.create_server((HOST, port)))).start()

    assert "says nothing" in refusal(f"{HOST}:{port}")
    opened[0].close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("head:6379", ("head", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("a:b:1", None),
        (":1", None),
        ("head:70000", None),
        ("head:²", None),
        ("a/b:1", None),
    ],
)
def test_hosts_and_ports_are_read(text: str, expected: tuple[str, int] | None) -> None:
    assert host_and_port(text) == expected


VERBS = {
    "run": ["run", "demo", "--smoke", "--tracking-uri", "none"],
    "screen": ["screen", "demo", "--smoke"],
    "doctor": ["doctor", "--tracking-uri", "none"],
    "submit": ["submit", "demo", "--smoke"],
}


@pytest.mark.parametrize("server", [closed_port, silent_server, web_server], ids=["closed", "silent", "web"])
@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_says_it_in_one_line_and_exits_with_3(
    verb: str,
    server: Callable[[contextlib.ExitStack], int],
    stack: contextlib.ExitStack,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address = f"{HOST}:{server(stack)}"
    given = f"http://{address}" if verb == "submit" else address
    began = time.monotonic()

    assert main([*VERBS[verb], "--storage", str(tmp_path / "storage"), "--address", given]) == 3

    assert time.monotonic() - began < LIMIT_S
    printed = capfd.readouterr()
    lines = [line for line in (printed.out + printed.err).splitlines() if address in line and "must answer" in line]
    assert len(lines) == 1
    assert verb == "doctor" or (printed.err.count("\n"), printed.out) == (1, "")
    assert "GCS" not in printed.err + printed.out


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "head:1:2", f"{HOST}:1"])
def test_submit_refuses_addresses_of_other_kinds(
    address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", "demo", "--storage", str(tmp_path), "--address", address]) == 3

    assert capfd.readouterr().err.count("\n") == 1


def test_files_that_options_of_a_submitted_run_name_are_those_of_the_cluster(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--cluster-file", "/on/the/head/cluster.yaml", "--storage", str(tmp_path)]
    assert main(["submit", "demo", *options, "--address", f"{HOST}:1"]) == 3
    assert "cluster.yaml" not in capfd.readouterr().err

    assert main(["submit", "demo", *options, "--mode", "nonsense", "--grow-to", "gpu"]) == 2
    said = capfd.readouterr().err
    assert "2 mistakes" in said
    assert "cluster.yaml" not in said

    assert main(["run", "demo", *options, "--mode", "nonsense", "--grow-to", "gpu"]) == 2
    said = capfd.readouterr().err
    assert "3 mistakes" in said
    assert "a cluster file must be readable, but /on/the/head/cluster.yaml is not" in said


def test_an_address_that_is_given_to_submit_counts_more_than_the_variables(
    monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.3:1")
    submit = ["submit", "demo", "--storage", str(tmp_path)]
    seen: list[Any] = []

    def client(address: str) -> object:
        seen.append((address, os.environ.get("RAY_ADDRESS")))
        raise RuntimeError("seen")

    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", client)
    monkeypatch.setattr(jobs, "_check_version", lambda named: None)

    assert main([*submit, "--address", f"http://{HOST}:2"]) == 3
    assert main(submit) == 3

    assert seen == [(f"http://{HOST}:2", None), ("http://127.0.0.3:1", None)]
    assert os.environ["RAY_ADDRESS"] == "http://127.0.0.3:1"
    assert "'http://127.0.0.3:1' (RAY_ADDRESS)" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_real_head_passes_and_a_wrong_token_is_one_line(ray_head: Any, tmp_path: Path) -> None:
    check = [
        "-c",
        "import sys; from clusters.ray_api.address import check_address; check_address(sys.argv[1])",
        ray_head.address,
    ]

    passed = ray_head.run(sys.executable, *check)
    refused = ray_head.dreamgrid(
        "run", "demo", "--smoke", "--storage", str(tmp_path), "--address", ray_head.address, RAY_AUTH_TOKEN="f" * 64
    )

    assert passed.returncode == 0, passed.stderr
    assert refused.returncode == 3
    assert "but refuses this one" in refused.stderr
    assert refused.stderr.count("\n") == 1

"""Whether a running Ray answers at an address: checked within seconds, and before Ray itself tries.

Ray waits for a minute and a half for a control store that is not there, and prints lines of its log meanwhile. Here a socket is
opened, the first frame of HTTP/2 awaited (a control store speaks gRPC), and the store asked whether it is alive.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from clusters.errors import ClusterError

PATIENCE_S: Final = 5.0
"""A host that has no name or a port that is closed may be one of a head that is starting: it is tried again so long."""

ANSWER_S: Final = 4.0
"""Seconds that what listens has for its first answer."""

ADDRESS_VARIABLE: Final = "RAY_ADDRESS"
_RETRY_S: Final = 0.5
_HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS_FRAME: Final = 4
_HEALTH: Final = "/grpc.health.v1.Health/Check"
_ALIVE: Final = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_RULE: Final = "an address must be HOST:PORT of the head node of a running Ray, or 'auto' on one of its nodes"
_ELSEWHERE: Final = (
    "give the head node's (its usual port is 6379), or use `dreamgrid submit`, which works from anywhere"
)


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """An address, and where it was read if it was not given."""

    text: str
    origin: str = ""

    def __str__(self) -> str:
        return f"'{self.text}'" + (f" ({self.origin})" if self.origin else "")

    @property
    def fix(self) -> str:
        """What to do where no address was meant."""
        return f"; unset {ADDRESS_VARIABLE} to run on this machine alone" if self.origin == ADDRESS_VARIABLE else ""


def named_address(address: str | None, environment: Mapping[str, str] | None = None) -> NamedAddress | None:
    """Return the address of the Ray that is to be used, or None for a private one; Ray reads RAY_ADDRESS for 'auto' too."""
    variable = (os.environ if environment is None else environment).get(ADDRESS_VARIABLE, "")
    if address in (None, "", "auto") and variable:
        return None if variable == "local" else NamedAddress(variable, ADDRESS_VARIABLE)
    return None if address in (None, "", "local") else NamedAddress(str(address))


def check_address(address: str | None) -> None:
    """Check that a running Ray answers at an address and takes this process's token.

    None passes without RAY_ADDRESS, and so does everything in a process that is connected. Takes `PATIENCE_S` + 2 x `ANSWER_S`
    seconds at most.

    Raises:
        ClusterError: If nothing does; the message has the address, what is wrong with it, and the fix.
    """
    named, ray = named_address(address), sys.modules.get("ray")
    if named is None or (ray is not None and ray.is_initialized()):
        return
    if named.text == "auto":
        _check_answers(_found_here(), _sends_token(is_auto=True))
    else:
        _check_form(named)
        _check_answers(named, _sends_token(is_auto=False))


def cluster_token(environment: Mapping[str, str] | None = None) -> str:
    """Return the token from where Ray looks for one: RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token; "" if none."""
    variables = os.environ if environment is None else environment
    given = variables.get("RAY_AUTH_TOKEN", "").strip()
    if given:
        return given
    path = Path(variables.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def host_and_port(text: str) -> tuple[str, int] | None:
    """Return the two parts of HOST:PORT, of an IPv6 address in brackets too, or None for other texts."""
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    if not host or (":" in host and not is_bracketed) or "/" in host or not port.isascii() or not port.isdigit():
        return None
    return (host, int(port)) if 0 < int(port) < 65536 else None


def scheme_of(text: str) -> str:
    """Return what precedes "://" in an address, or ""."""
    found = _SCHEME.match(text)
    return found[1] if found else ""


def _check_form(named: NamedAddress) -> None:
    scheme = scheme_of(named.text)
    if scheme in ("http", "https"):
        raise ClusterError(
            f"{_RULE}, but {named} is a job server's; give it to `dreamgrid submit SWEEP --address {named.text}`{named.fix}"
        )
    if scheme == "ray":
        raise ClusterError(
            f"{_RULE}, but {named} is one of Ray Client, through which sweeps cannot run; {_ELSEWHERE}{named.fix}"
        )
    if host_and_port(named.text) is None:
        raise ClusterError(f"{_RULE}, but got {named}; {_ELSEWHERE}{named.fix}")


def _found_here() -> NamedAddress:
    """Return the address that Ray will take for 'auto': of the only Ray on this machine, else of the one started here last."""
    running, recorded = _running_stores(), _recorded_address()
    # A private Ray of another driver is on loopback, and nobody has its token.
    shared = [address for address in running if not _is_on_loopback(address)]
    if len(running) == 1 and shared:
        return NamedAddress(running[0], "found by 'auto'")
    if recorded:
        return NamedAddress(recorded, "found by 'auto': the last that `ray start` started here")
    if shared:
        raise ClusterError(
            f"'auto' needs one Ray on this machine, but there are {len(running)}; name one: {', '.join(shared)}"
        )
    raise ClusterError(
        "'auto' needs a Ray that runs on this machine, but none was found; start one (`ray start --head`), give HOST:PORT of a "
        "head node, or leave the address out to run on this machine alone"
    )


def _is_on_loopback(address: str) -> bool:
    parts = host_and_port(address)
    try:
        return parts is not None and ipaddress.ip_address(parts[0]).is_loopback
    except ValueError:
        return False


def _running_stores() -> list[str]:
    """Return the addresses of control stores that raylets of this machine belong to."""
    found: list[str] = []
    for process in psutil.process_iter(["cmdline"]):
        words: Iterable[str] = process.info["cmdline"] or ()
        if any(Path(word).name == "raylet" for word in list(words)[:1]):
            found += [word.partition("=")[2] for word in words if word.startswith("--gcs-address=")]
    return sorted(set(filter(None, found)))


def _recorded_address() -> str:
    """Return the address that `ray start` has written down, or ""."""
    base = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir()
    try:
        return Path(base, "ray", "ray_current_cluster").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _sends_token(*, is_auto: bool) -> bool:
    """Return whether Ray will send a token: when it is told to, and to a Ray that it finds itself."""
    mode = os.environ.get("RAY_AUTH_MODE")
    return is_auto if mode is None else mode.lower() == "token"


def _check_answers(named: NamedAddress, sends_token: bool) -> None:
    parts = host_and_port(named.text)
    if parts is None:
        raise ClusterError(f"{_RULE}, but got {named}; {_ELSEWHERE}")
    host, port = _as_ray_calls_it(parts[0]), parts[1]
    try:
        opened = _opened(host, port)
    except OSError as error:
        if host != parts[0]:
            _check_not_on_loopback(named, parts, f"{host}:{port}")
        raise _unreachable(error, host, named) from error
    with opened:
        # Encrypted, it cannot be asked in plain text; Ray itself will say what is wrong.
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return
        _check_speaks_http2(opened, named)
    _check_alive(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", named, cluster_token() if sends_token else "")


def _as_ray_calls_it(host: str) -> str:
    """Return a host as Ray will call it: it replaces loopback addresses with this machine's own."""
    if host not in ("localhost", "127.0.0.1", "::1"):
        return host
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())


def _opened(host: str, port: int) -> socket.socket:
    """Open a connection; a name or a port that is not there yet is tried again for a while."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _connected([(one, port) for one in _looked_up(host, ends)], ends)
        except OSError:
            if time.monotonic() + _RETRY_S >= ends:
                raise
        time.sleep(_RETRY_S)


def _connected(places: Sequence[tuple[str, int]], ends: float) -> socket.socket:
    """Connect to the first of several places that answers; raise what the last says if none does."""
    for place in places[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection(place, timeout=max(_RETRY_S, (ends - time.monotonic()) / len(places)))
    return socket.create_connection(places[-1], timeout=max(_RETRY_S, ends - time.monotonic()))


def _check_not_on_loopback(named: NamedAddress, parts: tuple[str, int], read_as: str) -> None:
    """Check that nothing listens on loopback alone, where Ray does not look."""
    with contextlib.suppress(OSError), socket.create_connection(parts, timeout=ANSWER_S) as opened:
        _check_speaks_http2(opened, named)
        raise ClusterError(
            f"a running Ray must answer at {named}, which Ray reads as '{read_as}', but a tunnel or a server on loopback does; "
            f"run on the head node, or use `dreamgrid submit`, which works through a tunnel to port 8265{named.fix}"
        )


def _looked_up(host: str, ends: float) -> list[str]:
    """Return the IP addresses of a host by a deadline, which the system's own look-up knows nothing of."""
    found: list[str] = []
    errors: list[OSError] = []

    def look() -> None:
        try:
            found.extend(
                dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
            )
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=look, name="dreamgrid-lookup", daemon=True)
    thread.start()
    thread.join(max(0.1, ends - time.monotonic()))
    if found:
        return list(found)
    raise errors[0] if errors else socket.gaierror(socket.EAI_AGAIN, "no name server answers")


def _unreachable(error: OSError, host: str, named: NamedAddress) -> ClusterError:
    if isinstance(error, socket.gaierror):
        why, fix = f"the host name '{host}' does not resolve", "check its spelling, or give the IP address"
    elif isinstance(error, ConnectionRefusedError):
        why, fix = "nothing listens there", "check host and port, and that the cluster runs (`ray status` on its head)"
    else:
        text = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        why, fix = f"the host cannot be reached: {text}", "check the address, the network and firewalls"
    return ClusterError(f"a running Ray must answer at {named}, but {why}; {fix}{named.fix}")


def _check_speaks_http2(opened: socket.socket, named: NamedAddress) -> None:
    opened.settimeout(ANSWER_S)
    try:
        opened.sendall(_HTTP2_PREFACE)
        answer = opened.recv(64)
    except TimeoutError:
        raise _other(named, "what listens there says nothing") from None
    except OSError as error:
        raise _other(named, f"what listens there hangs up: {error.strerror or error}") from error
    if len(answer) >= 4 and answer[3] == _SETTINGS_FRAME and not answer.startswith((b"HTTP/", b"SSH-")):
        return
    if answer[:1] == b"<" or b"HTTP/" in answer:
        raise _other(named, "a web server listens there (8265 is the job server's port)")
    raise _other(named, "another program listens there" if answer else "what listens there hangs up")


def _check_alive(target: str, named: NamedAddress, token: str) -> None:
    """Ask the control store whether it is alive, as Ray's own clients do.

    The name of that call is Ray's own: an answer that it is unknown counts only together with that of the standard one, which
    a control store of any version has.
    """
    import grpc

    # As Ray does it: proxies are for the web.
    with grpc.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),)) as channel:

        def status(method: str) -> object:
            metadata = (("authorization", f"Bearer {token}"),) if token else ()
            try:
                channel.unary_unary(method)(b"", timeout=ANSWER_S / 2, metadata=metadata)
            except grpc.RpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        answer = status(_ALIVE)
        if answer is grpc.StatusCode.UNAUTHENTICATED:
            raise ClusterError(
                f"the cluster at {named} must be given its token, but {'refuses this one' if token else 'none is sent'}; set "
                f"RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token to that cluster's{named.fix}"
            )
        if answer is grpc.StatusCode.UNIMPLEMENTED and status(_HEALTH) is grpc.StatusCode.UNIMPLEMENTED:
            raise _other(named, "another gRPC server listens there (10001 is Ray Client's port)")


def _other(named: NamedAddress, what: str) -> ClusterError:
    return ClusterError(f"a running Ray must answer at {named}, but {what}; {_ELSEWHERE}{named.fix}")

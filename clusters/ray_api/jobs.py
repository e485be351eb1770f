"""A cluster's job server: submit a command with its folder, follow what it prints, learn how it ended, stop it.

Left to others: what the command is (`orchestration.runs.submit`) and what may be uploaded (`clusters.code.upload`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clusters.errors import ClusterError
from clusters.ray_api.address import ADDRESS_VARIABLE, NamedAddress, check_address, scheme_of

ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
ADDRESS_VARIABLES: Final = ("RAY_API_SERVER_ADDRESS", ADDRESS_VARIABLE)
ANSWER_S: Final = 5.0
"""Seconds that a job server has to accept a connection, and again to say its version."""

_RULE: Final = "the address of a job server must be like http://127.0.0.1:8265"
_FIX: Final = "check --address (http://127.0.0.1:8265 behind `ray dashboard`) and that the cluster runs"
_POLL_S: Final = 0.5
_RECONNECT_ATTEMPTS: Final = 10
_RECONNECT_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """What is to run.

    Attributes:
        entrypoint: Shell command; it runs in the unpacked copy of the folder, on the head node.
        environment: Variables for the command and all its workers; anybody who may list jobs can read them.
        metadata: Texts by which the job is found again.
        submission_id: Name of the job; a cluster takes each name once.
    """

    entrypoint: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    submission_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """How a job ended: "SUCCEEDED", "FAILED" or "STOPPED", the exit code of its command where it had one, and a message."""

    status: str
    exit_code: int | None
    message: str


class JobServer:
    """The job server at an address such as http://127.0.0.1:8265; its token comes from RAY_AUTH_TOKEN or ~/.ray/auth_token.

    Args:
        address: None for the one in RAY_API_SERVER_ADDRESS, or else RAY_ADDRESS, or else of the Ray on this machine.

    Raises:
        ClusterError: If it cannot be reached or refuses the token; every call may raise it.
    """

    def __init__(self, address: str | None) -> None:
        named = named_job_server(address)
        self._where = str(named)
        _check_answers(named)
        with self._explained(), _environment_without(*ADDRESS_VARIABLES):
            from ray.job_submission import JobSubmissionClient

            self._client: Any = JobSubmissionClient(named.text)

    def find(self, metadata: Mapping[str, str]) -> str | None:
        """Return the id of a job that is under way and bears this metadata, or None."""
        with self._explained():
            for job in self._client.list_jobs():
                is_same = metadata.items() <= (job.metadata or {}).items()
                if is_same and str(job.status) not in ENDED and job.submission_id and not self._is_lost(job):
                    return str(job.submission_id)
        return None

    def _is_lost(self, job: Any) -> bool:
        """Return whether the node of a job's command is gone: Ray calls such a job running after a new start of the head."""
        if not job.driver_node_id:
            return False
        answer = self._client._do_request("GET", "/nodes?view=summary")
        if answer.status_code != 200:
            return False
        nodes = [one["raylet"] for one in answer.json()["data"]["summary"]]
        return job.driver_node_id not in {one.get("nodeId") for one in nodes if one.get("state") == "ALIVE"}

    def submit(self, order: JobOrder) -> str:
        """Upload the folder, start the command and return the job's id."""
        with self._explained():
            return str(
                self._client.submit_job(
                    entrypoint=order.entrypoint,
                    submission_id=order.submission_id,
                    runtime_env={"working_dir": str(order.folder), "env_vars": dict(order.environment)},
                    metadata=dict(order.metadata),
                )
            )

    def follow(self, job: str, write: Callable[[str], object]) -> JobEnd:
        """Pass on what a job prints until it has ended; a broken connection is taken up where it broke."""
        log = _Log(write)
        for attempts_left in reversed(range(_RECONNECT_ATTEMPTS)):
            try:
                asyncio.run(self._tail(job, log))
                return self.wait(job)
            except (RuntimeError, OSError) as error:
                if not attempts_left:
                    raise ClusterError(
                        f"the log of job {job} cannot be followed: {_first_line(error)}; submit the sweep again to follow it"
                    ) from error
                time.sleep(_RECONNECT_S)
        raise AssertionError("the last attempt returns or raises")

    def wait(self, job: str) -> JobEnd:
        """Wait until a job has ended."""
        while True:
            with self._explained():
                info = self._client.get_job_info(job)
            if str(info.status) in ENDED:
                return JobEnd(status=str(info.status), exit_code=info.driver_exit_code, message=info.message or "")
            time.sleep(_POLL_S)

    def stop(self, job: str) -> JobEnd:
        """Ask a job's command to end (SIGTERM, later SIGKILL) and wait for it."""
        with self._explained():
            self._client.stop_job(job)
        return self.wait(job)

    async def _tail(self, job: str, log: _Log) -> None:
        log.restart()
        async for text in self._client.tail_job_logs(job):
            log.add(text)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from ray.exceptions import AuthenticationError, RayError

        try:
            yield
        except AuthenticationError as error:
            raise ClusterError(
                f"the job server at {self._where} demands its cluster's token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, "
                "or write the token to ~/.ray/auth_token"
            ) from error
        except (RuntimeError, ValueError, OSError, RayError) as error:
            raise ClusterError(f"the job server at {self._where} refuses: {_first_line(error)}; {_FIX}") from error


def named_job_server(address: str | None, environment: Mapping[str, str] | None = None) -> NamedAddress:
    """Return the job server that is to be used: the one that is given, else the environment's, else that of the Ray here."""
    variables = os.environ if environment is None else environment
    if address and address != "auto":
        return NamedAddress(address)
    found = next((name for name in ADDRESS_VARIABLES if variables.get(name)), None)
    return NamedAddress("auto") if found is None else NamedAddress(variables[found], found)


def _check_answers(named: NamedAddress) -> None:
    """Check within seconds that a job server answers; Ray's own client waits for ever for one that says nothing."""
    scheme = scheme_of(named.text)
    if not scheme:
        # Ray asks the control store where its job server is.
        check_address(named.text)
    elif scheme == "ray":
        raise ClusterError(f"{_RULE}, but {named} is one of Ray Client; {_FIX}")
    elif scheme in ("http", "https"):
        _check_version(named)


def _check_version(named: NamedAddress) -> None:
    import requests

    try:
        with requests.get(f"{named.text.rstrip('/')}/api/version", timeout=ANSWER_S, stream=True) as answer:
            status, start = answer.status_code, next(answer.iter_content(4096), b"")
    except requests.Timeout as error:
        raise ClusterError(
            f"a job server must answer at {named}, but nothing does within {ANSWER_S:.0f} s; {_FIX}"
        ) from error
    except requests.ConnectionError as error:
        raise ClusterError(f"a job server must answer at {named}, but none does; {_FIX}") from error
    except requests.RequestException as error:
        raise ClusterError(f"{_RULE}, but got {named} ({_first_line(error)}); {_FIX}") from error
    # Asked without a token: a server that demands one is a job server.
    if status not in (401, 403) and b"ray_version" not in start:
        raise ClusterError(
            f"a job server must answer at {named}, but another web server does (status {status}); {_FIX}"
        )


@contextmanager
def _environment_without(*names: str) -> Iterator[None]:
    """Hide variables while the body runs: Ray would prefer them to the address that it is given."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Log:
    """Passes a log on once, although the server sends it from its start whenever it is asked."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._written = 0
        self._seen = 0

    def restart(self) -> None:
        """The next text is the log's start."""
        self._seen = 0

    def add(self, text: str) -> None:
        """Take the log's next text and write what of it is new."""
        fresh = text[max(0, self._written - self._seen) :]
        self._seen += len(text)
        if fresh:
            self._write(fresh)
            self._written = self._seen


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

"""Opens trackers, checks tracking addresses before anything starts, and says where tracking lies when nobody says otherwise."""

from __future__ import annotations

import base64
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from eval.tables.column import Column
from orchestration.errors import EnvironmentRefused
from orchestration.tracking.addresses import folder_address, sqlite_file
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.tracker import MessageTracker, ProcessSink, Sink, ThreadSink, Tracker

if TYPE_CHECKING:
    import queue
    from collections.abc import Mapping
    from typing import Any

    from orchestration.store.files import FileStore

NO_TRACKING: Final = "none"
ARTIFACTS: Final = "mlflow-artifacts"
_KNOWN: Final = ("sqlite", "http", "https", "postgresql", "postgresql+psycopg2", "mysql+pymysql", "mssql")
_TIMEOUT_S: Final = 5.0
_GRACE_S: Final = 20.0


def open_tracker(
    uri: str, store: FileStore, *, columns: Sequence[Column] = (), log: Path | None = None, grace_s: float = _GRACE_S
) -> Tracker:
    """Open a tracker that shows a run of a sweep on a tracking server; it never blocks and never raises.

    Args:
        uri: sqlite:///file, postgresql://..., http(s)://server, or "none".
        store: The results store of the run.
        columns: Table columns, for prepared views; without any, the metrics of the wanted benchmarks.
        log: File that takes everything MLflow prints.
        grace_s: Seconds that the writer goes on trying a server that is away after the run has ended.
    """
    if uri == NO_TRACKING:
        return Tracker()
    artifacts = artifacts_of(uri, store.uri)
    sink: Sink
    if store.uri == "memory:":
        sink = ThreadSink(lambda messages: _serve(uri, store, artifacts, grace_s, messages))
    else:
        sink = ProcessSink({"uri": uri, "store": store.uri, "artifacts": artifacts, "grace_s": grace_s}, log)
    return MessageTracker(sink, columns)


def artifacts_of(uri: str, storage_uri: str) -> str | None:
    """Return where artifacts of new experiments lie: beside an SQLite file, below the storage, or None: the server decides."""
    database = sqlite_file(uri)
    if database is not None and not storage_uri.startswith("s3://"):
        return folder_address(database.parent / ARTIFACTS)
    if uri.startswith("http"):
        return None
    return folder_address(f"{storage_uri.rstrip('/')}/{ARTIFACTS}") if storage_uri != "memory:" else None


def check_tracking(uri: str) -> None:
    """Check, without MLflow and within seconds, that a tracking address can work.

    Raises:
        EnvironmentRefused: If its scheme is unknown, its folder cannot be written, or its server is away or refuses.
    """
    scheme = urlsplit(uri).scheme
    if uri == NO_TRACKING:
        return
    if scheme not in _KNOWN:
        raise EnvironmentRefused(
            f"a tracking address must start with sqlite:///, http(s):// or postgresql://, but it is '{scrubbed(uri)}'; "
            f"give another with --tracking-uri, or '{NO_TRACKING}'"
        )
    database = sqlite_file(uri)
    if database is not None:
        _check_query(uri)
        _check_folder(database)
    elif scheme.startswith("http"):
        _check_server(uri)


def _check_query(uri: str) -> None:
    """Check that what follows a '?' are options: a path that has one would end before it, in another folder."""
    query = uri.partition("?")[2]
    if query and ("/" in query or "=" not in query):
        raise EnvironmentRefused(
            f"an SQLite address has only options such as 'timeout=10' after a '?', but it is '{scrubbed(uri)}'; "
            "write '?' in a path as %3F (and '%' as %25)"
        )


def _check_folder(file: Path) -> None:
    existing = next(folder for folder in file.parents if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise EnvironmentRefused(
            f"an SQLite tracking store must lie in a folder that can be written, but '{existing}' cannot; "
            "give another with --tracking-uri"
        )


def _check_server(uri: str) -> None:
    """Ask the server for one experiment, as this user."""
    request = urllib.request.Request(f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1")
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    elif user:
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    where = scrubbed(uri)
    way = f"start it, give another with --tracking-uri, or run with '{NO_TRACKING}' and `sync` later"
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            return
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            way = (
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
                "or allow this host on the server"
            )
        raise EnvironmentRefused(
            f"the tracking server must answer, but '{where}' refuses with {error.code}; {way}"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise EnvironmentRefused(
            f"the tracking server must answer, but '{where}' does not ({reason}); {way}"
        ) from error


def _serve(
    uri: str, store: FileStore, artifacts: str | None, grace_s: float, messages: queue.Queue[Mapping[str, Any] | None]
) -> str | None:
    from orchestration.tracking.mlflow_client import MlflowTracking
    from orchestration.tracking.writer import Writer, run_writer

    writer = Writer(lambda: MlflowTracking(uri), store, uri, artifacts)
    run_writer(writer, messages, grace_s=grace_s)
    return writer.problem

"""Whether a tracking address can work, before anything starts: without MLflow and, but for slow servers, within seconds."""

from __future__ import annotations

import http.client
import os
import urllib.error
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from orchestration.errors import EnvironmentRefused, command
from orchestration.tracking.addresses import NO_TRACKING, is_databricks, is_sagemaker, sqlite_file
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.server.database import Condition, examine
from orchestration.tracking.server.hosted import check_hosted
from orchestration.tracking.server.http_call import CA_VARIABLE, ask

_KNOWN: Final = ("sqlite", "http", "https", "postgresql", "postgresql+psycopg2", "mysql+pymysql", "mssql")
_EXPERIMENTS: Final = "/api/2.0/mlflow/experiments/search?max_results=1"


def check_tracking(uri: str, *, prefix: str = "", is_only_read: bool = False) -> None:
    """Check that a tracking address can work.

    Args:
        prefix: What the names of experiments begin with.
        is_only_read: Whether it is enough that runs can be looked at.

    Raises:
        EnvironmentRefused: If its scheme is unknown, its folder cannot be written, its database is not usable as it is, or its
            server is away or refuses.
    """
    try:
        scheme = urlsplit(uri).scheme
    except ValueError:  # of "http://[", say
        scheme = ""
    if uri == NO_TRACKING:
        return
    if is_databricks(uri) or is_sagemaker(uri):
        check_hosted(uri, prefix)
        return
    if scheme not in _KNOWN:
        raise EnvironmentRefused(
            "a tracking address must start with sqlite:///, http(s)://, postgresql://, databricks or arn:, "
            f"but it is '{scrubbed(uri)}'; give another with --tracking-uri, or '{NO_TRACKING}'"
        )
    database = sqlite_file(uri)
    if database is not None:
        _check_query(uri)
        if not is_only_read:
            _check_folder(database)
        found = examine(database)
        if found.text and not (is_only_read and found.kind in {"read-only", "full"}):
            raise EnvironmentRefused(f"the MLflow database '{database}' {found.text}; {_fix_of(found)}")
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
            f"an SQLite tracking store must be in a folder that can be written, but '{existing}' cannot; "
            "give another with --tracking-uri"
        )


def _fix_of(found: Condition) -> str:
    without = f"or do without it: --tracking-uri {NO_TRACKING}"
    if found.kind == "read-only":
        return "give this user the right to write it, or name another with --tracking-uri"
    if found.kind == "full":
        return f"free some, or name another with --tracking-uri; {without}"
    if found.kind == "foreign":
        return "name another with --tracking-uri"
    if found.kind == "older":
        return f"upgrade it, after a copy, with: {command('sync')}; {without}"
    other = "use that MLflow, or " if found.kind == "newer" else ""
    return f"{other}move it aside and make it again from the results with: {command('sync')}; {without}"


def _check_server(uri: str) -> None:
    """Ask the server for one experiment, as this user."""
    where = scrubbed(uri)
    way = f"start it, give another with --tracking-uri, or run with '{NO_TRACKING}' and `sync` later"
    try:
        ask(uri, _EXPERIMENTS)
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            way = (
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
                "or allow this host on the server"
            )
        raise EnvironmentRefused(
            f"the tracking server must answer, but '{where}' refuses with {error.code}; {way}"
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if "CERTIFICATE_VERIFY_FAILED" in str(reason):
            way = f"name the file of the certificate authority that signed it (PEM) in {CA_VARIABLE}"
        raise EnvironmentRefused(
            f"the tracking server must answer, but '{where}' does not ({reason}); {way}"
        ) from error

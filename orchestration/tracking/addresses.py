"""Tracking addresses: database URIs, artifact locations, file URIs; and whether one can work, before anything starts.

Every letter that a folder may have (`%20`, `?`, `#`, spaces, beyond ASCII) is quoted on the way in, and only quoted letters are
decoded on the way out.
"""

from __future__ import annotations

import base64
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from orchestration.errors import EnvironmentRefused
from orchestration.settings import SQLITE
from orchestration.tracking.secrets import scrubbed

NO_TRACKING: Final = "none"
ARTIFACTS: Final = "mlflow-artifacts"
_KNOWN: Final = ("sqlite", "http", "https", "postgresql", "postgresql+psycopg2", "mysql+pymysql", "mssql")
_TIMEOUT_S: Final = 5.0


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an SQLite address, or None for addresses of other kinds."""
    if not uri.startswith(SQLITE):
        return None
    return Path(unquote(uri.removeprefix(SQLITE).partition("?")[0])).absolute()


def sqlite_database(uri: str) -> str:
    """Return an SQLite address for MLflow, which makes the parent folder of the text behind `sqlite:///` as it is.

    Quoted letters in a path would give another folder; with its slashes quoted too the text has no parent. Before 2.1 SQLAlchemy
    did not decode what it was given: SQLite itself does.
    """
    file = sqlite_file(uri)
    if file is None or quote(str(file)) == str(file):
        return uri
    from sqlalchemy import make_url  # part of MLflow's heavy half

    query = uri.partition("?")[2]
    address = f"{SQLITE}{quote(str(file), safe='')}"
    if make_url(address).database != str(file):
        address, query = (
            f"{SQLITE}file:{quote(str(file), safe='')}",
            "&".join([*([query] if query else []), "uri=true"]),
        )
    return f"{address}?{query}" if query else address


def with_driver(uri: str) -> str:
    """Return an address for MLflow: one of PostgreSQL names the driver of the extra `server`, where it names none."""
    scheme, _, rest = uri.partition("://")
    return f"postgresql+psycopg2://{rest}" if scheme in {"postgresql", "postgres"} else sqlite_database(uri)


def folder_address(folder: str | Path) -> str:
    """Return a folder as an address: a file URI for a local one; other addresses are returned as they are."""
    text = str(folder)
    return text if "://" in text else Path(text).absolute().as_uri()


def artifacts_of(uri: str, storage_uri: str) -> str | None:
    """Return where artifacts of new experiments are: next to an SQLite file or in the storage; None: the server decides."""
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
            f"an SQLite tracking store must be in a folder that can be written, but '{existing}' cannot; "
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

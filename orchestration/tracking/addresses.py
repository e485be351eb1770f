"""Tracking addresses: database URIs, artifact locations, file URIs.

Every letter that a folder may have (`%20`, `?`, `#`, spaces, beyond ASCII) is quoted on the way in, and only quoted letters are
decoded on the way out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from orchestration.settings import SQLITE

NO_TRACKING: Final = "none"
ARTIFACTS: Final = "mlflow-artifacts"
ANSWER_S: Final = 30
"""Seconds that a tracking server may take for an answer, unless MLFLOW_HTTP_REQUEST_TIMEOUT says otherwise."""


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


def is_databricks(uri: str) -> bool:
    """Whether an address is a Databricks workspace: `databricks`, or `databricks://PROFILE`."""
    return uri == "databricks" or uri.startswith("databricks://")


def databricks_profile(uri: str) -> str:
    """Return the profile that an address of Databricks names, "" where it names none, or a scope of secrets."""
    place = urlsplit(uri).netloc if uri.startswith("databricks://") else ""
    return "" if ":" in place else place


def is_sagemaker(uri: str) -> bool:
    """Whether an address is a tracking server of Amazon SageMaker."""
    return uri.startswith("arn:")


def is_server(uri: str) -> bool:
    """Whether an address is a server that is reached over HTTP and stores artifacts where it decides."""
    return uri.startswith(("http://", "https://")) or is_databricks(uri) or is_sagemaker(uri)


def artifacts_of(uri: str, storage_uri: str) -> str | None:
    """Return where artifacts of new experiments are: next to an SQLite file or in the storage; None: the server decides."""
    database = sqlite_file(uri)
    if database is not None and not storage_uri.startswith("s3://"):
        return folder_address(database.parent / ARTIFACTS)
    if is_server(uri):
        return None
    return folder_address(f"{storage_uri.rstrip('/')}/{ARTIFACTS}") if storage_uri != "memory:" else None

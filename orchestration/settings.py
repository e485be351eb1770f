"""Where things are: storage, data, caches, tracking server. From options, else the environment, else stated defaults."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from augment.lookup.parameters import cut
from clusters.storage.contract import StorageError
from clusters.storage.open import check_address, without_scheme
from orchestration.errors import InputError, Mistake

DEFAULT_STORAGE: Final = "dreamgrid-storage"
STORAGE_VARIABLE: Final = "DREAMGRID_STORAGE"
DATA_VARIABLE: Final = "DREAMGRID_DATA"
CACHE_VARIABLE: Final = "DREAMGRID_CACHE"
TRACKING_VARIABLE: Final = "MLFLOW_TRACKING_URI"
PREFIX_VARIABLE: Final = "DREAMGRID_EXPERIMENT_PREFIX"
TRACKERS_VARIABLE: Final = "DREAMGRID_TRACK"
GENERATED_VARIABLE: Final = "DREAMGRID_GENERATED_BUDGET"
GIB: Final = 2**30

DEFAULT_GENERATED_BYTES: Final = 50.0 * GIB
"""Every generated family of CIFAR and of Tiny-ImageNet; C of ImageNet alone has 564 GB."""

SQLITE: Final = "sqlite:///"

_LONGEST_PREFIX: Final = 300
"""MLflow's experiment names have at most 500 letters, and the name of the sweep follows."""

_UPLOADS: Final = "working_dir_files"
"""The folder of Ray's session in which it unpacks what `ray job submit --working-dir` sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are. Nothing here is part of any key.

    Attributes:
        storage: Absolute folder, or s3:// prefix, of results and checkpoints.
        data_root: Local folder of datasets, in torchvision's layouts.
        cache_dir: Local folder of what can be made again.
        tracking_uri: MLflow tracking URI, or None for a file next to the storage.
        generated_bytes: Bytes that generated benchmarks may take in the caches of each node.
        experiment_prefix: What the names of MLflow experiments begin with: "/Users/me/" on Databricks, or "".
        trackers: Names of second trackers next to MLflow: "wandb", "tensorboard".
        is_storage_named: Whether somebody named the storage; the default one need not be there yet.
    """

    storage: str
    data_root: Path
    cache_dir: Path
    tracking_uri: str | None
    generated_bytes: float = DEFAULT_GENERATED_BYTES
    experiment_prefix: str = ""
    trackers: tuple[str, ...] = ()
    is_storage_named: bool = True

    @property
    def checkpoints(self) -> str:
        """Folder or prefix of all checkpoints."""
        return f"{self.storage.rstrip('/')}/checkpoints"

    @property
    def is_remote(self) -> bool:
        """Whether the storage is an object store."""
        return "://" in self.storage

    @property
    def tracking(self) -> str:
        """The tracking URI in use ("none" for no tracking): the given one, else an SQLite file in a local storage folder, else
        one in the cache."""
        if self.tracking_uri:
            return self.tracking_uri
        return sqlite_address((self.cache_dir if self.is_remote else Path(self.storage)) / "mlflow.db")


def read_settings(
    *,
    storage: str | None = None,
    data_root: Path | None = None,
    cache_dir: Path | None = None,
    tracking_uri: str | None = None,
    experiment_prefix: str | None = None,
    track: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings: what is given, else the environment's, else the defaults.

    Args:
        storage: Folder (also as a file:// URI) or s3:// prefix; DREAMGRID_STORAGE; ./dreamgrid-storage, or
            ~/dreamgrid-storage in an upload of Ray.
        data_root: Folder of datasets; DREAMGRID_DATA; ./data.
        cache_dir: Folder of caches; DREAMGRID_CACHE; ~/.cache/dreamgrid.
        tracking_uri: MLflow tracking URI; MLFLOW_TRACKING_URI; a file next to the storage.
        experiment_prefix: What the names of MLflow experiments begin with; DREAMGRID_EXPERIMENT_PREFIX; nothing.
        track: Names of second trackers; DREAMGRID_TRACK, with commas; none.

    The budget of generated benchmarks is DREAMGRID_GENERATED_BUDGET, in GiB; 50.

    Raises:
        InputError: If that is not a number from 0 on, or a place is one that cannot be.
    """
    variables = os.environ if environment is None else environment
    named_storage = variables.get(STORAGE_VARIABLE) or None if storage is None else storage
    data = Path(variables.get(DATA_VARIABLE) or "data") if data_root is None else data_root
    cache = Path(variables.get(CACHE_VARIABLE) or "~/.cache/dreamgrid") if cache_dir is None else cache_dir
    return Settings(
        storage=_storage(DEFAULT_STORAGE if named_storage is None else named_storage),
        is_storage_named=named_storage is not None,
        data_root=_folder(data, "--data-root").absolute(),
        cache_dir=_folder(cache, CACHE_VARIABLE).absolute(),
        tracking_uri=tracking_uri or variables.get(TRACKING_VARIABLE) or None,
        generated_bytes=_generated_bytes(variables.get(GENERATED_VARIABLE)),
        experiment_prefix=_prefix(
            variables.get(PREFIX_VARIABLE) or "" if experiment_prefix is None else experiment_prefix
        ),
        trackers=tuple(dict.fromkeys(track or _names(variables.get(TRACKERS_VARIABLE) or ""))),
    )


def _storage(given: str) -> str:
    """Return the storage that a text names, absolute where it is a folder."""
    try:
        check_address(given)
    except StorageError as error:
        raise InputError("options", [Mistake(where="--storage", text=str(error))]) from error
    place = without_scheme(given)
    return place if "://" in place else str(lasting_folder() / _folder(Path(place), "--storage"))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _prefix(given: str) -> str:
    """Return a prefix of experiment names; a folder of a workspace ends with a slash, which people leave out."""
    if not given.isprintable() or len(given) > _LONGEST_PREFIX:
        rule = f"must be printable and have at most {_LONGEST_PREFIX} letters, but is {cut(given)}; write /Users/you/"
        raise InputError("options", [Mistake(where="--experiment-prefix", text=rule)])
    return given if not given.startswith("/") else f"{given.rstrip('/')}/"


def _folder(path: Path, where: str) -> Path:
    """Return a folder with the home of its user written out."""
    found = Path(os.path.expanduser(path))
    try:
        os.stat(found)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            why = getattr(error, "strerror", None) or error
            rule = f"must be a folder, but {cut(str(path))} cannot be one ({why}); name another"
            raise InputError("options", [Mistake(where=where, text=rule)]) from error
    if found.parts[:1] and found.parts[0].startswith("~"):
        rule = f"must be a folder, but {cut(str(path))} is in the home of a user who does not exist; name another"
        raise InputError("options", [Mistake(where=where, text=rule)])
    return found


def _generated_bytes(text: str | None) -> float:
    """Return the budget that a text in GiB stands for."""
    if not text:
        return DEFAULT_GENERATED_BYTES
    try:
        found = float(text) * GIB
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        rule = f"must be a number of GiB from 0 on, but is '{text}'; write 0 to keep no generated images"
        raise InputError("environment", [Mistake(where=GENERATED_VARIABLE, text=rule)])
    return found


def lasting_folder() -> Path:
    """Return the folder of relative storages: this one; but home where this is a job's upload, which Ray deletes."""
    here = Path.cwd()
    return Path.home() if _UPLOADS in here.parts else here


def sqlite_address(file: Path) -> str:
    """Return the address of an SQLite file, as SQLAlchemy and MLflow read it."""
    return f"{SQLITE}{quote(str(file.absolute()))}"

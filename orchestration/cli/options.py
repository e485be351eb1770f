"""The options that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestration.cells.catalogue import Catalogue
    from orchestration.cells.resolved import ResolvedSweep
    from orchestration.settings import Settings
    from orchestration.store.files import FileStore
    from orchestration.sweeps.model import Overrides, Size, Sweep

SweepName = Annotated[
    str, typer.Argument(metavar="SWEEP", help="Built-in sweep (see `sweeps`) or path of a YAML file.")
]
Storage = Annotated[
    str | None,
    typer.Option("--storage", help="Folder or s3:// prefix of results [DREAMGRID_STORAGE, ./dreamgrid-storage]."),
]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Folder of datasets [DREAMGRID_DATA, ./data].")]
TrackingUri = Annotated[
    str | None, typer.Option("--tracking-uri", help="MLflow server [MLFLOW_TRACKING_URI, a file beside the storage].")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else to stdout.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="The size that takes seconds and runs the same code.")]
Small = Annotated[bool, typer.Option("--small", help="The size that gives meaningful numbers on a laptop.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a value on every cell: train.epochs=5. Repeatable."),
]
Seeds = Annotated[
    str | None, typer.Option("--seeds", metavar="SEEDS", help="Seeds instead of the sweep's: 0,1,2 or 0-4.")
]
Workers = Annotated[int | None, typer.Option("--workers", help="Workers per cell instead of the sweep's.")]
ModeName = Annotated[
    str,
    typer.Option(
        "--mode", metavar="MODE", help="cached (what is missing), retry (failed ones too), force (all), read-only."
    ),
]

CHOOSING = ("sweep", "smoke", "small", "assignments", "seeds", "workers")
"""Parameters of `run` that choose the sweep, in the order that `chosen` takes them."""

MODES = ("cached", "retry", "force", "read-only")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepChoice:
    """Which sweep, in which size, changed how."""

    name: str
    smoke: bool = False
    small: bool = False
    assignments: tuple[str, ...] = ()
    seeds: str | None = None
    workers: int | None = None

    @property
    def size(self) -> Size:
        """The chosen size.

        Raises:
            InputError: If two sizes are chosen.
        """
        from orchestration.errors import InputError, Mistake

        if self.smoke and self.small:
            raise InputError(
                "options", [Mistake(where="--smoke --small", text="a sweep has one size; choose one of the two")]
            )
        return "smoke" if self.smoke else "small" if self.small else "full"

    def load(self, catalogue: Catalogue) -> ResolvedSweep:
        """Load the sweep.

        Raises:
            InputError: With every mistake of the options, or of the file.
        """
        from orchestration.cells.load import load_sweep

        return load_sweep(self.name, size=self.size, overrides=self.overrides, catalogue=catalogue)

    def read(self) -> Sweep:
        """Read the sweep without resolving its cells, for verbs that need its name and size only.

        Raises:
            InputError: With every mistake of the options, or of the shape of the file.
        """
        from orchestration.cells.load import read_sweep

        return read_sweep(self.name, size=self.size, overrides=self.overrides)

    @property
    def overrides(self) -> Overrides:
        """What the options change of a sweep.

        Raises:
            InputError: With every mistake of the options.
        """
        from orchestration.sweeps.overrides import parse_overrides

        return parse_overrides(self.assignments, seeds=self.seeds, workers=self.workers)

    def opened(self, storage: str | None, data_root: Path | None, *, is_only_read: bool = False) -> Opened:
        """Load the sweep and open what it is read from.

        Args:
            storage: Folder or s3:// prefix of results, or None for the environment's.
            data_root: Folder of datasets, or None for the environment's.
            is_only_read: Whether the verb only shows what the storage has: then it must exist.

        Raises:
            InputError: With every mistake of the options, or of the file.
            EnvironmentRefused: If the storage does not exist.
            StorageError: If it is not a storage location.
        """
        from orchestration.cells.catalogue import builtin_catalogue

        settings = settings_of(storage, data_root)
        catalogue = builtin_catalogue(settings.data_root)
        resolved = self.load(catalogue)
        store = existing_store(settings) if is_only_read else store_of(settings)
        return Opened(settings=settings, resolved=resolved, store=store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A chosen sweep with its cells, and the store of its results."""

    settings: Settings
    resolved: ResolvedSweep
    store: FileStore


def chosen(
    name: str,
    smoke: bool,
    small: bool,
    assignments: Sequence[str] | None = None,
    seeds: str | None = None,
    workers: int | None = None,
) -> SweepChoice:
    """Return the choice that the options of a verb make, in the order in which verbs declare them."""
    return SweepChoice(
        name=name, smoke=smoke, small=small, assignments=tuple(assignments or ()), seeds=seeds, workers=workers
    )


def settings_of(storage: str | None = None, data_root: Path | None = None, tracking_uri: str | None = None) -> Settings:
    """Return the settings that options and environment give."""
    from orchestration.settings import read_settings

    return read_settings(storage=storage, data_root=data_root, tracking_uri=tracking_uri)


def store_of(settings: Settings) -> FileStore:
    """Open the results store."""
    from orchestration.store.open import open_store

    return open_store(settings.storage)


def existing_store(settings: Settings) -> FileStore:
    """Open a results store that a verb only reads.

    Raises:
        EnvironmentRefused: If it does not exist.
    """
    from orchestration.store.open import open_existing_store

    return open_existing_store(settings.storage)

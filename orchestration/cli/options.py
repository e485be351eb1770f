"""The options that several verbs share, alone and as groups: a verb takes a group as one typed parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

from orchestration.cells.catalogue import Catalogue, builtin_catalogue
from orchestration.cells.load import load_sweep, read_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.cli.interrupts import interrupted
from orchestration.cli.output import echo_err
from orchestration.cli.parsing import VerbCommand
from orchestration.cli.verb_list import VERBS
from orchestration.errors import PROGRAM, InputError, Mistake, read_all
from orchestration.settings import STORAGE_VARIABLE, Settings, read_settings
from orchestration.store.files import FileStore
from orchestration.store.open import open_existing_store, open_store
from orchestration.sweeps.model import Overrides, Size, Sweep
from orchestration.sweeps.overrides import parse_overrides

SweepName = Annotated[
    str, typer.Argument(metavar="SWEEP", help="Built-in sweep (see `sweeps`), or path of a YAML file.")
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Folder or s3:// prefix of results; those in it are reused [DREAMGRID_STORAGE, ./dreamgrid-storage].",
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder of datasets; files in it are read as they are [DREAMGRID_DATA, ./data]."),
]
TrackingUri = Annotated[
    str | None,
    typer.Option("--tracking-uri", help="MLflow tracking URI [MLFLOW_TRACKING_URI, a file next to the storage]."),
]
ExperimentPrefix = Annotated[
    str | None,
    typer.Option(
        "--experiment-prefix",
        metavar="PREFIX",
        help="Begin MLflow experiment names so: /Users/me/ on Databricks [DREAMGRID_EXPERIMENT_PREFIX].",
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="TRACKER",
        help="Show runs on a second tracker too: wandb, tensorboard. Repeatable [DREAMGRID_TRACK].",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option("--address", help="Ray cluster to run on: auto, or HOST:PORT [RAY_ADDRESS, or this machine]."),
]
MachineName = Annotated[
    str, typer.Option("--machine", help="Machine of the price file to estimate costs for: cpu-core, l4, a100-x8, ...")
]
PriceFile = Annotated[Path | None, typer.Option("--prices", help="Your own price file.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Output file instead of stdout; an existing one is replaced.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout, and nothing else.")]


@dataclass(frozen=True, kw_only=True)
class SizeOptions:
    """In which size a sweep is meant."""

    smoke: Annotated[bool, typer.Option("--smoke", help="Use the smoke size: a minute or so, the same code.")] = False
    small: Annotated[bool, typer.Option("--small", help="Use the small size: meaningful numbers on a laptop.")] = False

    @property
    def size(self) -> Size:
        """The chosen size.

        Raises:
            InputError: If two sizes are chosen.
        """
        if self.smoke and self.small:
            text = "a sweep has one size; choose one of the two"
            raise InputError("options", [Mistake(where="--smoke --small", text=text)])
        return "smoke" if self.smoke else "small" if self.small else "full"

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """
        read_all(lambda: self.size, lambda: self.overrides)

    @property
    def overrides(self) -> Overrides:
        """What the options change of a sweep.

        Raises:
            InputError: With every mistake of the options.
        """
        return parse_overrides(())

    def load(self, name: str, catalogue: Catalogue) -> ResolvedSweep:
        """Load a sweep as chosen.

        Raises:
            InputError: With every mistake of the options, or of the file.
        """
        return load_sweep(name, size=self.size, overrides=self.overrides, catalogue=catalogue)

    def read(self, name: str) -> Sweep:
        """Read a sweep as chosen without resolving its cells, for verbs that need its name and size only.

        Raises:
            InputError: With every mistake of the options, or of the shape of the file.
        """
        return read_sweep(name, size=self.size, overrides=self.overrides)


@dataclass(frozen=True, kw_only=True)
class ChangeOptions(SizeOptions):
    """In which size a sweep is meant, and changed how."""

    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a value on every cell: train.epochs=5. Repeatable."),
    ] = None
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="SEEDS", help="Override the seeds of the sweep: 0,1,2 or 0-4.")
    ] = None

    @property
    def overrides(self) -> Overrides:
        """What the options change of a sweep."""
        return parse_overrides(self.assignments or (), seeds=self.seeds)


@dataclass(frozen=True, kw_only=True)
class SweepOptions(ChangeOptions):
    """Which sweep, in which size, changed how."""

    sweep: SweepName


@dataclass(frozen=True, kw_only=True)
class PlannedSweepOptions(SweepOptions):
    """Which sweep is planned or run, in which size, changed how."""

    workers: Annotated[
        str | None,
        typer.Option(
            "--workers",
            metavar="N|auto",
            help="Workers per cell; auto: more than one where GPUs would be idle [auto on GPUs; the sweep's on CPUs].",
        ),
    ] = None

    @property
    def overrides(self) -> Overrides:
        """What the options change of a sweep."""
        return parse_overrides(self.assignments or (), seeds=self.seeds, workers=self.workers)


LogWeights = Annotated[
    bool,
    typer.Option(
        "--log-weights", help="Store weights in MLflow's models, which otherwise fetch them from the storage."
    ),
]


@dataclass(frozen=True, kw_only=True)
class StorageOptions:
    """Where results are."""

    storage: Storage = None

    @property
    def settings(self) -> Settings:
        """The settings that options and environment give."""
        return read_settings(**vars(self))

    def existing_store(self) -> FileStore:
        """Open the results store of a verb that only reads."""
        return open_existing_store(self.settings.storage)

    def read_store(self) -> FileStore:
        """Open the results store of a verb that reads sweeps: in the default place there need be none before the first run."""
        settings = self.settings
        if settings.is_storage_named:
            return open_existing_store(settings.storage)
        store = open_store(settings.storage)
        if not store.exists():
            echo_err(
                f"there is no storage at '{store.uri}' yet; a run creates it, "
                f"--storage or {STORAGE_VARIABLE} names another"
            )
        return store


@dataclass(frozen=True, kw_only=True)
class PlaceOptions(StorageOptions):
    """Where results and data are."""

    data_root: DataRoot = None


@dataclass(frozen=True, kw_only=True)
class TrackedPlaceOptions(PlaceOptions):
    """Where results and data are, and where they are shown."""

    tracking_uri: TrackingUri = None
    experiment_prefix: ExperimentPrefix = None
    track: Track = None


@dataclass(frozen=True, kw_only=True)
class OpenSweep:
    """A chosen sweep with its cells, and the store of its results."""

    settings: Settings
    resolved: ResolvedSweep
    store: FileStore


def open_sweep(choice: SweepOptions, places: PlaceOptions, *, is_only_read: bool = False) -> OpenSweep:
    """Load a sweep and open what it is read from."""
    settings = places.settings
    resolved = choice.load(choice.sweep, builtin_catalogue(settings.data_root))
    store = places.read_store() if is_only_read else open_store(settings.storage)
    return OpenSweep(settings=settings, resolved=resolved, store=store)


def add_verbs(app: typer.Typer, verbs: Mapping[str, Any]) -> None:
    """Add verbs (name -> function) to a command line."""
    for name, verb in verbs.items():
        add_verb(app, name, verb)


def add_verb(app: typer.Typer, name: str, verb: Callable[..., Any], **settings: Any) -> None:
    """Add a verb to a command line.

    Args:
        settings: Of the option parser's command.
    """
    read, listed = with_groups(verb, name), VERBS.get(name)
    epilog = f"Example: {PROGRAM} {listed.example}" if listed else None
    app.command(name, cls=read.parser, epilog=epilog, **settings)(read.command)


def add_group(app: typer.Typer, name: str, text: str, verbs: Mapping[str, Any]) -> None:
    """Add a group of verbs to a command line."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help=text, epilog=f"Example: {PROGRAM} {VERBS[name].example}"
    )
    for verb, function in verbs.items():
        read = with_groups(function, f"{name} {verb}")
        group.command(verb, cls=read.parser)(read.command)
    app.add_typer(group, name=name)


class ReadVerb(NamedTuple):
    """A verb as the option parser reads it.

    Attributes:
        command: The function, whose signature has all options.
        parser: The class of the parser's command.
    """

    command: Callable[..., Any]
    parser: Any


def with_groups(verb: Callable[..., Any], called: str) -> ReadVerb:
    """Return a verb as the option parser reads it: a parameter that is a dataclass adds the options in its fields.

    Args:
        called: The verb as people write it, with its group.
    """
    hints = get_type_hints(verb, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(verb).parameters.values():
        hint = hints[parameter.name]
        if is_dataclass(hint):
            groups[parameter.name] = hint
            parameters += _options_of(hint)
        else:
            parameters.append(_option(parameter.name, hint, parameter.default))

    def grouped(given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: group(**{field.name: given[field.name] for field in fields(group)}) for name, group in groups.items()
        }

    def command(**given: Any) -> Any:
        alone = {name: value for name, value in given.items() if name in hints and name not in groups}
        try:
            return verb(**alone, **grouped(given))
        except KeyboardInterrupt:  # here, since the parser would make an exit code of it that says nothing
            return interrupted(called)

    command.__doc__ = verb.__doc__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return ReadVerb(command, partial(VerbCommand, groups=lambda given: grouped(given).values()))


def _options_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        _option(field.name, hints[field.name], inspect.Parameter.empty if field.default is MISSING else field.default)
        for field in fields(group)
    ]


def _option(name: str, hint: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)

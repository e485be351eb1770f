"""`sync`: rebuilds what a tracking server shows from the storage, which remembers what was run on it and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.load import SWEEPS, load_sweep, load_sweep_file, read_sweep_texts
from orchestration.cells.resolve import resolve_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import EnvironmentRefused, InputError, Mistake
from orchestration.planning.plan import make_plan
from orchestration.results.table import recorded_tables
from orchestration.runs.tracked_run import rendered_grid
from orchestration.runs.until_decided import seeds_by_row, with_more_seeds
from orchestration.settings import Settings
from orchestration.store.contract import OnDamage, SweepRecord
from orchestration.store.files import FileStore
from orchestration.sweeps.model import SIZES, Overrides, Size, label_of
from orchestration.sweeps.overrides import parse_overrides
from orchestration.tracking.addresses import NO_TRACKING
from orchestration.tracking.boards.registry import check_boards
from orchestration.tracking.contract import TrackingClient, TrackingError
from orchestration.tracking.driver.tracker import show_on_boards
from orchestration.tracking.marks import ShownMark
from orchestration.tracking.mlflow_client import MlflowTracking
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.server.repair import repair_database, replace_damaged
from orchestration.tracking.sync import sync

_SEEDS: Final = "seeds="


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """What is to be shown again.

    Attributes:
        names: Sweeps by name or path; all that were run on the storage where none is named.
        overrides: What options change of the named sweeps. Where neither they nor the size change anything, a named sweep is
            replayed in every way in which it was run.
        report: Takes a line for people.
        on_damage: Takes each record of a sweep that is not whole, which is left out.
        log_weights: Whether models in MLflow contain their weights.
    """

    settings: Settings
    store: FileStore
    names: tuple[str, ...] = ()
    size: Size = "full"
    overrides: Overrides = field(default_factory=Overrides)
    report: Callable[[str], None] = lambda line: None
    on_damage: OnDamage = lambda error: None
    log_weights: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether options say in which way a sweep was run."""
        return self.size != "full" or bool(self.overrides.texts)


def sync_sweeps(request: ReplayRequest) -> dict[str, int]:
    """Rebuild the tracking of sweeps from the store; return how many cells each shows.

    A database that MLflow cannot use is moved aside first, and one of an older MLflow upgraded. Every sweep of the storage is
    replayed then, whichever are named.

    Raises:
        InputError: If a named sweep is unknown or mistaken.
        EnvironmentRefused: If the tracking server does not answer or cannot be written.
        TrackingError: If it refuses later.
    """
    uri = request.settings.tracking
    check_boards(request.settings.trackers)
    if uri == NO_TRACKING and request.settings.trackers:
        return _replay(request, (), None)
    if uri == NO_TRACKING:
        text = f"`sync` needs a tracking server, but the address is '{NO_TRACKING}'; give one with --tracking-uri"
        raise InputError("options", [Mistake(where="--tracking-uri", text=text)])
    lines = repair_database(uri)
    check_tracking(uri, prefix=request.settings.experiment_prefix)
    try:
        return _replay(request, lines, None)
    except TrackingError as error:
        # What a look at the file did not find, MLflow did.
        lines = replace_damaged(uri, error.damage) if error.damage else ()
        if not lines:
            raise
        return _replay(request, lines, MlflowTracking(uri, prefix=request.settings.experiment_prefix, is_replaced=True))


def _replay(request: ReplayRequest, repairs: Sequence[str], client: TrackingClient | None) -> dict[str, int]:
    for line in repairs:
        request.report(line)
    named = {_identity(each): each for each in _named(request)}
    others: dict[tuple[object, ...], ResolvedSweep] = {}
    if repairs or not request.names:
        found = _everything(request, is_rebuilt=bool(repairs))
        others = {name: each for each in found if (name := _identity(each)) not in named}
    shown: dict[str, set[str]] = {}
    # The named ones last: of two choices of cells in one experiment the last one is marked as wanted.
    for name, resolved in [*others.items(), *named.items()]:
        plan = make_plan(resolved, store=request.store, mode="read-only")
        keys = {cell.train_key for cell in plan.cells if cell.trained or cell.failed}
        if keys or name in named:
            shown.setdefault(resolved.label, set()).update(keys)
            _show(resolved, plan, request, client)
    return {label: len(keys) for label, keys in shown.items()}


def _show(resolved: ResolvedSweep, plan: Plan, request: ReplayRequest, client: TrackingClient | None) -> None:
    settings, store = request.settings, request.store
    grid = rendered_grid(recorded_tables(resolved, store))
    columns = resolved.sweep.columns
    if settings.tracking != NO_TRACKING:
        sync(
            store,
            plan,
            settings.tracking,
            columns=columns,
            grid=grid,
            client=client,
            prefix=settings.experiment_prefix,
            with_weights=request.log_weights,
        )
    trouble = show_on_boards(settings, store, plan, columns=columns, grid=grid)
    if trouble:
        request.report(f"{resolved.label}: {trouble}")
        return
    ShownMark.of(settings, plan).note()


def _named(request: ReplayRequest) -> Iterator[ResolvedSweep]:
    """Yield the named sweeps: as options say, else in every way in which they were run, else as they are."""
    catalogue = builtin_catalogue(request.settings.data_root)
    for name in request.names:
        if request.is_changed:
            yield load_sweep(name, size=request.size, overrides=request.overrides, catalogue=catalogue)
            continue
        found = list(_recorded(request, _name_of(name)))
        yield from found
        if not found or (Path(name).is_file() and _is_edited(name, found)):
            yield load_sweep(name, catalogue=catalogue)


def _name_of(name_or_path: str) -> str:
    """Return the name that a file gives its sweep; a sweep whose file is gone may be asked for by that name."""
    try:
        return load_sweep_file(name_or_path).name
    except InputError:
        return name_or_path


def _is_edited(path: str, found: Sequence[ResolvedSweep]) -> bool:
    text = Path(path).read_text(encoding="utf-8")
    return all(each.sweep.document.text != text for each in found)


def _everything(request: ReplayRequest, *, is_rebuilt: bool) -> Iterator[ResolvedSweep]:
    """Yield the sweeps that were run here, of one size where an option names it, and built-in ones with cells of no such sweep.

    Storages of earlier versions remember no sweeps, and adopted cells belong to none.
    """
    sizes = (request.size,) if request.is_changed and not is_rebuilt else SIZES
    known: set[str] = set()
    for resolved in _recorded(request):
        known |= _keys(resolved)
        if resolved.sweep.size in sizes:
            yield resolved
    catalogue = builtin_catalogue(request.settings.data_root)
    for name in SWEEPS:
        try:
            resolved = load_sweep(name, size=request.size, catalogue=catalogue)
        except InputError:  # it has no such size
            continue
        cells = make_plan(resolved, store=request.store, mode="read-only").cells
        if any(cell.trained and cell.train_key not in known for cell in cells):
            yield resolved


def recorded_sweeps(settings: Settings, store: FileStore) -> list[ResolvedSweep]:
    """Return the sweeps of a storage, each as it was last run in each size; those that cannot be read any more are left out."""
    request = ReplayRequest(settings=settings, store=store)
    return list({resolved.label: resolved for resolved in _recorded(request)}.values())


def _recorded(request: ReplayRequest, name: str | None = None) -> Iterator[ResolvedSweep]:
    """Yield the sweeps that the storage remembers, or those of a name, in the order in which they were first run."""
    latest: dict[tuple[object, ...], SweepRecord] = {}
    for record in request.store.sweeps(request.on_damage):
        identity = (record.name, record.size, tuple(sorted(record.files.items())), record.overrides)
        latest.pop(identity, None)
        latest[identity] = record
    for record in latest.values():
        if name not in (None, record.name):
            continue
        try:
            yield _as_it_was_run(record, request)
        except InputError as error:
            request.report(f"{_called(record)} cannot be replayed: {'; '.join(map(str, error.mistakes))}")
        except EnvironmentRefused as error:
            request.report(f"{_called(record)} cannot be replayed: {error}")


def _as_it_was_run(record: SweepRecord, request: ReplayRequest) -> ResolvedSweep:
    """Return a recorded sweep with its options, seeds and, where they are here, the data that it was run with."""
    roots = dict.fromkeys([*([Path(record.data_root)] if record.data_root else []), request.settings.data_root])
    wanted = {cell.train_key for cell in record.cells if cell.row}
    best = _resolved(record, None)
    for root in roots:
        if wanted <= _keys(best):
            break
        if root is not None and root.is_dir():
            best = max(_resolved(record, root), best, key=lambda each: len(wanted & _keys(each)))
    lost = len(wanted - _keys(best))
    if lost:
        changed = "its data, a plug-in or the code is another now"
        request.report(f"{_called(record)}: {lost} of {len(wanted)} cells are not replayed, since {changed}")
    return best


def _resolved(record: SweepRecord, root: Path | None) -> ResolvedSweep:
    texts = [text for text in record.overrides if not text.startswith(_SEEDS)]
    seeds = next((text.removeprefix(_SEEDS) for text in record.overrides if text.startswith(_SEEDS)), None)
    catalogue = builtin_catalogue(root)
    sweep = read_sweep_texts(
        record.name,
        record.files,
        size=_size_of(record),
        overrides=parse_overrides(texts, seeds=seeds),
        catalogue=catalogue,
    )
    # `--until-decided` adds seeds to single rows, which no option says.
    counts = {row: len({cell.seed for cell in record.cells if cell.row == row}) for row in seeds_by_row(sweep)}
    grown = [row for row, number in seeds_by_row(sweep).items() if counts[row] > number]
    sweep = with_more_seeds(sweep, grown, counts) if grown else sweep
    return resolve_sweep(sweep, catalogue, source=record.name if record.name in SWEEPS else "")


def _size_of(record: SweepRecord) -> Size:
    return next(size for size in SIZES if size == record.size)


def _keys(resolved: ResolvedSweep) -> set[str]:
    return {cell.train_key for cell in resolved.cells}


def _identity(resolved: ResolvedSweep) -> tuple[object, ...]:
    return (resolved.label, resolved.sweep.document.text, resolved.sweep.overrides, frozenset(_keys(resolved)))


def _called(record: SweepRecord) -> str:
    label = label_of(record.name, _size_of(record))
    return f"{label} ({', '.join(record.overrides)})" if record.overrides else label

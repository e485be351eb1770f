"""Planning: wanted minus recorded. Reads the store, starts nothing, needs no data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from eval.benchmarks.contract import BenchmarkRequest
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.cell import Mode, Plan, PlannedCell
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError, Mistake, command
from orchestration.planning.checkpoints import unusable_checkpoints
from orchestration.planning.missing_data import missing_data, missing_of_benchmarks
from orchestration.planning.retry_policy import COUNTED, REPEATABLE
from orchestration.store.contract import AttemptRecord, CellResult, ResultsStore

ATTEMPTS_BEFORE_SET_ASIDE = 3


def make_plan(
    resolved: ResolvedSweep, *, store: ResultsStore, mode: Mode = "cached", checkpoints: str | None = None
) -> Plan:
    """Return what a sweep wants and what of it is recorded.

    Equal cells are one cell, whatever rows they are in. Cells that others start from join as supporting cells, parents
    before children, as long as one of those others is still to be trained.

    Args:
        resolved: What is wanted; what is missing in its catalogue's data root is reported.
        mode: "cached" runs what is missing and leaves failed cells alone, "retry" runs failed ones again, "force" runs
            everything again, "read-only" runs nothing.
        checkpoints: URI of the folder of all checkpoints: a recorded one that this plan needs and that is damaged or gone is
            trained again. None takes all recorded ones as whole.

    Raises:
        InputError: If a row shows what was not imported.
    """
    cells, catalogue = resolved.cells, resolved.catalogue
    wanted = _merged(cells)
    families = {key: cell.ancestors for key, cell in wanted.items()}
    parents = {parent.train_key: parent for family in families.values() for parent in family}
    # One request for everything: on object storage each further one costs a round trip. Of parents no report is read.
    reports = {key: [request.key for request in cell.benchmarks] for key, cell in wanted.items()}
    results = store.results([*dict.fromkeys([*wanted, *parents])], wanted={**dict.fromkeys(parents, ()), **reports})
    # First: `_as_imported` takes what is imported for recorded.
    _check_imported(cells, results)
    wanted = {key: _as_imported(cell, results) for key, cell in wanted.items()}
    keys = dict.fromkeys([*wanted, *parents])
    # Of a parent no report is wanted: recorded means complete.
    undone = [key for key in keys if key not in results or not _is_complete(wanted.get(key), results[key])]
    # A checkpoint is looked at only where something still needs it: a recorded sweep stays recorded without its checkpoints.
    faults: Mapping[str, str] = {}
    # Forcing trains everything again, whatever state its checkpoints are in.
    if checkpoints is not None and mode != "force":
        everyone = {**parents, **wanted}
        faults = unusable_checkpoints(
            [key for key in undone if key in wanted],
            results=results,
            ancestors=lambda key: [parent.train_key for parent in everyone[key].ancestors],
            store=store,
            checkpoints=checkpoints,
        )
    # Only of what is undone: the attempts of each cell are a listing of their own.
    failures = {key: failure_of(attempts) for key, attempts in store.failures(undone).items()}
    # Forcing ignores what is recorded, except for what was imported, which nothing here could compute.
    counted = {key: each for key, each in results.items() if mode != "force" or each.is_imported}
    planned: dict[str, PlannedCell] = {}
    for key, cell in wanted.items():
        # A parent is wanted only by children that are still to be trained, and is planned as itself where it has a row.
        is_trained = key in counted and key not in faults
        for parent in () if is_trained else families[key]:
            if parent.train_key not in wanted and parent.train_key not in planned:
                planned[parent.train_key] = _planned(parent, (), failures, counted, faults, is_supporting=True)
        planned[key] = _planned(cell, cell.benchmarks, failures, counted, faults)
    ordered = _parents_first(planned, families)
    # The other modes run a failed parent again. Parents come first here, or a mark would not reach grandchildren.
    if mode == "cached":
        ordered = _without_orphans(ordered)
    return Plan(
        sweep=resolved.label,
        cells=tuple(ordered),
        mode=mode,
        duplicates=_duplicates(cells),
        missing_data=missing_data(ordered, catalogue),
        missing_benchmarks=missing_of_benchmarks(ordered, catalogue.data_root),
        left_out=_left_out(ordered, catalogue),
    )


def _merged(cells: Sequence[ResolvedCell]) -> dict[str, ResolvedCell]:
    """Return one cell per train key, with all benchmarks and values that any of its rows wants."""
    merged: dict[str, ResolvedCell] = {}
    for cell in cells:
        first = merged.setdefault(cell.train_key, cell)
        if first is not cell:
            # Equal keys mean equal weights: only what is evaluated of them can differ between rows.
            known = {request.key for request in first.benchmarks}
            merged[cell.train_key] = replace(
                first,
                benchmarks=(*first.benchmarks, *(each for each in cell.benchmarks if each.key not in known)),
                wanted_values=tuple(dict.fromkeys((*first.wanted_values, *cell.wanted_values))),
            )
    return merged


def _check_imported(cells: Sequence[ResolvedCell], results: Mapping[str, CellResult]) -> None:
    """Refuse rows that show what was not imported into this storage: nothing could ever fill them."""
    missing = {cell.train_key: cell for cell in cells if cell.cell.imported and cell.train_key not in results}
    mistakes = []
    for cell in missing.values():
        name, dataset = str(cell.cell.imported), cell.config.dataset
        bring = command("import", "FILE", options=("--format", "SUITE", "--name", name, "--dataset", dataset))
        text = (
            f"row '{cell.cell.row}' shows '{name}', but nothing of that name was imported for {dataset}; "
            f"import it with `{bring}`"
        )
        mistakes.append(Mistake(where="imported", text=text))
    if mistakes:
        raise InputError("sweep", mistakes)


def _as_imported(cell: ResolvedCell, results: Mapping[str, CellResult]) -> ResolvedCell:
    """Return a cell; an imported one with only those benchmarks that its file had numbers of."""
    if cell.cell.imported is None:
        return cell
    known = results[cell.train_key].reports
    return replace(cell, benchmarks=tuple(request for request in cell.benchmarks if request.key in known))


def _is_complete(wanted: ResolvedCell | None, result: CellResult) -> bool:
    return wanted is None or all(request.key in result.reports for request in wanted.benchmarks)


def _planned(
    cell: ResolvedCell,
    benchmarks: tuple[BenchmarkRequest, ...],
    failures: Mapping[str, str | None],
    results: Mapping[str, CellResult],
    faults: Mapping[str, str],
    *,
    is_supporting: bool = False,
) -> PlannedCell:
    result = results.get(cell.train_key)
    missing = tuple(request for request in benchmarks if result is None or request.key not in result.reports)
    is_trained = result is not None and cell.train_key not in faults
    # With a damaged checkpoint a cell is not done although no report is missing: another cell needs its weights.
    is_done = is_trained and not missing
    return PlannedCell(
        cell=cell.cell,
        train_key=cell.train_key,
        config=cell.config,
        dataset_identity=cell.dataset_identity,
        benchmarks=benchmarks,
        missing=missing,
        trained=is_trained,
        supporting=is_supporting,
        failed=None if is_done else failures.get(cell.train_key),
        sources=cell.sources,
        files=cell.files,
        wanted_values=() if is_supporting else cell.wanted_values,
        retrained=faults.get(cell.train_key, "") if result is not None else "",
    )


def failure_of(attempts: Sequence[AttemptRecord]) -> str | None:
    """Return why a cell counts as failed, or None where it should simply be tried again.

    What was preempted, stopped, or met a full disk did not fail; a lost worker counts after three attempts.
    """
    counted = [attempt for attempt in attempts if attempt.error_class in COUNTED - {"no-space"}]
    if not counted:
        return None
    # Attempts come oldest first; the newest cause decides.
    last = counted[-1]
    is_final = last.error_class in REPEATABLE or last.error_class == "out-of-memory"
    if is_final or len(counted) >= ATTEMPTS_BEFORE_SET_ASIDE:
        return f"{last.error_class}: {last.message}"
    return None


def _parents_first(
    planned: Mapping[str, PlannedCell], families: Mapping[str, tuple[ResolvedCell, ...]]
) -> list[PlannedCell]:
    """Keep the order of the sweep, but move a parent before its first child."""
    ordered: dict[str, PlannedCell] = {}
    for key in planned:
        for ancestor in (*(parent.train_key for parent in families.get(key, ())), key):
            # Not planned where no child is to be trained. `setdefault` keeps what an earlier child moved up.
            if ancestor in planned:
                ordered.setdefault(ancestor, planned[ancestor])
    return list(ordered.values())


def _without_orphans(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """Mark the untrained cells whose parent failed before: they cannot start either."""
    kept: dict[str, PlannedCell] = {}
    for cell in cells:
        # A trained parent can only have failed in its evaluation, which no child needs.
        failed = [key for key in cell.parents if key in kept and kept[key].failed is not None and not kept[key].trained]
        if failed and not cell.trained and cell.failed is None:
            cell = replace(cell, failed=f"a cell that it builds on failed: {failed[0][:12]}")
        kept[cell.train_key] = cell
    return list(kept.values())


def _duplicates(cells: Sequence[ResolvedCell]) -> tuple[tuple[str, ...], ...]:
    """Return the rows that share all cells with other rows, grouped."""
    keys: dict[str, set[str]] = {}
    for cell in cells:
        keys.setdefault(cell.cell.row, set()).add(cell.train_key)
    # As sets: rows are the same by their cells, in whatever order their seeds are.
    groups: dict[frozenset[str], list[str]] = {}
    for row, row_keys in keys.items():
        groups.setdefault(frozenset(row_keys), []).append(row)
    return tuple(tuple(rows) for rows in groups.values() if len(rows) > 1)


def _left_out(cells: Sequence[PlannedCell], catalogue: Catalogue) -> tuple[str, ...]:
    """Return a line for each kind of file in the datasets' folders that is not read."""
    names = dict.fromkeys(cell.config.dataset for cell in cells)
    return tuple(line for name in names for line in catalogue.dataset(name).left_out)

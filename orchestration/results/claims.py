"""The papers' claims on what is recorded of sweeps: evidence from the store, and a verdict per claim, sweep and dataset.

Rows of other tables of the same dataset that a claim compares with are read from the built-in sweeps of the same size, whether
or not they were asked for: nothing is run for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from eval.benchmarks.registry import benchmark_for
from eval.claims.comparing import ALPHA
from eval.claims.evaluate import Claim, ClaimVerdict, claims, evaluate, evaluate_printed
from eval.claims.evidence import Measure, Missing, Sample, floor_of, joined, turned
from eval.tables.column import Column, column_value
from eval.tables.published.tables import published_tables
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import SWEEPS, load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError
from orchestration.planning.lookup import recorded
from orchestration.store.contract import CellResult, Results
from orchestration.store.measured import images_seen
from orchestration.store.provenance import origin_marks
from orchestration.sweeps.model import Sweep
from orchestration.sweeps.overrides import parse_overrides


@dataclass(frozen=True, slots=True)
class RecordedEvidence:
    """What is recorded of a sweep, and of those next to it: values of rows over seeds.

    Args:
        ground: The sweep whose rows are compared; other ones provide rows that it lacks.
        results: Train key -> what is recorded.
    """

    ground: tuple[ResolvedSweep, ...]
    results: Mapping[str, CellResult]
    _members: dict[str, list[tuple[ResolvedCell, Mapping[Column, Column]]]] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[str, ...]:
        """Labels of the rows of the sweep itself."""
        return self.ground[0].sweep.rows

    def sample(self, row: str, measure: Measure) -> Sample | Missing:
        """Return a row's values over seeds."""
        made = joined(measure, partial(self._part, row))
        if isinstance(made, Missing) or made.values:
            return made
        return Missing(f"no seed of {row} has all parts of {measure.name}")

    def seconds(self, row: str) -> Mapping[int, float] | Missing:
        """Return a row's device-seconds per training image by seed; cells that start from others are left out."""
        found = {}
        for cell, _ in self.members(row):
            result = self.results.get(cell.train_key)
            images = images_seen(result.training.provenance.config) if result is not None else 0.0
            if result is not None and images and result.training.summary.device_s > 0 and not cell.config.init_from:
                found[cell.config.seed] = result.training.summary.device_s / images
        return found or Missing(f"no training time is recorded of {row}")

    def members(self, row: str) -> list[tuple[ResolvedCell, Mapping[Column, Column]]]:
        """Return the cells of a row, from the first sweep that has it, with the sweep's stand-ins (full column -> column)."""
        if row not in self._members:
            self._members[row] = self._found(row)
        return self._members[row]

    def _found(self, row: str) -> list[tuple[ResolvedCell, Mapping[Column, Column]]]:
        for each in self.ground:
            stand_ins = {column: shown for shown, column in each.sweep.stand_ins.items()}
            found: list[tuple[ResolvedCell, Mapping[Column, Column]]] = [
                (member.cell, stand_ins) for member in each.points if member.row == row
            ]
            if found:
                return found
        return []

    def _part(self, row: str, alternatives: Sequence[Column]) -> Sample | Missing:
        members = self.members(row)
        if not members:
            return Missing(f"the sweep has no row '{row}' in this size", is_row_absent=True)
        columns = [column for given in alternatives for column in _columns_of(given, *members[0])]
        if not columns:
            return Missing(f"the sweep does not measure {alternatives[0]}", is_absent=True)
        if any(cell.cell.imported is not None for cell, _ in members):
            return Missing(f"{row} is imported from another suite, which defines its numbers otherwise")
        origins = (
            self.results[cell.train_key].training.summary for cell, _ in members if cell.train_key in self.results
        )
        if any("contradicted" in origin_marks(summary.environment) for summary in origins):
            return Missing(f"a checkpoint of {row} was adopted although its own record contradicts the row")
        own = {name for cell, _ in members for name in _own_files(cell, columns[0])}
        if own:
            return Missing(
                f"{columns[0]} of {row} is on own files ({', '.join(sorted(own))}), not on the published ones"
            )
        values = {cell.config.seed: self._value(cell, columns[0]) for cell, _ in members}
        known = {seed: value for seed, value in values.items() if value is not None}
        if not known:
            return Missing(f"{columns[0]} of {row} is not recorded")
        is_percent = columns[0].spec.is_percent
        return Sample(values=turned(columns[0], known), floor=floor_of(columns[0]), is_percent=is_percent)

    def _value(self, cell: ResolvedCell, column: Column) -> float | None:
        column = column.without_mean()
        request = next((each for each in cell.benchmarks if each.name == column.benchmark), None)
        result = self.results.get(cell.train_key)
        report = result.reports.get(request.key) if result is not None and request is not None else None
        return column_value(report.outcome, column) if report is not None and report.outcome is not None else None


def _own_files(cell: ResolvedCell, column: Column) -> list[str]:
    """Return the collections that a column's values of a cell are on and that are not shown to be the published ones."""
    return [each for request in cell.benchmarks if request.name == column.benchmark for each in request.own_files]


def _columns_of(given: Column, cell: ResolvedCell, stand_ins: Mapping[Column, Column]) -> list[Column]:
    """Return what replaces a column in a size: its stand-in, else itself where the cell is evaluated by that benchmark."""
    if given in stand_ins:
        return [stand_ins[given]]
    is_evaluated = any(request.name == given.benchmark for request in cell.benchmarks)
    return [given] if is_evaluated and given.metric in benchmark_for(given.benchmark).metrics else []


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedClaim:
    """A claim on one sweep.

    Attributes:
        sweep: Label of the sweep, its size included.
        settings: What options change of the sweep ("benchmarks.c.severities=[1]"), its seeds left out.
        table: The published table (or the sweep) that it is evaluated as.
        printed: The verdict on the papers' own numbers, or None where the table is no published one.
    """

    sweep: str
    settings: tuple[str, ...]
    table: str
    datasets: tuple[str, ...]
    ours: ClaimVerdict
    printed: ClaimVerdict | None

    @property
    def claim(self) -> Claim:
        """The claim."""
        return self.ours.claim


def evaluate_claims(
    sweeps: Sequence[ResolvedSweep], *, store: Results, alpha: float = ALPHA
) -> tuple[EvaluatedClaim, ...]:
    """Return the verdict on every claim that speaks of one of these sweeps, or of a part of a union.

    Args:
        sweeps: What is evaluated; parts of unions are evaluated one by one.
    """
    given = [leaf for sweep in sweeps for leaf in sweep.leaves]
    grounds = {name: resolved for resolved in given if (name := table_of(resolved.sweep))}
    lenders = _lenders(grounds)
    everything = [*grounds.values(), *(resolved for each in lenders.values() for resolved in each.values())]
    results = recorded([cell for resolved in everything for cell in resolved.cells], store)
    return tuple(
        _evaluated(claim, name, resolved, lenders[name], results, alpha)
        for name, resolved in grounds.items()
        for claim in claims()
        if name in claim.tables
    )


def table_of(sweep: Sweep) -> str:
    """Return the name under which claims speak of a sweep: its published table, else its own name."""
    published = sweep.table.published if sweep.table is not None else None
    return published or sweep.name


def verdict_document(evaluated: EvaluatedClaim) -> dict[str, Any]:
    """Return an evaluated claim as plain values."""
    return {
        "claim": evaluated.claim.name,
        "says": evaluated.claim.says,
        "source": evaluated.claim.source,
        "sweep": evaluated.sweep,
        "settings": list(evaluated.settings),
        "datasets": list(evaluated.datasets),
        "verdict": evaluated.ours.truth,
        "reason": evaluated.ours.reason,
        "comparisons": [each.text for each in evaluated.ours.comparisons],
        "left_out": list(evaluated.ours.left_out),
        "published_numbers": evaluated.printed.truth if evaluated.printed is not None else None,
        "published_reason": evaluated.printed.reason if evaluated.printed is not None else None,
    }


def _lenders(grounds: Mapping[str, ResolvedSweep]) -> dict[str, dict[str, ResolvedSweep]]:
    """Return for each sweep those that claims on it borrow rows from, by table."""
    borrowed: dict[str, dict[str, ResolvedSweep]] = {name: {} for name in grounds}
    for name, resolved in grounds.items():
        for table in dict.fromkeys(other for claim in claims() if name in claim.tables for other in claim.beside):
            found = grounds.get(table) or _built_in(table, resolved)
            if found is not None:
                borrowed[name][table] = found
    return borrowed


def _built_in(table: str, like: ResolvedSweep) -> ResolvedSweep | None:
    """Return the built-in sweep of a table in the size, with the options and seeds of another one, or None where there is none.

    Rows of a user's own file are not compared with rows of another recipe: nothing is lent to it then.
    """
    if table not in SWEEPS:
        return None
    seeds = tuple(dict.fromkeys(each.seed for each in like.points))
    changes = parse_overrides(_settings(like))
    try:
        found = load_sweep(
            table, size=like.sweep.size, overrides=replace(changes, seeds=seeds), catalogue=like.catalogue
        )
    except InputError:  # that sweep has no such size, or nothing that these options change
        return None
    return found if like.source in SWEEPS or _shares_cells(like, found) else None


def _settings(resolved: ResolvedSweep) -> tuple[str, ...]:
    return tuple(text for text in resolved.sweep.overrides if not text.startswith("seeds="))


def _shares_cells(ours: ResolvedSweep, other: ResolvedSweep) -> bool:
    """Return whether two sweeps have a cell in common that both evaluate in the same way: then their other rows compare too."""
    theirs = {cell.train_key: cell for cell in other.cells}
    pairs = [(cell, theirs[cell.train_key]) for cell in ours.cells if cell.train_key in theirs]
    return bool(pairs) and all(
        one.key == another.key
        for a, b in pairs
        for one in a.benchmarks
        for another in b.benchmarks
        if one.name == another.name
    )


def _evaluated(
    claim: Claim,
    table: str,
    resolved: ResolvedSweep,
    lenders: Mapping[str, ResolvedSweep],
    results: Mapping[str, CellResult],
    alpha: float,
) -> EvaluatedClaim:
    beside = tuple(lenders[other] for other in claim.beside if other in lenders)
    return EvaluatedClaim(
        sweep=resolved.sweep.label,
        settings=_settings(resolved),
        table=table,
        datasets=tuple(dict.fromkeys(cell.config.dataset for cell in resolved.cells)),
        ours=evaluate(claim, RecordedEvidence((resolved, *beside), results), table=table, alpha=alpha),
        printed=evaluate_printed(claim, table) if table in published_tables() else None,
    )

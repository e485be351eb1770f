"""What is tracked: a sweep and its cells in the words that the UI shows. Plain values that cross to the writer process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from eval.benchmarks.registry import benchmark_for
from eval.tables.column import Column
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.planning.column_values import shown_column, shown_columns
from orchestration.tracking.content.data import Datasets
from orchestration.tracking.content.params import cell_params
from orchestration.tracking.contract import TrackedData
from orchestration.tracking.secrets import scrubbed

_IN_NAME: Final = 3
"""Varying parameters that a run's name spells out."""
_MAX_COLUMNS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedCell:
    """A cell of a sweep.

    Attributes:
        params: Every field of its configuration and the precision of its evaluation, as text.
        wanted: Benchmark key -> benchmark name, of what the sweep wants of it.
        data: What it is trained and evaluated on, as far as its content is known.
        columns: (column, benchmark key) of single fine rows that the table shows.
        image: Channels, height and width of its images, or None where they are not known here.
    """

    key: str
    name: str
    row: str
    params: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    data: tuple[TrackedData, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    image: tuple[int, int, int] | None = None
    num_classes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedSweep:
    """A sweep.

    Attributes:
        columns: Metrics `<benchmark>/<metric>` that prepared views show, the first of them sorts.
        varying: Parameters that differ between its cells; their columns are worth showing.
    """

    name: str
    cells: tuple[TrackedCell, ...]
    columns: tuple[str, ...]
    varying: tuple[str, ...]


def tracked_sweep(plan: Plan, columns: Sequence[Column] = ()) -> TrackedSweep:
    """Describe a plan for the tracker.

    Args:
        columns: Table columns; a third part (one fine row) is left to the fine table. Without any,
            the metrics of the wanted benchmarks.
    """
    scrub = cache(scrubbed)  # thousands of cells repeat a few texts
    params = {cell.train_key: cell_params(cell, scrub) for cell in plan.cells}
    varying = _varying([params[cell.train_key] for cell in plan.cells if not cell.supporting])
    rows: dict[str, list[Mapping[str, str]]] = {}
    for cell in plan.cells:
        rows.setdefault(_row(cell), []).append(params[cell.train_key])
    within = {row: _varying(found) for row, found in rows.items()}
    datasets = Datasets()
    cells = tuple(
        _tracked(cell, params[cell.train_key], within[_row(cell)], plan.sweep, datasets) for cell in plan.cells
    )
    requests = [request for cell in plan.cells for request in cell.benchmarks]
    wanted = list(dict.fromkeys(column.of_row(None) for column in columns if not column.is_computed)) or _all_columns(
        plan
    )
    headline = tuple(map(str, shown_columns(wanted, requests)))
    return TrackedSweep(name=plan.sweep, cells=cells, columns=headline[:_MAX_COLUMNS], varying=varying)


def _tracked(
    planned: PlannedCell, params: Mapping[str, str], varying: Sequence[str], sweep: str, datasets: Datasets
) -> TrackedCell:
    cell, row, dataset = planned.cell, _row(planned), datasets.of(planned.config.dataset)
    extras = [name for name in varying if name != "seed" and name in params]
    spelled = [f"{name} {params[name]}" for name in extras[:_IN_NAME]]
    tags = {
        "cell_key": planned.train_key,
        "cell_id": planned.cell_id,
        "kind": "supporting" if planned.supporting else "cell",
        "sweep": sweep,
        "row": row,
        "recipe": cell.recipe,
        "data_identity": planned.dataset_identity,
    }
    return TrackedCell(
        key=planned.train_key,
        name=" · ".join([row, *spelled, f"seed {cell.seed}"]),
        row=row,
        params=params,
        tags={name: value for name, value in tags.items() if value},
        wanted={request.key: request.shown_name for request in planned.benchmarks},
        data=datasets.data_of(planned),
        columns=_fine_columns(planned),
        image=None if dataset is None else (dataset.num_channels, dataset.image_size, dataset.image_size),
        num_classes=0 if dataset is None else dataset.num_classes,
    )


def _fine_columns(planned: PlannedCell) -> tuple[tuple[str, str], ...]:
    requests = {request.key: request for request in planned.benchmarks}
    return tuple(
        (str(shown_column(column, requests[key])), key)
        for column, key in planned.wanted_values
        if column.detail and not column.is_computed and key in requests
    )


def _varying(params: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for each in params for name in each)
    return tuple(name for name in names if len({each[name] for each in params if name in each}) > 1)


def _row(planned: PlannedCell) -> str:
    return planned.cell.row or planned.config.method


def _all_columns(plan: Plan) -> list[Column]:
    names = dict.fromkeys(request.name for cell in plan.cells for request in cell.benchmarks)
    return [Column(name, metric) for name in names for metric in benchmark_for(name).metrics]

"""The empty grid of a sweep: which rows and columns its table has, and where the values of each point go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from eval.tables.column import Column
from eval.tables.grid import Observation, Table
from eval.tables.layouts import metric_table, pair_grid, set_table
from orchestration.sweeps.model import Point, Sweep, spoken_value
from orchestration.sweeps.sweep_file import TableSpec


def laid_out(sweep: Sweep, observations: Iterable[Observation], *, columns: Sequence[Column] = ()) -> Table:
    """Return the table of a sweep from observations in its places; the plan lays it out too, before anything is recorded.

    Args:
        columns: Its columns as they are shown (`orchestration.planning.column_values`), where they are not those that it names.

    Raises:
        EvalError: If two values claim one place and seed.
        ValueError: If a label cannot be printed, or two are the same.
    """
    if sweep.table is None:
        raise ValueError(f"sweep '{sweep.name}' is a union; `sweep_tables` gives the tables of its parts")
    return replace(_laid_out(sweep, sweep.table, observations, columns), name=" ".join([sweep.label, *_set(sweep)]))


def _laid_out(sweep: Sweep, table: TableSpec, observations: Iterable[Observation], columns: Sequence[Column]) -> Table:
    layout, axes = table.layout, table.matrix
    columns = columns or sweep.columns
    if layout == "matrix" and axes is not None:
        down = dict.fromkeys(place_of(sweep, point)[0] for point in sweep.points)
        across = dict.fromkeys(place_of(sweep, point)[1] for point in sweep.points)
        corner, across_name = (path.rpartition(".")[2] for path in (axes.rows, axes.columns))
        if corner == across_name:
            corner, across_name = axes.rows, axes.columns
        return pair_grid(
            shown_title(sweep), list(down), list(across), columns, observations, corner=corner, across_name=across_name
        )
    if layout == "sets":
        return set_table(shown_title(sweep), sweep.details, sweep.rows, columns, observations)
    return metric_table(shown_title(sweep), sweep.rows, columns, observations)


def shown_title(sweep: Sweep) -> str:
    """Return the caption of a sweep's table.

    The title is about the full size: a smaller one adds the datasets it ran on, and options add what they set.
    """
    parts = [sweep.title]
    if sweep.size != "full":
        datasets = dict.fromkeys(
            str(point.settings["dataset"].value)
            for leaf in sweep.leaves
            for point in leaf.points
            if "dataset" in point.settings
        )
        parts.append(f"{sweep.size} size ({', '.join(datasets)})")
    return ", ".join([*parts, *([f"with {' '.join(_set(sweep))}"] if _set(sweep) else [])])


def _set(sweep: Sweep) -> list[str]:
    """Return what options set: "train.epochs=5"."""
    return [text for text in sweep.overrides if not text.startswith("seeds=")]


def place_of(sweep: Sweep, point: Point) -> tuple[str, str]:
    """Return the place of a point in the table: its row, and its place across in a matrix, else ""."""
    matrix = sweep.table.matrix if sweep.table is not None else None
    if matrix is None:
        return point.row, ""
    return _setting(point, matrix.rows), _setting(point, matrix.columns)


def _setting(point: Point, path: str) -> str:
    return spoken_value(point.settings[path].value) if path in point.settings else "default"

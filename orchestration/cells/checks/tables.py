"""What a table refuses, reported by the plan: it lays out the table of its cells before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from augment.lookup.parameters import nearest
from eval.errors import EvalError
from eval.tables.compare import find_published
from eval.tables.grid import Observation
from eval.tables.published.tables import published_table
from orchestration.cells.checks.settings import described, differing_settings
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.point_settings import mistake_at
from orchestration.cells.resolved import ResolvedPoint, ResolvedSweep
from orchestration.errors import Mistake
from orchestration.sweeps.layout import laid_out, place_of
from orchestration.sweeps.model import Point, Sweep, spoken_value
from orchestration.sweeps.yaml_reader import plain_scalar

_CLAIM: Final = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*)\s*[=:]\s*([^\s,;()=\[\]{}]+)(?=[\s,;()]|$)")
_SEED: Final = re.compile(r"\bseed\s*[=:#]?\s*(\d+)\W*$", re.IGNORECASE)
"""Ends the label of a row for one seed."""
SHOWN_DIFFERENCES: Final = 4


def table_mistakes(resolved: ResolvedSweep) -> list[Mistake]:
    """Return a mistake for each way in which a table of cells could not be built, or would show one under another name."""
    mistakes = [*_row_mistakes(resolved), *_claim_mistakes(resolved), *_matrix_mistakes(resolved)]
    return list(dict.fromkeys(mistakes))


def layout_mistakes(sweep: Sweep) -> list[Mistake]:
    """Return a mistake where the table of a sweep cannot be laid out with one value in the place of each of its cells."""
    try:
        laid_out(sweep, _one_each(sweep))
    except (EvalError, ValueError) as error:
        return [mistake_at(sweep, ("table",), str(error))]
    return []


def unmatched_tables(sweep: Sweep) -> tuple[str, ...]:
    """Return a line for each published table that a sweep, or a part of it, names and that has none of its entries.

    The sweep's table is laid out without values, so that rows and columns are matched as in the comparison itself.
    """
    lines = []
    for part in sweep.leaves:
        name = part.table.published if part.table is not None else None
        if name is None:
            continue
        published, table = published_table(name), laid_out(part, ())
        places = ((i, j) for i in range(len(table.rows)) for j in range(len(table.columns)))
        if not any(find_published(table, i, j, published) for i, j in places):
            rows, columns = ", ".join(published.rows), ", ".join(map(str, published.columns))
            lines.append(
                f"no entry of '{part.name}' is in the published '{name}', so nothing is compared; "
                f"its rows: {rows}; its columns: {columns}"
            )
    return tuple(lines)


def _one_each(sweep: Sweep) -> Iterator[Observation]:
    column = sweep.value_columns[0]
    seen: set[tuple[str, int]] = set()
    for point in sweep.points:
        if (point.row, point.seed) not in seen:
            seen.add((point.row, point.seed))
            row, across = place_of(sweep, point)
            yield Observation(row=row, across=across, column=column, seed=point.seed, value=0.0)


def _row_mistakes(resolved: ResolvedSweep) -> Iterator[Mistake]:
    """Rows whose label covers cells that differ in more than their seed."""
    first: dict[tuple[str, int], ResolvedCell] = {}
    reported: set[str] = set()
    for each in resolved.points:
        known = first.setdefault((each.row, each.seed), each.cell)
        if known.train_key != each.cell.train_key and each.row not in reported:
            reported.add(each.row)
            text = (
                f"row '{each.row}' covers cells that differ in more than their seed: "
                f"{_differing(known, each.cell)}; give each its own label"
            )
            yield mistake_at(resolved.sweep, each.point.origin, text)


def _matrix_mistakes(resolved: ResolvedSweep) -> Iterator[Mistake]:
    """Entries of a matrix with more than one cell of a seed, and factors that no cell sets."""
    sweep = resolved.sweep
    axes = sweep.table.matrix if sweep.table is not None else None
    if axes is None:
        return
    known = list(dict.fromkeys(path for each in resolved.points for path in each.point.settings))
    unknown = [(name, path) for name, path in (("rows", axes.rows), ("columns", axes.columns)) if path not in known]
    if unknown:
        for name, path in unknown if resolved.points else ():
            yield mistake_at(
                sweep, ("table", "matrix", name), f"no cell sets the factor '{path}'{nearest(path, known)}"
            )
        return
    first: dict[tuple[str, str, int], ResolvedPoint] = {}
    for each in resolved.points:
        down, across = place_of(sweep, each.point)
        other = first.setdefault((down, across, each.seed), each)
        if other.row == each.row:
            continue
        is_same = other.cell.train_key == each.cell.train_key
        what = "are the same cell" if is_same else f"differ in {_differing(other.cell, each.cell)}"
        yield mistake_at(
            sweep,
            ("table", "matrix"),
            f"the entry {axes.rows} {down}, {axes.columns} {across} would show the rows '{other.row}' and '{each.row}', "
            f"which {what}; a matrix has two factors: leave the third one at one value, or choose layout 'metrics'",
        )
        return


def _claim_mistakes(resolved: ResolvedSweep) -> Iterator[Mistake]:
    """Rows whose label says "epochs=5" of cells that run with another value."""
    first: dict[str, ResolvedPoint] = {}
    for each in resolved.points:
        first.setdefault(each.row, each)
    for row, each in first.items():
        cell = each.cell
        if cell.cell.imported is not None or cell.config.released is not None:
            continue  # how those were trained is not known here
        claims = _claims_of(each.point)
        values = described(cell, without=()) if claims else {}
        for name, text in claims:
            named = {path: value for path, value in values.items() if _is_named(path, name)}
            if [*named] == ["seed"]:  # a row has several seeds: a label may only name the one that all its cells have
                real: list[Any] = [other.seed for other in resolved.points if other.row == row]
                is_true = all(_says(text, seed) for seed in real)
            else:  # a bare name may be a field of several parts; one of them is enough
                real = list(named.values())
                is_true = any(_says(text, value) for value in real)
            if real and not is_true:
                shown = " and ".join(dict.fromkeys(spoken_value(value) for value in real))
                problem = f"row '{row}' says {name}={text}, but its cells run with {name} {shown}"
                yield mistake_at(resolved.sweep, each.point.origin, problem)


def _claims_of(point: Point) -> list[tuple[str, str]]:
    """Return the (name, value) pairs that a row's label states, without those of its own axes, which make the label."""
    own = {path for path, item in point.settings.items() if item.origin[1:2] in (("grid",), ("one_at_a_time",))}
    own |= {path.rpartition(".")[2] for path in own}
    claims = [(name, text) for name, text in _CLAIM.findall(point.row) if name not in own]
    seed = _SEED.search(point.row)
    return claims if seed is None or ("seed", seed[1]) in claims else [*claims, ("seed", seed[1])]


def _is_named(path: str, name: str) -> bool:
    spellings = {
        path,
        path.rpartition(".")[2],
        path.replace("recipe.", "train.", 1),
        path.replace("method_params.", "params.", 1),
        path.replace("mixing_set.", "mixing_set_params.", 1),
    }
    return name in spellings


def _says(text: str, value: Any) -> bool:
    """Whether a text in a label names a value, or is of a kind that no label can name (a list)."""
    if isinstance(value, list | tuple | dict):
        return True
    said = plain_scalar(text)
    if isinstance(said, int | float) and isinstance(value, int | float) and not isinstance(value, bool):
        return float(said) == float(value)
    return text.casefold() in (str(value).casefold(), spoken_value(value).casefold())


def _differing(first: ResolvedCell, second: ResolvedCell) -> str:
    found = differing_settings(first, second)
    more = f" and {len(found) - SHOWN_DIFFERENCES} more" if len(found) > SHOWN_DIFFERENCES else ""
    return ", ".join(found[:SHOWN_DIFFERENCES]) + more

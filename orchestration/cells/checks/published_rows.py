"""Sweeps that name a published table in which none of their entries has a number: the comparison would be empty."""

from __future__ import annotations

from eval.tables.compare import find_published
from eval.tables.published.tables import published_table
from orchestration.sweeps.layout import laid_out
from orchestration.sweeps.model import Sweep


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

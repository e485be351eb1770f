"""Two metrics against each other with the Pareto front; better is to the right and up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eval.tables.grid import ranked_labels
from orchestration.results.figures.contract import FigureKind, NotDrawn, Part, column_places, scaled, unit_of
from orchestration.results.figures.paper import legend_below, new_figure, styles_of


def draw(part: Part, columns: Sequence[str]) -> Any:
    """Return the rows as points with bars of one standard deviation over seeds, and the front of those that tables rank.

    Raises:
        NotDrawn: If the table does not compare rows on two metrics, or lacks a column.
    """
    table = part["table"]
    across, up = shown_places(part, columns)
    a, b = table["columns"][across], table["columns"][up]
    figure = new_figure(3.6)
    axes = figure.add_subplot()
    styles, points, handles = styles_of(table["rows"]), {}, []
    marks: dict[str, set[str]] = {}
    for row, entries in zip(table["rows"], table["entries"], strict=True):
        x, y = entries[across], entries[up]
        if x is not None and y is not None:
            points[row] = (scaled(x["mean"], a), scaled(y["mean"], b))
            marks[row] = {*x["marks"], *y["marks"]}
            handles.append(
                axes.errorbar(
                    *points[row],
                    xerr=scaled(x["spread"] or 0.0, a),
                    yerr=scaled(y["spread"] or 0.0, b),
                    **styles[row] | {"linestyle": "none"},
                    ecolor=styles[row]["color"],
                    elinewidth=0.8,
                )
            )
    if not points:
        raise NotDrawn(f"no row has both {a['column']} and {b['column']} recorded")
    compared = [points[row] for row in ranked_labels(marks)]
    front = sorted(_front(compared, a["lower_is_better"], b["lower_is_better"]))
    axes.plot([x for x, _ in front], [y for _, y in front], color="#8c8c8c", linestyle="--", linewidth=0.8, zorder=0)
    if a["lower_is_better"]:
        axes.invert_xaxis()
    if b["lower_is_better"]:
        axes.invert_yaxis()
    axes.set_xlabel(f"{unit_of(a)} (better: right)")
    axes.set_ylabel(f"{unit_of(b)} (better: up)")
    legend_below(figure, handles, list(points))
    return figure


def shown_places(part: Part, columns: Sequence[str]) -> tuple[int, int]:
    """Return the places of the two columns: those that are asked for, else the first one and the first of another axis.

    Raises:
        NotDrawn: If the table does not compare rows on two metrics, or lacks a column.
    """
    table = part["table"]
    known = table["columns"]
    if table["rank_along"] != "column" or len(known) < 2:
        raise NotDrawn("two metrics against each other need a table of rows by two metrics or more")
    if columns:
        alone = f"two columns are drawn against each other, but only {columns[0]} is given; give another one"
        first, second = column_places(part, columns, also=[alone] if len(columns) == 1 else ())
        return first, second
    other = next((j for j, column in enumerate(known) if column["axis"] != known[0]["axis"]), 1)
    return 0, other


def _front(points: Sequence[tuple[float, float]], lower_x: bool, lower_y: bool) -> list[tuple[float, float]]:
    gains = {point: (-point[0] if lower_x else point[0], -point[1] if lower_y else point[1]) for point in points}
    return [
        point
        for point, (x, y) in gains.items()
        if not any(u >= x and v >= y and (u > x or v > y) for u, v in gains.values())
    ]


KIND: Final = FigureKind(draw=draw, shows=shown_places, says="two metrics against each other", columns=2)

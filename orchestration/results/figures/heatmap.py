"""The grid as a heat map: blue is better and orange worse than the reference, white is within the noise between seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestration.results.figures.contract import FigureKind, NotDrawn, Part, column_places, scaled
from orchestration.results.figures.paper import new_figure, shade_colours


def draw(part: Part, columns: Sequence[str]) -> Any:
    """Return the heat map of a table, or one map per metric where two settings span it.

    Raises:
        NotDrawn: If nothing is recorded, or a column is not in the table.
    """
    table = part["table"]
    if not any(entry is not None for row in table["entries"] for entry in row):
        raise NotDrawn("nothing of the table is recorded")
    places = shown_places(part, columns)
    maps = [places]
    if part["layout"] == "matrix":
        metrics = dict.fromkeys(table["columns"][j]["rank_group"] for j in places)
        maps = [[j for j in places if table["columns"][j]["rank_group"] == metric] for metric in metrics]
    figure = new_figure(sum(0.24 * len(table["rows"]) + 0.9 for _ in maps))
    for axes, chosen in zip(figure.subplots(len(maps), 1, squeeze=False)[:, 0], maps, strict=True):
        _map(axes, part, chosen)
    return figure


def shown_places(part: Part, columns: Sequence[str]) -> list[int]:
    """Return the places of the columns that are drawn: those that are asked for, else all.

    Raises:
        NotDrawn: If a column is not in the table.
    """
    column_places(part, columns)
    known = part["table"]["columns"]
    return [j for j, column in enumerate(known) if not columns or column["column"] in columns]


def _map(axes: Any, part: Part, places: Sequence[int]) -> None:
    table = part["table"]
    is_matrix = part["layout"] == "matrix"
    shades = [[_seen(row[j]) for j in places] for row in table["shades"]]
    axes.imshow(shades, cmap=shade_colours(), vmin=-1.0, vmax=1.0, aspect="auto")
    specs = [table["columns"][j] for j in places]
    texts = [
        spec["group"]
        if is_matrix
        else f"{spec['group'].replace(' (', chr(10) + '(')}\n{spec['label_alone']} {_arrow(spec)}"
        for spec in specs
    ]
    axes.set_xticks(range(len(places)), texts)
    if len(places) > 6:
        axes.tick_params(axis="x", labelsize=5.5)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(table["rows"])), table["rows"])
    axes.set_ylabel(table["corner"])
    if is_matrix:
        axes.set_title(f"{specs[0]['metric_label']} {_arrow(specs[0])}")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    size = 7.0 if len(places) <= 6 else 5.5
    for i, row in enumerate(table["entries"]):
        for at, j in enumerate(places):
            axes.text(at, i, _number(row[j], table["columns"][j]), ha="center", va="center", fontsize=size)


def _seen(shade: float | None) -> float:
    """Return a shade that can be told from white wherever the difference is beyond noise, as on the report."""
    return math.copysign(0.18 + 0.82 * abs(shade), shade) if shade else 0.0


def _arrow(spec: Mapping[str, Any]) -> str:
    return "↓" if spec["lower_is_better"] else "↑"


def _number(entry: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> str:
    if entry is None:
        return "–"
    spread = "" if entry["spread"] is None else f" ± {scaled(entry['spread'], spec):.1f}"
    return f"{scaled(entry['mean'], spec):.1f}{spread}"


KIND: Final = FigureKind(
    draw=draw, shows=shown_places, says="the grid, coloured by differences beyond noise", columns=99
)

"""The safety axes as a radar, on the absolute scale of the report: the rim is a perfect score, the centre the worst possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from orchestration.results.figures.contract import FigureKind, NotDrawn, Part
from orchestration.results.figures.paper import legend_below, new_figure, styles_of

_RINGS: Final = (0.25, 0.5, 0.75, 1.0)


def draw(part: Part, columns: Sequence[str]) -> Any:
    """Return the radar of a table.

    Raises:
        NotDrawn: If fewer than three safety axes are recorded.
    """
    if part["radar"] is None:
        raise NotDrawn("a radar needs recorded values on three safety axes or more, in a table of rows by metrics")
    names, rows = part["radar"]["axes"], part["radar"]["rows"]
    figure = new_figure(4.2)
    axes = figure.add_subplot(projection="polar")
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    angles = [2 * math.pi * index / len(names) for index in range(len(names))]
    styles, handles = styles_of(part["table"]["rows"]), []
    for row, scores in rows.items():
        values = [math.nan if score is None else score for score in scores]
        handles += axes.plot([*angles, angles[0]], [*values, values[0]], **styles[row], clip_on=False)
    axes.set_ylim(0.0, 1.0)
    axes.set_rlabel_position(180.0 / len(names))
    axes.set_yticks(_RINGS, [f"{100 * ring:.0f} %" for ring in _RINGS])
    axes.set_xticks(angles, names)
    axes.tick_params(axis="x", pad=10)
    legend_below(figure, handles, list(rows))
    return figure


def shown_places(part: Part, columns: Sequence[str]) -> list[int]:
    """Return the places of the columns whose means are drawn: all rates."""
    return [j for j, column in enumerate(part["table"]["columns"]) if column["is_percent"]]


KIND: Final = FigureKind(draw=draw, shows=shown_places, says="safety axes, the rim a perfect score")

"""A metric by severity, one line per row, with bars of one standard deviation over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from augment.lookup.parameters import did_you_mean
from orchestration.results.figures.contract import (
    FigureKind,
    NotDrawn,
    Part,
    benchmark_places,
    drawn_rows,
    scaled,
    unit_of,
)
from orchestration.results.figures.paper import legend_below, new_figure, styles_of


def draw(part: Part, columns: Sequence[str]) -> Any:
    """Return the curves of a benchmark with several severities.

    Raises:
        NotDrawn: If none is recorded in several severities, or not the one that is asked for.
    """
    chosen = _chosen(part, columns)
    figure = new_figure(3.4)
    axes = figure.add_subplot()
    styles, handles = styles_of(drawn_rows(part)), []
    rows = {row: points for row, points in chosen["curve"].items() if points}
    for index, (row, points) in enumerate(rows.items()):
        aside = 0.012 * (index - (len(rows) - 1) / 2)  # so that bars of equal values do not hide each other
        handles.append(
            axes.errorbar(
                [level + aside for level, *_ in points],
                [scaled(mean, chosen) for _, mean, *_ in points],
                yerr=[scaled(spread or 0.0, chosen) for _, _, spread, _ in points],
                **styles[row],
                ecolor=styles[row]["color"],
                elinewidth=0.8,
            )
        )
    axes.set_xticks([float(level) for level in chosen["severities"]])
    axes.set_xlabel("severity")
    axes.set_ylabel(unit_of(chosen, "title"))
    legend_below(figure, handles, list(rows))
    return figure


def shown_places(part: Part, columns: Sequence[str]) -> list[int]:
    """Return the places of the columns of the benchmark that is drawn."""
    return benchmark_places(part, _chosen(part, columns)["benchmark"])


def _chosen(part: Part, columns: Sequence[str]) -> Mapping[str, Any]:
    known = {f"{each['benchmark']}/{each['metric']}": each for each in part["details"] if each["curve"]}
    if not known:
        raise NotDrawn("no benchmark is recorded in several severities")
    if columns and columns[0] not in known:
        is_column = columns[0] in {column["column"] for column in part["table"]["columns"]}
        close = "" if is_column else did_you_mean(columns[0], known)
        raise NotDrawn(f"'{columns[0]}' is not recorded in several severities{close}; what is: {', '.join(known)}")
    return known[columns[0]] if columns else next(iter(known.values()))


KIND: Final = FigureKind(draw=draw, shows=shown_places, says="a metric by severity of corruption", columns=1)

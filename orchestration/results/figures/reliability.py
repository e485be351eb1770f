"""Reliability diagrams: accuracy by confidence on the clean test images, one small diagram per row."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from eval.report import OWN_FILES
from orchestration.results.figures.contract import FigureKind, NotDrawn, Part, benchmark_places, drawn_rows
from orchestration.results.figures.paper import new_figure, styles_of

_ACROSS: Final = 4
_LONGEST: Final = 20
"""Letters of a line that fit over a diagram."""


def draw(part: Part, columns: Sequence[str]) -> Any:
    """Return the diagrams of all rows; the area of a dot is the share of images in its bin.

    Raises:
        NotDrawn: If no row has an evaluation on the clean test images.
    """
    rows = part["reliability"]
    if not rows:
        raise NotDrawn("no row is evaluated on the clean test images")
    across = min(_ACROSS, len(rows))
    down = math.ceil(len(rows) / across)
    figure = new_figure(1.6 * down + 0.3)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    styles = styles_of(drawn_rows(part))
    for axes, (row, bins) in zip(grid.flat, rows.items(), strict=False):
        axes.plot([0, 100], [0, 100], color="#8c8c8c", linestyle="--", linewidth=0.8)
        confidence, accuracy, share = zip(*bins, strict=True)
        axes.scatter(
            [100 * each for each in confidence],
            [100 * each for each in accuracy],
            s=[4 + 60 * each for each in share],
            color=styles[row]["color"],
            alpha=0.75,
            linewidths=0,
        )
        axes.set_title(textwrap.fill(row, _LONGEST), fontsize=7.0)
        axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal", xticks=(0, 50, 100), yticks=(0, 50, 100))
    for axes in list(grid.flat)[len(rows) :]:
        axes.remove()
    figure.supxlabel("confidence, %", fontsize=8.0)
    figure.supylabel("accuracy, %", fontsize=8.0)
    return figure


def shown_places(part: Part, columns: Sequence[str]) -> list[int]:
    """Return the places of the columns on the clean test images, whatever files they are of."""
    return [*benchmark_places(part, "clean"), *benchmark_places(part, f"clean{OWN_FILES}")]


KIND: Final = FigureKind(draw=draw, shows=shown_places, says="accuracy by confidence, one diagram per row")

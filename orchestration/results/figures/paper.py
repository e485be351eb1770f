"""The style of figures for papers: small sans serif, fonts embedded, six colours that colour-blind readers tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from augment.heavy import matplotlib

WIDTH_IN: Final = 5.5
"""Width of the text of most single-column styles, in inches."""

_COLOURS: Final = ("#0b5cad", "#c25100", "#111111", "#8c8c8c", "#1697f3", "#6b3a00")
_MARKERS: Final = ("o", "s", "D", "^", "v", "P")
_DASHES: Final = ("-", "--", ":")
_SHADES: Final = ("#f2a65a", "#ffffff", "#7db4ec")
"""From worse over no difference to better."""
_OTHER_SCRIPTS: Final = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans", "WenQuanYi Zen Hei", "IPAGothic")

_SETTINGS: Final = {
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "legend.fontsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "grid.color": "#e0e0e0",
    "axes.grid": True,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "errorbar.capsize": 1.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # what conferences ask for: type 3 fonts are refused by their checks
    "svg.hashsalt": "dreamgrid",  # else every file has other names inside
    "text.parse_math": False,  # a dollar in a label is a dollar
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw and write figures in the style of papers, whatever the caller's own settings are."""
    known = {font.name for font in matplotlib.font_manager.fontManager.ttflist}
    family = ["DejaVu Sans", *(name for name in _OTHER_SCRIPTS if name in known)]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_SETTINGS, "font.family": family})
        yield


def new_figure(height_in: float) -> Any:
    """Return an empty figure as wide as a text; it belongs to no window."""
    return matplotlib.figure.Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def series(index: int) -> dict[str, Any]:
    """Return how the line of a row looks; twelve and more rows can be told apart without colour."""
    again = index // len(_COLOURS)
    colour = _COLOURS[index % len(_COLOURS)]
    return {
        "color": colour,
        "marker": _MARKERS[(index + again) % len(_MARKERS)],
        "linestyle": _DASHES[again % len(_DASHES)],
        "markerfacecolor": "white" if again else colour,
        "markeredgecolor": colour,
    }


def styles_of(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the look of each label."""
    return {label: series(index) for index, label in enumerate(labels)}


def shade_colours() -> Any:
    """Return the colour map of shades, from orange over white to blue."""
    return matplotlib.colors.LinearSegmentedColormap.from_list("shades", _SHADES)


def legend_below(figure: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Name the rows below a figure, in as many columns as their names leave room for."""
    longest = max(map(len, labels))
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), 90 // (longest + 6))))

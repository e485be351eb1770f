"""The cells, headings and footnotes of a printed table; the formats differ only in how they mark up text.

The one place where fractions become percent. Bold is best, underlined second best, an arrow says which way is better, a symbol
refers to a footnote.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Final

from eval.tables.formats.contract import Ink, Style
from eval.tables.grid import MARKS, ColumnSpec, Entry, Reference, Table, shown_value

UNDEFINED: Final = "undefined"
SYMBOLS: Final[Mapping[str, str]] = MappingProxyType(dict(zip(MARKS, "†°‡§*¶◇△▽●", strict=True)))


def headings(table: Table) -> list[str]:
    """Return the heading of each printed column, with the arrow of its direction."""
    if table.merges_groups:
        return [group for group, _ in groupby(spec.group for spec in table.columns)]
    return [f"{spec.group} {spec.label} {arrow(spec)}" for spec in table.columns]


def arrow(spec: ColumnSpec) -> str:
    """Return ↓ where lower is better, else ↑."""
    return "↓" if spec.lower_is_better else "↑"


def footnotes(table: Table) -> list[tuple[str, str]]:
    """Return (symbol, text) of the lines below a table: what the numbers are, the marks, the table's own notes."""
    lines = [("", line)] if (line := _what_numbers_are(table)) else []
    lines += [(SYMBOLS[mark], MARKS[mark]) for mark in table.marks()]
    lines += [("", f"{UNDEFINED.capitalize()}: {reason}.") for reason in undefined_reasons(table)]
    return [*lines, *(("", note) for note in table.notes)]


def undefined_reasons(table: Table) -> list[str]:
    """Return "C RMS (reference) undefined for 120 predictions: ..." once for each column and reason."""
    return list(
        dict.fromkeys(
            f"{table.columns[j].group} {table.columns[j].label} {why}" for (_, j), why in table.undefined.items()
        )
    )


def cells(table: Table, ink: Ink, style: Style) -> list[list[str]]:
    """Return the text of each printed cell, marked up."""
    ranks = table.ranks(decimals=style.decimals)
    single = [
        [
            _empty(table, (i, j), ink, style)
            if entry is None
            else _cell(entry, table.columns[j], ranks.get((i, j)), ink, style)
            for j, entry in enumerate(row)
        ]
        for i, row in enumerate(table.entries)
    ]
    if not table.merges_groups:
        return single
    groups = [
        [j for j, _ in members] for _, members in groupby(enumerate(table.columns), key=lambda pair: pair[1].group)
    ]
    return [[" / ".join(row[j] for j in members) for members in groups] for row in single]


def _empty(table: Table, place: tuple[int, int], ink: Ink, style: Style) -> str:
    """Return the text of a cell without a number of ours: a dash or "undefined", and what was published."""
    text = ink.text(UNDEFINED) if place in table.undefined else ink.missing
    return text + _published(table.expected.get(place), table.columns[place[1]], ink, style)


def _published(reference: Reference | None, spec: ColumnSpec, ink: Ink, style: Style) -> str:
    if reference is None:
        return ""
    verdict = f": {reference.verdict}" if reference.verdict else ""
    return ink.text(f" ({_number(reference.value, spec, style)}{verdict})")


def _cell(entry: Entry, spec: ColumnSpec, rank: int | None, ink: Ink, style: Style) -> str:
    text = _number(entry.summary.mean, spec, style)
    text = ink.best(text) if rank == 1 else ink.second(text) if rank == 2 else text
    if style.spread and entry.summary.spread is not None:
        text += f"{ink.plus_minus}{_number(entry.summary.spread, spec, style)}"
    text += ink.shift(entry.against.outcome) if entry.against is not None else ""
    text += "".join(ink.symbol(SYMBOLS[mark]) for mark in MARKS if mark in entry.marks)
    return text + _published(entry.reference, spec, ink, style)


def _number(value: float, spec: ColumnSpec, style: Style) -> str:
    return f"{shown_value(value, spec, style.decimals):.{style.decimals}f}"


def _what_numbers_are(table: Table) -> str:
    """Return the unit and what the entries are of; only the unit where all are published, "" where none are.

    What an imported entry is a mean of is not known here.
    """
    entries = [entry for row in table.entries for entry in row if entry]
    if not entries:
        return f"{_units(table)}." if table.expected else ""
    counts = sorted({entry.summary.n for entry in entries if entry.summary.n})
    parts = [_units(table)]
    if counts:
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        parts += ["mean ± sample standard deviation"] if counts[-1] > 1 else []
        parts.append(f"{seeds} seed{'s' if counts[-1] > 1 else ''} per entry")
    unknown = [entry for entry in entries if not entry.summary.n]
    if unknown:
        deviation = ", ± is the deviation that their file gives" * any(
            entry.summary.spread is not None for entry in unknown
        )
        parts.append(f"of imported entries seeds are not known{deviation}")
    return f"{', '.join(parts)}."


def _units(table: Table) -> str:
    ranks = dict.fromkeys(spec.column.spec.label for spec in table.columns if not spec.is_percent)
    if not ranks:
        return "Percent"
    return f"Percent, except {', '.join(ranks)} (ranks)" if any(spec.is_percent for spec in table.columns) else "Ranks"

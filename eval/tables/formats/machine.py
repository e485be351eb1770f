"""Tables for programs: CSV with one line per entry, and JSON with everything; nothing is rounded."""

from __future__ import annotations

import csv
import io
import json

from eval.tables.formats.entries import UNDEFINED, Style, footnotes
from eval.tables.grid import MARKS, ColumnSpec, Entry, Table


def to_csv(table: Table, style: Style | None = None) -> str:
    """Return one line per entry, unrounded, in the printed unit (percent where `unit` says so).

    An entry that is undefined has no number and the mark "undefined".
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "row",
            "group",
            "column",
            "label",
            "unit",
            "better",
            "mean",
            "spread",
            "n",
            "low",
            "high",
            "marks",
            "published",
            "verdict",
        ]
    )
    for i, (label, row) in enumerate(zip(table.rows, table.entries, strict=True)):
        for j, (spec, entry) in enumerate(zip(table.columns, row, strict=True)):
            if entry is not None or (i, j) in table.undefined:
                writer.writerow([label, spec.group, spec.key, spec.label, *_csv_values(entry, spec)])
    return out.getvalue()


def to_json(table: Table, style: Style | None = None) -> str:
    """Return the whole table as one JSON document; values are fractions (or rank distances), unrounded."""
    ranks = table.ranks(decimals=(style or Style()).decimals)
    document = {
        "title": table.title,
        "corner": table.corner,
        "rows": list(table.rows),
        "columns": [
            {
                "key": spec.key,
                "column": str(spec.column),
                "group": spec.group,
                "label": spec.label,
                "unit": "fraction" if spec.is_percent else "ranks",
                "lower_is_better": spec.lower_is_better,
            }
            for spec in table.columns
        ],
        "entries": [
            [_json_entry(entry, ranks.get((i, j))) for j, entry in enumerate(row)]
            for i, row in enumerate(table.entries)
        ],
        "undefined": [
            {"row": table.rows[i], "column": table.columns[j].key, "reason": reason}
            for (i, j), reason in table.undefined.items()
        ],
        "notes": [f"{symbol}{note}" for symbol, note in footnotes(table)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _csv_values(entry: Entry | None, spec: ColumnSpec) -> list[object]:
    scale = 100.0 if spec.is_percent else 1.0
    kind = ["percent" if spec.is_percent else "ranks", "lower" if spec.lower_is_better else "higher"]
    if entry is None:
        return [*kind, None, None, None, None, None, UNDEFINED, None, None]
    summary, reference = entry.summary, entry.reference
    spread, low, high = (None if v is None else v * scale for v in (summary.spread, summary.low, summary.high))
    return [
        *kind,
        summary.mean * scale,
        spread,
        summary.n or None,
        low,
        high,
        " ".join(mark for mark in MARKS if mark in entry.marks),
        None if reference is None else reference.value * scale,
        None if reference is None else reference.verdict,
    ]


def _json_entry(entry: Entry | None, rank: int | None) -> dict[str, object] | None:
    if entry is None:
        return None
    summary, reference = entry.summary, entry.reference
    return {
        "mean": summary.mean,
        "spread": summary.spread,
        "n": summary.n or None,
        "low": summary.low,
        "high": summary.high,
        "values": {str(seed): value for seed, value in sorted(entry.values.items())},
        "marks": [mark for mark in MARKS if mark in entry.marks],
        "rank": rank,
        "against_baseline": None
        if entry.against is None
        else {
            "difference": entry.against.difference,
            "n": entry.against.n,
            "adjusted_p": entry.against.adjusted_p,
            "outcome": entry.against.outcome,
        },
        "published": None
        if reference is None
        else {"value": reference.value, "verdict": reference.verdict, "reason": reference.reason},
    }

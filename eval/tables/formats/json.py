"""Tables as JSON with everything in them; nothing is rounded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Final

from eval.tables.formats.cells import footnotes
from eval.tables.formats.contract import Format, Style
from eval.tables.grid import MARKS, Entry, Table


def document(table: Table, style: Style) -> dict[str, Any]:
    """Return a whole table as plain values: fractions (or rank distances), unrounded."""
    ranks = table.ranks(decimals=style.decimals)
    return {
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
            [None if entry is None else _entry(entry, ranks.get((i, j))) for j, entry in enumerate(row)]
            for i, row in enumerate(table.entries)
        ],
        "undefined": [
            {"row": table.rows[i], "column": table.columns[j].key, "reason": reason}
            for (i, j), reason in table.undefined.items()
        ],
        "expected": [
            {"row": table.rows[i], "column": table.columns[j].key, **dataclasses.asdict(reference)}
            for (i, j), reference in table.expected.items()
        ],
        "notes": [f"{symbol}{note}" for symbol, note in footnotes(table)],
    }


def write(table: Table, style: Style) -> str:
    """Return one JSON document."""
    return json.dumps(document(table, style), indent=2, ensure_ascii=False) + "\n"


def join(texts: Sequence[str]) -> str:
    """Return one document: the table, or `{"tables": [...]}` where there are several."""
    if len(texts) == 1:
        return texts[0]
    return json.dumps({"tables": [json.loads(text) for text in texts]}, indent=2, ensure_ascii=False) + "\n"


def _entry(entry: Entry, rank: int | None) -> dict[str, Any]:
    summary = entry.summary
    return {
        "mean": summary.mean,
        "spread": summary.spread,
        "n": summary.n or None,
        "low": summary.low,
        "high": summary.high,
        "values": {str(seed): value for seed, value in sorted(entry.values.items())},
        "marks": [mark for mark in MARKS if mark in entry.marks],
        "rank": rank,
        "against_baseline": None if entry.against is None else dataclasses.asdict(entry.against),
        "published": None if entry.reference is None else dataclasses.asdict(entry.reference),
    }


FORMAT: Final = Format(name="json", write=write, join=join)

"""The page: content as JSON inside one HTML file, with the style and the script that draw it. Loads nothing from anywhere."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from eval.tables.formats.contract import Style
from eval.tables.formats.html import table_element
from eval.tables.grid import Table

_FOLDER: Final = Path(__file__).parent
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def to_page(content: dict[str, Any]) -> str:
    """Return the HTML file of a report.

    Args:
        content: What `orchestration.results.report.content` and `orchestration.results.report.build` gather; plain values.
    """
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    title = html.escape(str(content["title"]))
    return (
        f'{_head(title)}<body>\n<main id="page"><h1>{title}</h1></main>\n'
        f'<script type="application/json" id="content">{data}</script>\n'
        f"<script>\n{_read('charts.js')}\n{_read('page.js')}</script>\n</body>\n</html>\n"
    )


def table_page(tables: Sequence[Table], style: Style | None = None) -> str:
    """Return a page of tables in the style of the report; it needs no script."""
    title = ", ".join(table.title for table in tables)
    sections = "\n".join(
        f'<section class="scroll">\n{table_element(each, style or Style())}</section>' for each in tables
    )
    return f"{_head(html.escape(title))}<body>\n<main>\n{sections}\n</main>\n</body>\n</html>\n"


def _head(title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_read('page.css')}</style>\n</head>\n"
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")

"""The page: content as JSON inside one HTML file, with the style and the script that draw it. Loads nothing from anywhere."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from eval.tables.formats.contract import Style
from eval.tables.formats.html import table_element
from eval.tables.grid import Table

_FOLDER: Final = Path(__file__).parent
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"

_SCRIPTS: Final = ("charts.js", "widgets.js", "sections.js", "page.js")
_WITHOUT_SCRIPT: Final = (
    "<noscript><p>This page draws itself by a script of its own, which is switched off here.</p></noscript>"
)


def to_page(content: dict[str, Any]) -> str:
    """Return the HTML file of a report.

    Args:
        content: What `orchestration.results.report.content` and `orchestration.results.report.build` gather; plain values.
    """
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    title = html.escape(str(content["title"]))
    script = "\n".join(_read(name) for name in _SCRIPTS)
    return (
        f'{_head(title)}<body>\n<main id="page"><h1>{title}</h1>\n{_WITHOUT_SCRIPT}</main>\n'
        f'<script type="application/json" id="content">{data}</script>\n'
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def table_page(tables: Sequence[Table], style: Style | None = None) -> str:
    """Return a page of tables in the style of the report; it needs no script."""
    title = ", ".join(table.title for table in tables)
    sections = "\n".join(map(partial(_framed, style=style or Style()), tables))
    return f"{_head(html.escape(title))}<body>\n<main>\n{sections}\n</main>\n</body>\n</html>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSection:
    """One sweep on a page of grids.

    Attributes:
        links: Where else to look at it: text -> address.
        tables: Table elements.
        note: A sentence for people, or "".
    """

    title: str
    links: Mapping[str, str]
    tables: Sequence[str]
    note: str = ""


def grids_page(title: str, place: str, links: Mapping[str, str], sections: Sequence[GridSection]) -> str:
    """Return a page of grids in the style of the report; it needs no script.

    Args:
        place: What the grids are of, for people.
        links: Links of the page as a whole: text -> address.
    """
    parts = "\n".join(map(_grid_section, sections)) or '<section class="soft">No sweep was run here yet.</section>'
    head = f'<h1>{html.escape(title)}</h1>\n<p class="soft">{html.escape(place)}</p>\n{_link_line(links)}'
    return f"{_head(html.escape(title))}<body>\n<main>\n{head}\n{parts}\n</main>\n</body>\n</html>\n"


def _grid_section(section: GridSection) -> str:
    note = f'<p class="soft">{html.escape(section.note)}</p>\n' if section.note else ""
    tables = "\n".join(f'<div class="scroll">\n{table}</div>' for table in section.tables)
    head = f'<section class="one-sweep">\n<h2>{html.escape(section.title)}</h2>'
    return f"{head}\n{_link_line(section.links)}{note}{tables}</section>"


def _link_line(links: Mapping[str, str]) -> str:
    shown = [f'<a href="{html.escape(address)}">{html.escape(text)}</a>' for text, address in links.items()]
    return f"<p>{' · '.join(shown)}</p>\n" if shown else ""


def _framed(table: Table, style: Style) -> str:
    label = html.escape(table.title)
    return f'<section class="scroll" role="group" tabindex="0" aria-label="{label}">\n{table_element(table, style)}</section>'


def _head(title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_read('page.css')}</style>\n</head>\n"
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")

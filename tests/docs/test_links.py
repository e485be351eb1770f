"""Every relative link of every page leads to a file that exists, and to a heading that is there; every page is in its index."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.markdown_files import REPOSITORY, anchors_of, links_of, markdown_files

DOCS = REPOSITORY / "docs"
INDEXES = sorted(DOCS.rglob("index.md"))
PAGES = markdown_files()


def broken_links(page: Path, root: Path = REPOSITORY) -> list[str]:
    """Return each relative link of a page that leads nowhere, with its line."""
    found = []
    for line, address in links_of(page):
        place, _, anchor = unquote(address).partition("#")
        if "://" in place or place.startswith("mailto:"):
            continue
        target = (page.parent / place).resolve() if place else page
        if place.startswith("/") or not target.is_relative_to(root) or not target.exists():
            found.append(f"{line}: {address}: no such file")
        elif anchor and (target.suffix != ".md" or anchor not in anchors_of(target)):
            found.append(f"{line}: {address}: no such heading")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    text = "# A `b` C\n\n## A\n\n[x](nowhere.md), [y](#a), [z](#b), ![p](index.md), [w](https://example.org/x)\n"
    made = tmp_path / "page.md"
    made.write_text(text)

    assert broken_links(made, tmp_path) == [
        "5: nowhere.md: no such file",
        "5: #b: no such heading",
        "5: index.md: no such file",
    ]
    assert anchors_of(made) == {"a-b-c", "a"}


@pytest.mark.parametrize("index", INDEXES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_an_index_links_to_every_page_of_its_folder(index: Path) -> None:
    linked = {(index.parent / address).resolve() for _, address in links_of(index) if "://" not in address}
    pages = {page for page in PAGES if page.parent == index.parent and page != index}
    inner = {folder for folder in INDEXES if folder.parent.parent == index.parent}

    assert sorted(str(page.relative_to(REPOSITORY)) for page in (pages | inner) - linked) == []

"""The Markdown files of the repository as tests read them: links, anchors, blocks of code with the comments above them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).resolve().parents[2]
_COMMENT = re.compile(r"<!--\s*(?P<kind>not run|run by|not a sweep|not a command): (?P<text>.+?)\s*-->", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code.

    Attributes:
        page: Its file.
        line: Line of its first line of code, counted from 1.
        language: What follows the fence; "" for none.
        text: The code.
        mark: Kind and text of the comment above it: ("not run", "needs a GPU").
    """

    page: Path
    line: int
    language: str
    text: str
    mark: tuple[str, str] = ("", "")

    @property
    def place(self) -> str:
        """Where it is, for messages and names of tests."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


@cache
def markdown_files() -> tuple[Path, ...]:
    """Return the Markdown files of the repository; those that git ignores are none of it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else ["README.md", *_below_docs()]
    return tuple(sorted(REPOSITORY / name for name in names if (REPOSITORY / name).is_file()))


def _below_docs() -> list[str]:
    return [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md")]


@cache
def tokens_of(page: Path) -> list[Token]:
    """Return the parsed page."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks_of(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of code of a page in some languages, with the comment that is directly above each."""
    found, mark = [], ("", "")
    for token in tokens_of(page):
        if token.type == "html_block":
            comment = _COMMENT.search(token.content)
            mark = (comment["kind"], " ".join(comment["text"].split())) if comment else mark
        elif token.type == "fence":
            language = token.info.split()[0] if token.info.strip() else ""
            if language in languages and token.map is not None:
                line = token.map[0] + 2
                found.append(Block(page=page, line=line, language=language, text=token.content, mark=mark))
            mark = ("", "")
        elif token.type != "paragraph_close":
            mark = ("", "")
    return found


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of code of all pages in some languages."""
    return [block for page in markdown_files() for block in blocks_of(page, *languages)]


def links_of(page: Path) -> Iterator[tuple[int, str]]:
    """Yield line and address of each link and image."""
    for token in tokens_of(page):
        for child in token.children or ():
            address = child.attrGet("href" if child.type == "link_open" else "src")
            if child.type in ("link_open", "image") and isinstance(address, str):
                yield (token.map or [0])[0] + 1, address


def code_spans(page: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each piece of code inside of a sentence."""
    for token in tokens_of(page):
        for child in token.children or ():
            if child.type == "code_inline":
                yield (token.map or [0])[0] + 1, child.content


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as viewers of Markdown name them."""
    found: list[str] = []
    tokens = tokens_of(page)
    for token, text in pairwise(tokens):
        if token.type == "heading_open":
            words = "".join(child.content for child in text.children or ())
            slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
            number = sum(name == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", name) is not None for name in found)
            found.append(f"{slug}-{number}" if number else slug)
    return frozenset(found)

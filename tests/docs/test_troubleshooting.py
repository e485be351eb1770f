"""The page on troubleshooting: every text that it quotes is a message of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
PACKAGES = ("augment", "clusters", "dreamgrid", "eval", "orchestration", "trainers")
HOLE = "\0"
"""What a message shows of the case at hand."""
QUOTED = re.findall(r"^\| `([^`]+)`", PAGE, re.MULTILINE)


def templates_of(source: str) -> Iterator[str]:
    """Yield the texts of a program, with a hole for each value that is put into them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def templates() -> tuple[str, ...]:
    files = (path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))
    return tuple(dict.fromkeys(text for path in files for text in templates_of(path.read_text(encoding="utf-8"))))


def is_said(quoted: str, texts: tuple[str, ...]) -> bool:
    """Return whether a text has all parts of a quoted message in their order; `...` stands for anything."""
    pattern = re.compile(".*".join(re.escape(part.strip()) for part in quoted.split("...")), re.DOTALL)
    return any(pattern.search(text) for text in texts)


def test_a_quoted_message_is_found_by_its_parts_in_their_order() -> None:
    texts = tuple(templates_of('raise ValueError(f"a lamp must be {colour}, but got " f"{other!r}; paint it")'))

    assert is_said("a lamp must be ..., but got ...", texts)
    assert is_said("...; paint it", texts)
    assert not is_said("but got ... a lamp", texts)
    assert not is_said("a lamp must be green", texts)


def test_the_page_quotes_at_least_forty_messages() -> None:
    assert len(set(QUOTED)) == len(QUOTED) >= 40


@pytest.mark.parametrize("quoted", QUOTED)
def test_what_is_quoted_is_a_message_of_the_code(quoted: str) -> None:
    assert max(len(part.strip()) for part in quoted.split("...")) >= 6
    assert is_said(quoted, templates())

"""The words that users read: the terms of the field, one word for one thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
SAY_INSTEAD = {
    r"pictures?(?![-/])": "image",
    r"foretells?|foretold": "estimate",
    r"judges?|judged|judging|judge?ments?": "evaluate, evaluation",
    r"ways? out": "fix, hint",
    r"anew": "again",
    r"of one's own": "your own",
    r"below the data root|below `?<data root>": "in the data root",
    r"says? against|tells? against": "error",
    r"wish(?:es)?|farewell|keepers?|relays?": "the name of what it does",
    r"no numbers|that are no number": "non-finite",
    r"for ever": "always",
}
KEPT = re.compile(r"Dreamlike Pictures|docs/pictures|\]\(pictures/")
"""The paper's title, and a folder of this repository."""


def odd_words(text: str) -> list[str]:
    """Return each word that another replaces, with its line and what to say instead."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in SAY_INSTEAD.items():
            found += [
                f"{number}: '{match.group()}' (say: {instead})"
                for match in re.finditer(rf"\b(?:{pattern})\b", KEPT.sub("", line), re.IGNORECASE)
            ]
    return found


def test_odd_words_are_found_with_their_line_and_replacement() -> None:
    assert odd_words("An image.\nIt foretells a picture.\n") == [
        "2: 'picture' (say: image)",
        "2: 'foretells' (say: estimate)",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_speak_in_the_terms_of_the_field(page: Path) -> None:
    assert odd_words(page.read_text(encoding="utf-8")) == []

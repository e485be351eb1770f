"""The words that users read, on pages, in messages and in help texts: the terms of the field, one word for one thing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from orchestration.cli.main import build_app
from orchestration.cli.verb_list import VERBS

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
PACKAGES = ("augment", "benchmarks", "clusters", "dreamgrid", "eval", "orchestration", "trainers")
SAY_INSTEAD = {
    r"pictures?": "image",
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
SAY_INSTEAD_IN_MESSAGES = {
    **SAY_INSTEAD,
    r"tells?|told": "report, error",
    r"stands?|stood": "is, replaces",
    r"lies?": "is",
    r"beside": "next to",
    r"further": "another",
    r"(?:pieces?|slices?) of (?:a|the|each|every) batch": "shard",
    r"(?:must|to|but) holds?|holds? none": "contain",
    r"is none|are none": "is not one",
    r"(?:is|are) no (?:array|folder|file|record|mapping|list|number|checkpoint|YAML|weights)": "is not a",
    r"make it so": "the fix",
    r"so that nothing|one and the same|whatever": "a plain sentence",
}
KEPT = re.compile(r"Dreamlike Pictures|`pictures`|\]\([^)]*\)|docs/pictures/?[\w.-]*")
"""The paper's title, a default folder, addresses of links, the folder of the documentation's images."""


def odd_words(text: str, say_instead: dict[str, str] = SAY_INSTEAD) -> list[str]:
    """Return each word that another replaces, with its line and what to say instead."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in say_instead.items():
            found += [
                f"{number}: '{match.group()}' (say: {instead})"
                for match in re.finditer(rf"\b(?:{pattern})\b", KEPT.sub("", line), re.IGNORECASE)
            ]
    return found


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each string with a space that is no docstring."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and " " in node.value
            and id(node) not in alone
        ):
            yield node.lineno, node.value


def help_texts(command: click.Command) -> Iterator[str]:
    """Yield the help texts of a command, of its options and of its subcommands."""
    yield command.help or ""
    yield from (str(getattr(each, "help", None) or "") for each in command.params)
    for each in getattr(command, "commands", {}).values():
        yield from help_texts(each)


def test_odd_words_are_found_with_their_line_and_replacement() -> None:
    assert odd_words("An image.\nIt foretells a picture.\n") == [
        "2: 'picture' (say: image)",
        "2: 'foretells' (say: estimate)",
    ]


def test_messages_are_strings_with_a_space_outside_of_docstrings() -> None:
    source = '"""A page."""\nx = f"{y} stands there"\nz = "stands"\n'

    assert list(messages(source)) == [(2, " stands there")]
    assert odd_words("it stands there", SAY_INSTEAD_IN_MESSAGES) == ["1: 'stands' (say: is, replaces)"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_speak_in_the_terms_of_the_field(page: Path) -> None:
    assert odd_words(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_messages_speak_in_the_terms_of_the_field(package: str) -> None:
    files = sorted((REPOSITORY / package).rglob("*.py"))

    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {odd}"
        for path in files
        for line, text in messages(path.read_text(encoding="utf-8"))
        for odd in odd_words(text, SAY_INSTEAD_IN_MESSAGES)
    ]
    assert files
    assert found == []


@pytest.mark.parametrize("verb", VERBS)
def test_help_speaks_in_the_terms_of_the_field(verb: str) -> None:
    texts = [text for text in help_texts(get_command(build_app(verb))) if text]

    assert len(texts) > 1
    assert [odd for text in texts for odd in odd_words(text, SAY_INSTEAD_IN_MESSAGES)] == []

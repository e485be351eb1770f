"""Every command on the pages parses: verbs, arguments, options, names of sweeps; modules, scripts and targets exist."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.main import get_command

from orchestration.cells.load import SWEEPS
from orchestration.cli.main import build_app
from orchestration.cli.verb_list import VERBS
from orchestration.cli.weight_options import join_normalize
from tests.docs.markdown_files import REPOSITORY, all_blocks, code_spans, markdown_files

COMPLETION = json.loads((REPOSITORY / "orchestration" / "cli" / "completion.json").read_text(encoding="utf-8"))["verbs"]
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PACKAGES = ("augment", "benchmarks", "clusters", "dreamgrid", "eval", "orchestration", "tests", "trainers")
ADDED = frozenset(
    name
    for block in all_blocks("toml")
    for points in tomllib.loads(block.text).get("project", {}).get("entry-points", {}).values()
    for name in points
)
"""What the examples of the pages on extending add."""
PLACE = re.compile(r"[A-Z][A-Z_]*|<.*>|\.\.\.|.*\$.*")
"""A word that stands for one: SWEEP, CELL, <bucket>, $HOME."""


class Command(NamedTuple):
    """A command of a page: where it is, and its words."""

    place: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place}: {shlex.join(self.words)}"


def commands_in(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command of a script; comments, redirections and what is around them are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        is_redirected = False
        for word in lexer:
            if word in (">", ">>", "<"):
                is_redirected = True
            elif set(word) <= set("();<>|&"):
                if words:
                    yield tuple(words)
                words, is_redirected = [], False
            elif not is_redirected:
                words.append(word)
        if words:
            yield tuple(words)


def of_program(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what follows the program's name, or None for another program's command."""
    bare = tuple(word for word in words if not re.fullmatch(r"[A-Z_]+=.*", word))
    for at, word in enumerate(bare):
        if re.fullmatch(r"(.*/)?dreamgrid", word) and (at == 0 or bare[at - 1] in ("--", "exec", "time")):
            return bare[at + 1 :]
        if bare[at : at + 2] == ("-m", "dreamgrid"):
            return bare[at + 2 :]
    return None


@cache
def every_command() -> tuple[Command, ...]:
    """Return the commands of all scripts on the pages, and of the transcripts of terminals."""
    found = []
    for block in all_blocks("sh", "", "text", "console"):
        if block.mark[0] == "not a command":
            continue
        lines = block.text.replace("\\\n", " ").splitlines()
        text = block.text if block.language == "sh" else "\n".join(line for line in lines if line.startswith("$ "))
        found += [Command(block.place, words) for words in commands_in(text)]
    return tuple(found)


def ours() -> list[Command]:
    """Return the commands of DreamGrid, without the program's name."""
    pairs = [(each.place, of_program(each.words)) for each in every_command()]
    return [Command(place, words) for place, words in pairs if words is not None]


def inline() -> list[Command]:
    """Return the commands inside of sentences that are whole: a verb and no dots."""
    found = []
    for page in markdown_files():
        for line, text in code_spans(page):
            if text.startswith("dreamgrid ") and "..." not in text and "\n" not in text:
                found += [Command(f"{page.relative_to(REPOSITORY)}:{line}", tuple(shlex.split(text)[1:]))]
    return found


def mistakes_of(words: tuple[str, ...]) -> list[str]:
    """Return what is wrong with a command line of DreamGrid, without running it."""
    if not words or words[0].startswith("-"):
        known = ("--help", "--version", "--install-completion", "--show-completion")
        return [] if not words or words[0] in known else [f"unknown option {words[0]}"]
    if words[0] not in VERBS:
        return [] if PLACE.fullmatch(words[0]) else [f"unknown verb {words[0]}"]
    root: Any = get_command(build_app(words[0]))
    command, name, rest = root.commands[words[0]], words[0], [*join_normalize(list(words))[1:]]
    described = COMPLETION[name]
    parent = typer.Context(root, info_name="dreamgrid")
    if hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return [] if not rest or PLACE.fullmatch(rest[0]) else [f"unknown verb {name} {rest[0]}"]
        parent = typer.Context(command, info_name=name, parent=parent)
        described = described["verbs"][rest[0]]
        name, command, rest = f"{name} {rest[0]}", command.commands[rest[0]], rest[1:]
    if "--help" in rest:
        return []
    try:
        context = command.make_context(name, rest, parent=parent)
    except Exception as error:
        format_message = getattr(error, "format_message", None)
        return [str(error if format_message is None else format_message())]
    return _unknown_names(described["params"], context.params)


def _unknown_names(params: list[dict[str, Any]], given: dict[str, Any]) -> list[str]:
    """Return the values that the completion of shells does not know, of parameters whose values are listed."""
    found = []
    for param in params:
        values = given.get(param["name"])
        known = [*SWEEPS] if param["name"] == "sweep" else param.get("values")
        if not isinstance(known, list) or values is None:
            continue
        for value in (
            [values] if isinstance(values, str) else [*map(str, values)] if isinstance(values, list | tuple) else []
        ):
            for each in value.split(",") if param.get("is_list") else [value]:
                is_path = "/" in each or each.endswith((".yaml", ".yml", ".csv")) or each.startswith("folder:")
                if (
                    each not in (*known, *ADDED)
                    and not is_path
                    and not PLACE.fullmatch(each)
                    and param["name"] not in ("model", "method")
                ):
                    found.append(f"unknown {param['name']} {each!r}")
    return found


def test_commands_are_found_in_scripts() -> None:
    text = "export A=1 && dreamgrid run demo --set x=[1,2] > out.txt  # a comment\nA=1 python -m dreamgrid \\\n    plan SWEEP &\n"

    assert [*map(of_program, commands_in(text))] == [None, ("run", "demo", "--set", "x=[1,2]"), ("plan", "SWEEP")]
    assert mistakes_of(("run", "demo", "--smoke")) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rum demo", "unknown verb rum"),
        ("data fitch cifar-10", "unknown verb data fitch"),
        ("run demo --smok", "--smok"),
        ("run", "SWEEP"),
        ("run table-99", "unknown sweep 'table-99'"),
        ("run demo --max-concurrent many", "valid integer"),
        ("run demo --engine cold", "unknown engine 'cold'"),
    ],
)
def test_a_wrong_command_is_found(line: str, expected: str) -> None:
    assert expected in " ".join(mistakes_of(tuple(line.split())))


def test_every_command_of_a_script_parses() -> None:
    assert len(ours()) > 100
    assert [f"{each}: {text}" for each in ours() for text in mistakes_of(each.words)] == []


def test_every_command_inside_of_a_sentence_parses() -> None:
    unfinished = re.compile("Missing|requires an argument")  # a sentence may leave out what an option takes
    found = [f"{each}: {text}" for each in inline() for text in mistakes_of(each.words) if not unfinished.search(text)]

    assert len(inline()) > 30
    assert found == []


def test_modules_scripts_and_targets_exist() -> None:
    found = []
    for each in every_command():
        words = [word for word in each.words if not re.fullmatch(r"[A-Z_]+=.*", word)]
        for at, word in enumerate(words[:-1]):
            module = words[at + 1]
            if word == "-m" and module.split(".")[0] in PACKAGES and find_spec(module) is None:
                found.append(f"{each}: no module {module}")
        if (
            words
            and words[0] in ("bash", "source")
            and not Path(REPOSITORY, words[1]).exists()
            and "venv" not in words[1]
        ):
            found.append(f"{each}: no file {words[1]}")
        if words and words[0] == "make" and (unknown := {w for w in words[1:] if "=" not in w} - TARGETS):
            found.append(f"{each}: no target {sorted(unknown)}")

    assert found == []

"""The verbs of the command line: each in the file that the entry point imports for it, and no other."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command

from orchestration.cli import options
from orchestration.cli.main import build_app, main
from orchestration.cli.verb_list import SHOWN_EXAMPLES, VERBS, grouped


def names_of(app: typer.Typer) -> set[str]:
    """Return the names of an app's verbs and groups of verbs."""
    return {str(one.name) for one in (*app.registered_commands, *app.registered_groups)}


def test_every_verb_is_in_the_file_that_is_imported_for_it() -> None:
    assert names_of(build_app()) == set(VERBS)
    for verb in VERBS:
        assert verb in names_of(build_app(verb))


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_says_of_each_what_its_own_help_says(verb: str) -> None:
    command = get_command(build_app(verb)).commands[verb]  # type: ignore[attr-defined]

    listed = VERBS[verb].text.rstrip(".")
    assert str(command.help).startswith(listed)


def test_the_help_lists_every_verb_once_under_a_heading_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2:3].islower()]
    assert sorted(name for name in listed if name in VERBS) == sorted(VERBS)
    for heading, verbs in grouped():
        assert f"{heading}:" in lines
        assert SHOWN_EXAMPLES[heading] in verbs
    assert sum(line.startswith("  Example: dreamgrid ") for line in lines) == len(SHOWN_EXAMPLES)


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_of_a_verb_is_read_by_its_parser(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(VERBS[verb].example)
    found: Any = get_command(build_app(verb))
    while hasattr(found, "commands"):
        found, words = found.commands[words[0]], words[1:]

    assert not found.make_context("", words, resilient_parsing=verb == "submit").args

    assert main([verb, "--help"]) == 0
    assert f"dreamgrid {VERBS[verb].example}" in " ".join(capsys.readouterr().out.split())


def leaves(command: Any) -> Iterator[Any]:
    """Yield the verbs in a command."""
    for each in getattr(command, "commands", {}).values():
        yield from leaves(each)
    if not hasattr(command, "commands"):
        yield command


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_that_writes_says_what_an_existing_file_means(verb: str) -> None:
    for leaf in leaves(get_command(build_app(verb))):
        for param in leaf.params:
            if {"--output", "--save"} & {*param.opts}:
                assert "replaced" in param.help, f"{leaf.name} {param.opts}"


def test_a_verb_takes_the_options_of_its_groups_as_typed_values() -> None:
    taken: list[object] = []
    app = typer.Typer()

    def verb(places: options.StorageOptions, size: options.SizeOptions, as_json: options.Json = False) -> int:
        taken.extend([places, size, as_json])
        return 0

    options.add_verbs(app, {"verb": verb})
    app(["--storage", "/x", "--smoke"], standalone_mode=False)

    assert taken == [options.StorageOptions(storage="/x"), options.SizeOptions(smoke=True), False]


def test_one_verb_imports_one_file_of_verbs() -> None:
    code = (
        "import sys\nfrom orchestration.cli import main\nmain(['plan', 'demo'])\n"
        "print([m for m in sys.modules if m.startswith('orchestration.cli.verbs.')])"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "['orchestration.cli.verbs.plan']"


@pytest.mark.parametrize("arguments", [[], ["cells"], ["data"], ["mixing-set"], ["cluster"]])
def test_a_group_without_a_verb_shows_its_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2

    assert capsys.readouterr().err.startswith("Usage: dreamgrid")

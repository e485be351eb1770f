"""The verbs of the command line: each in the file that the entry point imports for it, and no other."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.main import get_command

from orchestration.cli import options
from orchestration.cli.main import VERBS, build_app, main


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

    listed = VERBS[verb][1].rstrip(".")
    assert str(command.help).startswith(listed)


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

"""The page of the command line: every verb with its usage, arguments, options and defaults, as `--help` has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer
from typer.main import get_command

from benchmarks.pages.markdown import GENERATED, code, prose, table
from orchestration.cli.main import build_app
from orchestration.cli.verb_list import Verb, grouped
from orchestration.errors import PROGRAM

INTRODUCTION: Final = f"""# Command line

Every verb with its arguments and options, as `dreamgrid VERB --help` shows them. {GENERATED}

`dreamgrid --help` lists the verbs, `dreamgrid --version` prints the version. `--json` prints one JSON document to stdout;
notes and progress go to stderr. What is in brackets is used where an option is not given: an
[environment variable](environment-variables.md), or a default. [Exit codes](exit-codes.md) are the same for all verbs.
`python -m dreamgrid` is the same program, and
`dreamgrid --install-completion` lets a shell complete verbs, options and names.
"""


def document() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for heading, verbs in grouped():
        parts.append(f"## {heading}\n")
        parts += [_verb(name, verb) for name, verb in verbs.items()]
    return "\n".join(parts)


def _command(verb: str) -> Any:
    root: Any = get_command(build_app(verb))
    return root.commands[verb]


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for verb, each in inner.items():
        yield f"{name} {verb}", each


def _verb(name: str, verb: Verb) -> str:
    command = _command(name)
    example = f"```sh\n{PROGRAM} {verb.example}\n```\n"
    if not hasattr(command, "commands"):
        return f"### `{PROGRAM} {name}`\n\n{_described(name, command)}\n{example}"
    inner = [f"#### `{PROGRAM} {path}`\n\n{_described(path, each)}" for path, each in _leaves(name, command)]
    return "\n".join([f"### `{PROGRAM} {name}`\n\n{prose(command.help or '')}\n\n{example}", *inner])


def _described(path: str, command: Any) -> str:
    """Return the help, the usage and the tables of parameters of a command."""
    context = typer.Context(command, info_name=f"{PROGRAM} {path}")
    paragraphs = "\n\n".join(prose(text) for text in (command.help or "").split("\n\n"))
    usage = " ".join([f"{PROGRAM} {path}", *command.collect_usage_pieces(context)])
    parts = [paragraphs, f"```text\n{usage}\n```"]
    for title, kind in (("argument", "argument"), ("option", "option")):
        found = [param for param in command.params if param.param_type_name == kind and param.name != "help"]
        rows = [_row(param, context) for param in found]
        if rows:
            parts.append(table((title, "meaning"), rows).rstrip())
    return "\n\n".join(parts) + "\n"


def _row(param: Any, context: typer.Context) -> tuple[str, str]:
    names, text = param.get_help_record(context)
    return code(" ".join(names.split())), prose(text)

"""The options that this command was given, as words for the command of a hint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import typer
from typer.main import get_command

OF_THIS_COMMAND: Final = frozenset({"as_json", "output", "form", "delete", "is_agreed", "mode"})
"""Parameters that say what this command does or prints; a hint is about another."""


class GivenOptions:
    """Reads the words of a command line again, when a hint asks for them.

    Args:
        words: What follows the program's name; they were understood before.
        build: Returns the command line for the verb that is about to be looked at.
    """

    def __init__(self, words: Sequence[str], build: Callable[[str], typer.Typer]) -> None:
        self._words = tuple(words)
        self._build = build

    def __call__(self, verb: str, arguments: Sequence[str], options: Sequence[str]) -> Sequence[str]:
        """Return the words of a verb with these arguments and options, and with those that were given to this command."""
        target = self._command(verb.split())[0]
        own, rest = self._command(list(self._words))
        with own.make_context("", rest, resilient_parsing=True) as given:
            carried = [parameter for parameter in target.params if _is_given(parameter.name, given)]
            values = {parameter.name: given.params[parameter.name] for parameter in carried}
        named = {word for word in options if word.startswith("--")}
        words = list(arguments)
        for parameter in sorted(carried, key=lambda each: each.param_type_name != "argument"):
            if parameter.param_type_name != "argument":
                words += [] if named & {*parameter.opts} else _option(parameter, values[parameter.name])
            elif not arguments:
                words += _texts(values[parameter.name])
        return [*verb.split(), *words, *options]

    def _command(self, words: list[str]) -> tuple[Any, list[str]]:
        """Return the command that words name, and the words behind its name."""
        found: Any = get_command(self._build(words[0]))
        while words and hasattr(found, "commands") and words[0] in found.commands:
            found, words = found.commands[words[0]], words[1:]
        return found, words


def _is_given(name: str, given: Any) -> bool:
    source = given.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE" and name not in OF_THIS_COMMAND


def _option(parameter: Any, value: Any) -> Iterator[str]:
    """Return the words of an option: a flag, or its name before each of its values."""
    if isinstance(value, bool):
        names = parameter.opts if value else parameter.secondary_opts
        yield max(names, key=len)
        return
    for text in _texts(value):
        yield from (max(parameter.opts, key=len), text)


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]

"""Exceptions of `orchestration` (sweeps, plans, the results store), and the commands that their messages give as a fix.

Every message says the rule, the value and the fix. A command in a message carries the options that were given to the command
that prints it, so that it can be copied; without the command line (a notebook, a test of one function) it is the bare command.

    Exception
      SweepError
        InputError          a sweep file, name or option is wrong (exit code 2)
        EnvironmentRefused  data, storage, cluster or tracking server is not there (exit code 3)
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

from augment.lookup.wording import count

PROGRAM: Final = "dreamgrid"


class SweepError(Exception):
    """Base of every error that `orchestration` raises for its users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake of a sweep file or of an option.

    Attributes:
        where: Path of the value, for example "axes.cells.3.method", or the option that brought it.
        text: The rule, the value and the fix.
        line: Line in the file, counted from 1, or None where there is none.
    """

    where: str
    text: str
    line: int | None = None

    def __str__(self) -> str:
        place = ", ".join(
            [*([f"line {self.line}"] if self.line is not None else []), *([self.where] if self.where else [])]
        )
        return f"{place}: {self.text}" if place else self.text


class InputError(SweepError):
    """What was asked for is wrong; carries every mistake that was found.

    Args:
        subject: What is wrong, for example "sweep file table-3.yaml".
    """

    def __init__(self, subject: str, mistakes: Sequence[Mistake]) -> None:
        self.subject = subject
        self.mistakes = tuple(mistakes)
        super().__init__(
            "\n".join(
                [f"{subject}: {count(len(self.mistakes), 'mistake')}", *(f"  {mistake}" for mistake in self.mistakes)]
            )
        )

    def __reduce__(self) -> tuple[type[InputError], tuple[str, tuple[Mistake, ...]]]:
        return type(self), (self.subject, self.mistakes)


def read_all(*readers: Callable[[], Any]) -> tuple[Any, ...]:
    """Return what each reader of options returns.

    Raises:
        InputError: With the mistakes of all of them.
    """
    found: list[Any] = []
    errors: list[InputError] = []
    for reader in readers:
        try:
            found.append(reader())
        except InputError as error:
            errors.append(error)
    if errors:
        raise together(errors)
    return tuple(found)


def together(errors: Sequence[InputError]) -> InputError:
    """Return one error with the mistakes of several."""
    subject = errors[0].subject if len({error.subject for error in errors}) == 1 else "options"
    return InputError(subject, [mistake for error in errors for mistake in error.mistakes])


class EnvironmentRefused(SweepError):
    """Something outside the sweep is missing or refuses: data, storage, a cluster, a tracking server."""


class Builder(Protocol):
    """Builds the words of a command line behind the program's name."""

    def __call__(self, verb: str, arguments: Sequence[str], options: Sequence[str]) -> Sequence[str]:
        """Return the words of a verb with these arguments and options, and with those that were given to this command."""


_BUILDER: ContextVar[Builder | None] = ContextVar("commands", default=None)


@contextmanager
def given_by(builder: Builder) -> Iterator[None]:
    """Let hints carry what a builder knows."""
    token = _BUILDER.set(builder)
    try:
        yield
    finally:
        _BUILDER.reset(token)


def command(verb: str, *arguments: str, options: Sequence[str] = ()) -> str:
    """Return a command line for a shell: `dreamgrid VERB ARGUMENTS OPTIONS`, with the given options that the verb has too.

    Args:
        verb: The verb: "run", "cells invalidate".
        arguments: Its arguments; without any, those of this command that it has too.
        options: More options; they replace given ones of the same name.
    """
    builder = _BUILDER.get()
    words = [*verb.split(), *arguments, *options] if builder is None else builder(verb, arguments, options)
    return shlex.join([PROGRAM, *words])

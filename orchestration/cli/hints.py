"""Commands in messages: each carries the options that were given to the command that prints it, so that it can be copied.

The command line installs what knows its options; without it (a notebook, a test of one function) a hint is the bare command.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

PROGRAM: Final = "dreamgrid"


class Builder(Protocol):
    """Builds the words of a command line behind the program's name."""

    def __call__(self, verb: str, arguments: Sequence[str], options: Sequence[str]) -> Sequence[str]:
        """Return the words of a verb with these arguments and options, and with those that were given to this command."""


_BUILDER: ContextVar[Builder | None] = ContextVar("hints", default=None)


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
        options: Further options; they replace given ones of the same name.
    """
    builder = _BUILDER.get()
    words = [*verb.split(), *arguments, *options] if builder is None else builder(verb, arguments, options)
    return shlex.join([PROGRAM, *words])

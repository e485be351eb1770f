"""What the command line prints: text for people, or one JSON document; and how errors become exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO

EXIT_DONE: Final = 0
EXIT_CELLS_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_REFUSED: Final = 3


def echo(text: str) -> None:
    """Print text for people to stdout."""
    _write(sys.stdout, text)


def echo_err(text: str) -> None:
    """Print text for people to stderr, after what was printed to stdout before."""
    sys.stdout.flush()
    _write(sys.stderr, text)


def echo_damage(error: Exception) -> None:
    """Report a damaged file of the storage, which is left out."""
    echo_err(f"left out because it is damaged: {error}")


def damage_echo() -> Callable[[Exception], None]:
    """Return a function that reports each damage once, for verbs that read the storage again and again."""
    reported: set[str] = set()

    def report(error: Exception) -> None:
        if str(error) not in reported:
            reported.add(str(error))
            echo_damage(error)

    return report


def _write(stream: TextIO, text: str) -> None:
    """Write lines; bytes of file names that are of no known encoding are escaped, since no terminal could print them."""
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
    stream.write(plain if plain.endswith("\n") else f"{plain}\n")


def emit(document: Any, text: Callable[[], str], *, as_json: bool) -> None:
    """Print one JSON document to stdout, or the text for people."""
    if as_json:
        echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        echo(text())


def columns(rows: Sequence[Sequence[str]], *, header: Sequence[str], right: Sequence[int] = ()) -> str:
    """Return rows as aligned columns under a header.

    Args:
        right: Positions of the columns that are aligned to the right.
    """
    lines = [list(header), *([*row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    texts = [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width) for at, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join([texts[0], "  ".join("-" * width for width in widths), *texts[1:]])


def count(number: int, noun: str) -> str:
    """Return "1 cell", "2 cells"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""What the command line prints: text for people, or one JSON document; and how errors become exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Final, TextIO

from orchestration.errors import PROGRAM

EXIT_DONE: Final = 0
EXIT_CELLS_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_REFUSED: Final = 3
EXIT_INTERRUPTED: Final = 130
"""Ctrl-C, as shells number it: 128 and the number of SIGINT."""

_MOST_LINES: Final = 8
"""Lines of a row of a table; one that would be higher is easier to read with a line for each of its columns."""

_UNBROKEN: Final = re.compile(rf"{PROGRAM} [a-z][^;`]*(?<! )|\S*\d (?:%|(?:s|min|h|days?|years?|USD|[KMG]iB)\b)\S*|\S+")
"""What stays in one line: a command, which is copied from the terminal, a number with its unit, or a word."""


def echo(text: str) -> None:
    """Print text for people to stdout."""
    _write(sys.stdout, text)


def echo_err(text: str) -> None:
    """Print text for people to stderr, after what was printed to stdout before."""
    sys.stdout.flush()
    _write(sys.stderr, folded(text, line_width(sys.stderr)))


class PassingLine:
    """A line on the terminal that stderr is, shown until anything else is printed or drawn: a command began, and still loads."""

    def __init__(self) -> None:
        self._is_shown = False

    def show(self, text: str) -> None:
        """Show a text, shorter than a terminal's line."""
        if sys.stderr.isatty():
            sys.stderr.write(text)
            sys.stderr.flush()
            self._is_shown = True

    def erase(self) -> None:
        """Make room for what comes next."""
        if self._is_shown:
            self._is_shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


PASSING_LINE: Final = PassingLine()


def drawing_stream() -> TextIO:
    """Return stderr for a display that moves."""
    PASSING_LINE.erase()
    return sys.stderr


def echo_damage(error: Exception) -> None:
    """Report a damaged file of the storage, which is left out."""
    echo_err(f"left out because it is damaged: {error}")


def _write(stream: TextIO, text: str) -> None:
    """Write lines; bytes of file names that are of no known encoding are escaped, since no terminal could print them."""
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
    PASSING_LINE.erase()
    stream.write(plain if plain.endswith("\n") else f"{plain}\n")


def emit(document: Any, text: Callable[[], str], *, as_json: bool) -> None:
    """Print one JSON document to stdout, or the text for people."""
    if as_json:
        echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        echo(folded(text(), line_width()))


def folded(text: str, width: int | None) -> str:
    """Return text whose lines go on, indented, where they are longer than a terminal.

    Commands stay whole, and so do lines with aligned columns.
    """
    return "\n".join(_folded_line(line, width) for line in text.split("\n")) if width is not None else text


def _folded_line(line: str, width: int) -> str:
    text = line.lstrip(" ")
    indent = len(line) - len(text)
    if len(line) <= width or "  " in text:
        return line
    made = [" " * indent]
    for word in _UNBROKEN.findall(text):
        if made[-1].strip() and len(made[-1]) + len(word) >= width:
            made.append(" " * (indent + 4) + word)
        else:
            made[-1] += f" {word}" if made[-1].strip() else word
    return "\n".join(made)


def columns(rows: Sequence[Sequence[str]], *, header: Sequence[str], right: Sequence[int] = ()) -> str:
    """Return rows as aligned columns under a header, no wider than the terminal that stdout is.

    Where the columns do not fit, texts go on in further lines, at spaces alone. Where even that does not help, every row becomes
    a block with a line for each column. No word and no number is ever cut.

    Args:
        right: Positions of the columns that are aligned to the right.
    """
    width = line_width()
    widths = [max(len(line[at]) for line in [header, *rows]) for at in range(len(header))]
    if width is not None and _total(widths) > width:
        narrow = _narrowed([header, *rows], widths, width)
        if narrow is None:
            return _blocks(rows, header, width)
        widths = narrow
    lines = [_drawn(row, widths, right) for row in (header, *rows)]
    return "\n".join([lines[0], "  ".join("-" * each for each in widths), *lines[1:]])


def line_width(stream: TextIO | None = None) -> int | None:
    """Return the columns of the terminal that a stream (stdout) is, or of COLUMNS; None where lines may be of any length."""
    is_limited = (stream or sys.stdout).isatty() or "COLUMNS" in os.environ
    return shutil.get_terminal_size().columns if is_limited else None


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _narrowed(lines: Sequence[Sequence[str]], widths: Sequence[int], limit: int) -> list[int] | None:
    """Return widths that fit, the widest columns narrowed first; None where words are too long, or rows would be too high."""
    least = [max(len(word) for line in lines for word in line[at].split() or [""]) for at in range(len(widths))]
    if _total(least) > limit:
        return None
    found = list(widths)
    while _total(found) > limit:
        at = max((at for at in range(len(found)) if found[at] > least[at]), key=found.__getitem__)
        found[at] -= 1
    height = max(len(_wrapped(line[at], found[at])) for line in lines for at in range(len(found)))
    return found if height <= _MOST_LINES else None


def _drawn(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for line in zip_longest(*cells, fillvalue=""):
        pairs = enumerate(zip(line, widths, strict=True))
        lines.append("  ".join(text.rjust(width) if at in right else text.ljust(width) for at, (text, width) in pairs))
    return "\n".join(line.rstrip() for line in lines)


def _wrapped(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, max(1, width), break_long_words=False, break_on_hyphens=False) or [""]


def _blocks(rows: Sequence[Sequence[str]], header: Sequence[str], width: int) -> str:
    """Return each row as lines of "header  value"; empty values are left out."""
    side = max(map(len, header)) + 2
    blocks = []
    for row in rows:
        lines = []
        for name, cell in zip(header, row, strict=True):
            for place, text in enumerate(_wrapped(cell, width - side) if cell else []):
                lines.append(f"{name if not place else '':<{side}}{text}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)

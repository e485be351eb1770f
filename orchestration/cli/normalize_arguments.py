"""`--normalize MEAN STD | NAME` on the command line: one option with one value or two. Light: every verb passes through it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

NORMALIZE: Final = "--normalize"
_NUMBERS: Final = re.compile(r"(?i)[\[(]?[\d.,e+\- ]*(\d|nan|inf)[\d.,e+\- ]*[\])]?")
"""A number, or several with commas, also in the brackets of Python; what is none (nan) is refused where the values are read."""


def join_normalize(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--normalize MEAN STD` as one value, since an option has a fixed number of values."""
    given, joined = list(arguments), []
    while given:
        argument = given.pop(0)
        is_option = argument == NORMALIZE
        if is_option and given:
            joined.append(argument)
            argument = given.pop(0)
        is_mean = _NUMBERS.fullmatch(argument.removeprefix(f"{NORMALIZE}="))
        if (is_option or argument.startswith(f"{NORMALIZE}=")) and is_mean and given and _NUMBERS.fullmatch(given[0]):
            argument = f"{argument} {given.pop(0)}"
        joined.append(argument)
    return joined

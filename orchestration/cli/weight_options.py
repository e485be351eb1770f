"""The options of verbs that read weights of other trainers: `--normalize MEAN STD | NAME` and `--state-dict`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer

NORMALIZE: Final = "--normalize"
_NUMBERS: Final = re.compile(r"(?i)[\[(]?[\d.,e+\- ]*(\d|nan|inf)[\d.,e+\- ]*[\])]?")
"""A number, or several with commas, also in the brackets of Python; what is none (nan) is refused where the values are read."""


@dataclass(frozen=True, kw_only=True)
class WeightOptions:
    """What a person says of a file of weights."""

    normalize: Annotated[
        str | None,
        typer.Option(
            NORMALIZE,
            metavar="MEAN STD|NAME",
            help="Normalisation of the images for these weights: imagenet, none, half, cifar-10, mnist, bytes, ... or two "
            "numbers (or one for each channel, with commas) of pixels in [0, 1]. Default: that of the file, else "
            "of the dataset.",
        ),
    ] = None
    state_dict: Annotated[
        str | None,
        typer.Option(
            "--state-dict",
            metavar="NAME",
            help="Which weights to use if the file contains several, such as an average.",
        ),
    ] = None


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

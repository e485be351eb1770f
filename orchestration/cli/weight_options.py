"""The options of verbs that read weights of other trainers: `--normalize` and `--state-dict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.normalize_arguments import NORMALIZE

if TYPE_CHECKING:
    from orchestration.evaluation.checkpoints import Reading


Normalize = Annotated[
    str | None,
    typer.Option(
        NORMALIZE,
        metavar="MEAN STD|NAME",
        help="How images were normalised for the weights: imagenet, none, half, cifar-10, mnist, bytes, ... or two numbers "
        "(or one for each channel, with commas) of pixels in [0, 1]. Default: what the file says, else the dataset's.",
    ),
]
StateDict = Annotated[
    str | None,
    typer.Option(
        "--state-dict", metavar="NAME", help="Which weights of a file that holds several, such as an average."
    ),
]


def reading_of(normalize: str | None, state_dict: str | None) -> Reading:
    """Return what the options say of a file of weights."""
    from orchestration.evaluation.checkpoints import Reading

    return Reading(normalize=normalize, state_dict=state_dict)

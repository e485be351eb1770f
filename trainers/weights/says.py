"""What a checkpoint says of its own training, against the cell that it is taken for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from trainers.datasets.registry import DATASETS
from trainers.datasets.user_folder import PREFIX
from trainers.weights.contents import Contents

if TYPE_CHECKING:
    from trainers.config import JobConfig

_DATASET: Final = ("dataset", "dataset_name", "data", "data_name")
_MODEL: Final = ("model", "arch", "architecture", "model_name", "backbone")
_METHOD: Final = ("method", "aug", "augmentation")
_FAMILIES: Final[Mapping[str, str]] = {"wideresnet": "wrn", "wrn": "wrn", "resnext": "resnext", "densenet": "densenet"}


def contradictions(record: Mapping[str, Any], config: JobConfig) -> list[str]:
    """Return what a file's own record says that cannot be true of a cell: dataset, network, method, seed, epochs.

    Names are compared without case and punctuation, and only where both are known; silence contradicts nothing.

    Args:
        record: Path in the file -> plain value.
        config: The cell's configuration.
    """
    contents = Contents(tensors={}, record=record)
    checks = (
        (_DATASET, "dataset", config.dataset, _is_other_dataset),
        (_MODEL, "network", config.model, _is_other_network),
        (_METHOD, "method", config.method, _is_other_method),
    )
    found = [
        f"its {path} is {value!r}, the row's {what} {ours!r}"
        for names, what, ours, is_other in checks
        for path, value in contents.said(*names)
        if isinstance(value, str) and is_other(value, ours)
    ]
    return found + _numbers(contents, config)


def _numbers(contents: Contents, config: JobConfig) -> list[str]:
    """Compare seed and epochs; the number of the last epoch counts from 0 or from 1."""
    epochs = config.recipe.epochs
    allowed = {"seed": (config.seed,), "epochs": (epochs,), "epoch": (epochs - 1, epochs)}
    found = []
    for name, values in allowed.items():
        path, value = next(contents.said(name), ("", None))
        if isinstance(value, int) and not isinstance(value, bool) and value not in values:
            what = f"{epochs} epoch{'s' * (epochs != 1)}" if name != "seed" else f"seed {config.seed}"
            found.append(f"its {path} is {value}, the row's training has {what}")
    return found


def _is_other_dataset(theirs: str, ours: str) -> bool:
    known = {_plain(name) for name in DATASETS}
    if _plain(theirs) not in known and not theirs.startswith(PREFIX):
        return False
    if theirs.startswith(PREFIX) and ours.startswith(PREFIX):
        return False  # a folder may have moved; the train key says whether its content is the same
    if ours.startswith(PREFIX) and _plain(theirs) in _plain(ours):
        return False  # a known dataset as a folder of images, by the folder's own name
    return _plain(theirs) != _plain(ours)


def _is_other_network(theirs: str, ours: str) -> bool:
    from trainers.models.registry import MODELS, TORCHVISION_NAMES

    known = {_plain(name) for name in (*MODELS, *TORCHVISION_NAMES)}
    own = _plain(ours.removeprefix("torchvision:"))
    said = _plain(theirs)
    if said in known or re.fullmatch(r"wrn\d+", said):
        return said != own
    return said in _FAMILIES and not own.startswith(_FAMILIES[said])


def _is_other_method(theirs: str, ours: str) -> bool:
    from augment.methods import METHODS

    return _plain(theirs) in {_plain(name) for name in METHODS} - {_plain(part) for part in (ours, *ours.split("+"))}


def _plain(value: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(value).lower())

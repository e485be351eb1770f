"""What a checkpoint records of its own training, compared with the cell that it is taken for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from augment.registry import METHODS
from trainers.config import JobConfig
from trainers.datasets.registry import DATASETS
from trainers.datasets.user_folder import PREFIX
from trainers.models.from_torchvision import TORCHVISION_NAMES
from trainers.models.registry import MODELS
from trainers.models.weights.contents import Contents

_OWN_EPOCHS: Final = "progress.rows."
"""Where a checkpoint of ours keeps its epochs, each with the rate that it ended at: none says what was set."""

_FAMILIES: Final[Mapping[str, str]] = {"wideresnet": "wrn", "wrn": "wrn", "resnext": "resnext", "densenet": "densenet"}


def contradictions(record: Mapping[str, Any], config: JobConfig) -> list[str]:
    """Return what a file records of itself that cannot be true of a cell: what was trained, on what, how and how long.

    Names are compared without case and punctuation, and only where both are known; what is not recorded contradicts nothing.

    Args:
        record: Path in the file -> plain value.
    """
    contents = Contents(tensors={}, record=record)
    checks = (
        (("dataset", "dataset_name", "data", "data_name"), "dataset", config.dataset, _is_other_dataset),
        (("model", "arch", "architecture", "model_name", "backbone"), "network", config.model, _is_other_network),
        (("method", "aug", "augmentation"), "method", config.method, _is_other_method),
    )
    found = [
        f"its {path} is {value!r}, the row's {what} {ours!r}"
        for names, what, ours, is_other in checks
        for path, value in contents.said(*names)
        if isinstance(value, str) and is_other(value, ours)
    ]
    return [*found, *_other_numbers(contents, config)]


def _other_numbers(contents: Contents, config: JobConfig) -> Iterator[str]:
    """Compare seed and epochs, and what the recipe sets; the number of the last epoch counts from 0 or from 1."""
    recipe, epochs = config.recipe, config.recipe.epochs
    length = f"{epochs} epoch{'s' * (epochs != 1)}"
    rates = ("lr", "learning_rate", "base_lr", "init_lr")
    checks: tuple[tuple[tuple[str, ...], tuple[float, ...], str], ...] = (
        (("seed", "manual_seed", "random_seed", "rng_seed"), (config.seed,), f"seed {config.seed}"),
        (("epochs", "num_epochs", "n_epochs", "max_epochs", "total_epochs"), (epochs,), length),
        (("epoch",), (epochs - 1, epochs), length),
        (rates, (recipe.lr,), f"lr {recipe.lr}"),
        (("weight_decay", "wd"), (recipe.weight_decay,), f"weight_decay {recipe.weight_decay}"),
        (("momentum",), (recipe.momentum,), f"momentum {recipe.momentum}"),
    )
    for names, values, what in checks:
        for path, value in contents.said(*names):
            number = _number(value)
            if number is None or (names is rates and "." not in path):  # at the top it may be the rate of the last step
                continue
            if path.startswith(_OWN_EPOCHS):
                continue
            if not any(math.isclose(number, each, rel_tol=1e-6) for each in values):
                yield f"its {path} is {number:.6g}, the row's training has {what}"
            break


def _number(value: Any) -> float | None:
    """Return a recorded number, also one that was recorded as a text, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


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
    known = {_plain(name) for name in (*MODELS, *TORCHVISION_NAMES)}
    own = _plain(ours.removeprefix("torchvision:"))
    said = _plain(theirs)
    if said in known or re.fullmatch(r"wrn\d+", said):
        return said != own
    return said in _FAMILIES and not own.startswith(_FAMILIES[said])


def _is_other_method(theirs: str, ours: str) -> bool:
    return _plain(theirs) in {_plain(name) for name in METHODS} - {_plain(part) for part in (ours, *ours.split("+"))}


def _plain(value: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(value).lower())

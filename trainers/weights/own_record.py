"""What a checkpoint says of its own training, against the cell that it is taken for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from trainers.datasets.registry import DATASETS
from trainers.datasets.user_folder import PREFIX
from trainers.weights.contents import Contents

if TYPE_CHECKING:
    from trainers.config import JobConfig

_DATASET: Final = ("dataset", "dataset_name", "data", "data_name")
_MODEL: Final = ("model", "arch", "architecture", "model_name", "backbone")
_METHOD: Final = ("method", "aug", "augmentation")
_SEED: Final = ("seed", "manual_seed", "random_seed", "rng_seed")
_EPOCHS: Final = ("epochs", "num_epochs", "n_epochs", "max_epochs", "total_epochs")
_LR: Final = ("lr", "learning_rate", "base_lr", "init_lr")
_WEIGHT_DECAY: Final = ("weight_decay", "wd")
_FAMILIES: Final[Mapping[str, str]] = {"wideresnet": "wrn", "wrn": "wrn", "resnext": "resnext", "densenet": "densenet"}


def contradictions(record: Mapping[str, Any], config: JobConfig) -> list[str]:
    """Return what a file's own record says that cannot be true of a cell: what was trained, on what, how and how long.

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
    """Compare seed and epochs, and what the recipe sets; the number of the last epoch counts from 0 or from 1."""
    recipe, epochs = config.recipe, config.recipe.epochs
    length = f"{epochs} epoch{'s' * (epochs != 1)}"
    checks: tuple[tuple[Sequence[str], tuple[float, ...], str], ...] = (
        (_SEED, (config.seed,), f"seed {config.seed}"),
        (_EPOCHS, (epochs,), length),
        (("epoch",), (epochs - 1, epochs), length),
        (_LR, (recipe.lr,), f"lr {recipe.lr}"),
        (_WEIGHT_DECAY, (recipe.weight_decay,), f"weight_decay {recipe.weight_decay}"),
        (("momentum",), (recipe.momentum,), f"momentum {recipe.momentum}"),
    )
    found = []
    for names, values, what in checks:
        said = [(path, number) for path, value in contents.said(*names) if (number := _number(value)) is not None]
        if names is _LR:
            said = [
                (path, number) for path, number in said if "." in path
            ]  # at the top it may be that of the last step
        if said and not any(math.isclose(said[0][1], value, rel_tol=1e-6) for value in values):
            found.append(f"its {said[0][0]} is {said[0][1]:.6g}, the row's training has {what}")
    return found


def _number(value: Any) -> float | None:
    """Return a recorded number, also one that was recorded as a text, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
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
    from trainers.models.from_torchvision import TORCHVISION_NAMES
    from trainers.models.registry import MODELS

    known = {_plain(name) for name in (*MODELS, *TORCHVISION_NAMES)}
    own = _plain(ours.removeprefix("torchvision:"))
    said = _plain(theirs)
    if said in known or re.fullmatch(r"wrn\d+", said):
        return said != own
    return said in _FAMILIES and not own.startswith(_FAMILIES[said])


def _is_other_method(theirs: str, ours: str) -> bool:
    from augment.registry import METHODS

    return _plain(theirs) in {_plain(name) for name in METHODS} - {_plain(part) for part in (ours, *ours.split("+"))}


def _plain(value: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(value).lower())

"""The content of a file of another trainer: tensors by path, and the plain values that it records of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from trainers.errors import CheckpointError
from trainers.models.weights.legacy_pickles import Inert, read_file
from trainers.models.weights.names import COUNTER, is_plain

_DEPTH: Final = 8
_TRAINING_STATE: Final = re.compile(
    r"optim\w*|opt_states?|(lr_)?schedulers?|(amp_|grad_)?scaler|rng\w*|loops", re.IGNORECASE
)
"""Keys of a file with the state of a training, never weights that could be evaluated."""
_INSIDE_MODULES: Final = frozenset({"_modules", "_parameters", "_buffers"})
"""Where a pickled network keeps its parts: no part of the names that its state has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The content of a file.

    Attributes:
        tensors: Path in the file ("state_dict.module.fc.weight") -> tensor on the CPU.
        record: Path -> plain value: a number (also of a tensor of one value), a text, a truth value, or a list of numbers.
    """

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]

    def said(self, *names: str) -> Iterator[tuple[str, Any]]:
        """Yield path and value of everything recorded under one of some names, the least nested first."""
        for path in sorted(self.record, key=lambda each: each.count(".")):
            if path.rpartition(".")[2] in names:
                yield path, self.record[path]


def read_contents(path: Path) -> Contents:
    """Read a file of `torch.save`, of any version of PyTorch and Python, without running what it names.

    Raises:
        CheckpointError: If the file cannot be read, or has no tensors by name.
    """
    found = read_file(path)
    if not isinstance(found, Mapping | list | tuple | Inert):
        raise CheckpointError(
            f"{path} must contain tensors by name, but contains one {type(found).__name__}; save the network's state_dict()"
        )
    contents = contents_of(found)
    if not contents.tensors:
        raise CheckpointError(
            f"{path} must contain tensors by name, readable without running code, but contains "
            f"{_top(found)}; save the network's state_dict()"
        )
    return contents


def _top(found: Any) -> str:
    names = list(found.kept if isinstance(found, Inert) else found) if not isinstance(found, list | tuple) else []
    return ", ".join(map(str, names[:5])) or "none"


def contents_of(found: Mapping[Any, Any] | Sequence[Any] | Inert) -> Contents:
    """Return the content of a file, however deep; the state of optimisers and schedules is left out.

    A network that was pickled whole is read like its state: its parts are found, and nothing of it is run.
    """
    tensors: dict[str, Tensor] = {}
    record: dict[str, Any] = {}
    for path, value in _leaves(found, "", _DEPTH, set()):
        if isinstance(value, Tensor):
            tensors[path] = _widened(value.detach())
            if not value.dim() and is_plain(value) and not path.endswith(COUNTER):
                record[path] = value.item()  # "seed" may be recorded so
        else:
            record[path] = value
    return Contents(tensors=tensors, record=record)


def _leaves(value: Any, path: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield path and value of tensors and plain values; `seen` has the containers that were entered; each is entered once."""
    if isinstance(value, Tensor) or _is_plain(value):
        yield path, value
        return
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.dtype.isnative:
        yield path, torch.from_numpy(np.array(value))
        return
    inside = value.kept if isinstance(value, Inert) else value
    if not depth or not isinstance(inside, Mapping | list | tuple) or id(inside) in seen:
        return
    seen.add(id(inside))
    for key, inner in inside.items() if isinstance(inside, Mapping) else enumerate(inside):
        if isinstance(value, Inert) and key in _INSIDE_MODULES:
            yield from _parts(inner, path, depth, seen)
        elif not _TRAINING_STATE.fullmatch(str(key)):
            yield from _leaves(inner, _joined(path, key), depth - 1, seen)


def _parts(parts: Any, path: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield what is in the parts of a pickled network, which nests deeper than files of weights do."""
    for key, inner in parts.items() if isinstance(parts, Mapping) else ():
        yield from _leaves(inner, _joined(path, key), depth, seen)


def _joined(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _widened(tensor: Tensor) -> Tensor:
    """Return a tensor of 8-bit floats, which few operations take, as one of 32 bits with the same values."""
    return tensor.float() if tensor.dtype.is_floating_point and tensor.dtype.itemsize == 1 else tensor


def _is_plain(value: Any) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return bool(value) and len(value) <= 4 and all(isinstance(item, int | float) for item in value)
    return isinstance(value, str | int | float)

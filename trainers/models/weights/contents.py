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

from augment.files.given import MIB
from trainers.errors import CheckpointError
from trainers.models.weights.legacy_pickles import Inert, read_file
from trainers.models.weights.names import COUNTER, is_plain

_DEPTH: Final = 8
_LONGEST: Final = 1_000
"""Letters of a path."""
_SHOWN: Final = 60
"""Letters of a name that a message shows."""
_MOST_LETTERS: Final = 64 * MIB
"""Of all paths."""
_MOST_TIMES: Final = 4
_SPARE_BYTES: Final = 256 * MIB
"""Values of tensors may be so many times the file, for copies that share their storage, and so much more."""
_ARRAYS: Final = frozenset(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64))
"""Types of arrays that tensors have too."""
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


def read_here(path: Path) -> Contents:
    """Read a file of `torch.save` in this process; `trainers.models.weights.reading` decides where a file is read.

    Raises:
        CheckpointError: If the file cannot be read, or has no tensors by name; the text begins with the path.
    """
    found = read_file(path)
    if not isinstance(found, Mapping | list | tuple | Inert):
        raise CheckpointError(
            f"{path} must contain tensors by name, but contains one {type(found).__name__}; save the network's state_dict()"
        )
    try:
        contents = contents_of(found, path.stat().st_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from error
    if not contents.tensors:
        raise CheckpointError(
            f"{path} must contain tensors by name, readable without running code, but contains "
            f"{_top(found)}; save the network's state_dict()"
        )
    return contents


def _top(found: Any) -> str:
    names = list(found.kept if isinstance(found, Inert) else found) if not isinstance(found, list | tuple) else []
    return ", ".join(str(name)[:_SHOWN] for name in names[:5]) or "none"


def contents_of(found: Mapping[Any, Any] | Sequence[Any] | Inert, file_bytes: int | None = None) -> Contents:
    """Return the content of a file, however deep; the state of optimisers and schedules is left out.

    A network that was pickled whole is read like its state: its parts are found, and nothing of it is run.

    Args:
        file_bytes: Size of the file, which the values of its tensors must be in proportion to; None where it is trusted.

    Raises:
        CheckpointError: If they are not, or its names are too long or too deep; the text is the end of "the file ...".
    """
    tensors: dict[str, Tensor] = {}
    record: dict[str, Any] = {}
    letters = values = 0
    try:
        for path, value in _leaves(found, "", _DEPTH, set()):
            letters += len(path)
            values += _bytes_of(value) if isinstance(value, Tensor) else 0
            _check_budget(letters, values, file_bytes)
            if not isinstance(value, Tensor):
                record[path] = value
                continue
            tensors[path] = _widened(value.detach())
            if not value.dim() and is_plain(value) and not path.endswith(COUNTER):
                record[path] = value.item()  # "seed" may be recorded so
    except RecursionError as error:
        raise CheckpointError(
            "must be plain values, but nests them without end; save the network's state_dict()"
        ) from error
    return Contents(tensors=tensors, record=record)


def _bytes_of(tensor: Tensor) -> int:
    """Return the bytes of a tensor's values: one that repeats a single value has more than its storage."""
    return tensor.numel() * tensor.element_size() if is_plain(tensor) and not tensor.is_meta else 0


def _check_budget(letters: int, values: int, file_bytes: int | None) -> None:
    if letters > _MOST_LETTERS:
        raise CheckpointError(
            "must be mostly weights, but its record is too long; save the network's state_dict() alone"
        )
    if file_bytes is not None and values > _MOST_TIMES * file_bytes + _SPARE_BYTES:
        raise CheckpointError(
            f"must contain the values of its tensors, but its {file_bytes / MIB:.1f} MiB say {values / MIB:,.0f} MiB; "
            "save the network's state_dict() again"
        )


def _leaves(value: Any, path: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield path and value of tensors and plain values; `seen` has the containers that were entered; each is entered once."""
    if isinstance(value, Tensor) or _is_plain(value):
        yield path, value
        return
    if isinstance(value, np.ndarray) and value.dtype.name in _ARRAYS and value.dtype.isnative:
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
    joined = f"{path}.{key}" if path else str(key)
    if len(joined) > _LONGEST:
        raise CheckpointError(
            f"must name its values within {_LONGEST} letters, but has a longer name; save the network's state_dict()"
        )
    return joined


def _widened(tensor: Tensor) -> Tensor:
    """Return a tensor of 8-bit floats, which few operations take, as one of 32 bits with the same values."""
    return tensor.float() if tensor.dtype.is_floating_point and tensor.dtype.itemsize == 1 else tensor


def _is_plain(value: Any) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return bool(value) and len(value) <= 4 and all(isinstance(item, int | float) for item in value)
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _LONGEST)

"""Names of weights: how trainers wrap them, how published code spells them, and which copies of a network a file contains."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from trainers.models.registry import MODELS

COUNTER: Final = "num_batches_tracked"
"""Ends the names of counters that PyTorch before 0.4.1 did not have and that no evaluation reads."""

_WRAPPERS: Final = frozenset(
    {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
)
"""What torch.compile, data-parallel and sharded training put into a name, at any place of it."""

_AVERAGE: Final = frozenset(
    {"ema", "swa", "avg", "average", "averaged", "averaging", "shadow", "polyak", "teacher", "target", "slow"}
)
"""Words in a path that mean: an average over the training, or a network that follows another."""


SPELLINGS: Final[Sequence[Callable[[str], str]]] = tuple(
    dict.fromkeys((str, *(each.published_name for each in MODELS.values() if each.published_name is not None)))
)
"""Functions from a published name to ours; the first leaves names as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One set of a network's weights in a file.

    Attributes:
        path: What the names of its tensors begin with in the file, without wrappers; "" or ending with a dot.
        tensors: Our name -> tensor; also those that the network does not have.
        places: Our name -> path in the file.
        completed: Label of the copy that what it lacks is taken from: averages often have no running statistics.
        twins: Paths in the file of tensors of other copies with equal values.
    """

    path: str
    tensors: Mapping[str, Tensor]
    places: Mapping[str, str]
    completed: str = ""
    twins: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """What a person calls it by."""
        return self.path.rstrip(".") or "top"

    @property
    def is_average(self) -> bool:
        """Whether, by its path, it is an average of other weights."""
        return not _AVERAGE.isdisjoint(re.split(r"[._]", self.path.lower()))

    def equals(self, other: Copy, names: Collection[str]) -> bool:
        """Whether both have the same values under some names."""
        return all(_is_equal(self.tensors[name], other.tensors[name]) for name in names)


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor stores its values one by one: it is neither sparse nor quantised, and it has values at all."""
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized


def _is_equal(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have the same values; one and the same has, whatever they are (NaN, none at all)."""
    if first is second:
        return True
    return first.shape == second.shape and is_plain(first) and is_plain(second) and torch.equal(first, second)


def copies_of(tensors: Mapping[str, Tensor], wanted: Collection[str], learnt: Collection[str]) -> list[Copy]:
    """Return the copies of a network in a file: each prefix, spelling and wrapping under which all its names are found.

    Prefixes are whatever comes first: containers ("state_dict"), wrappers ("module"), attributes of a trainer ("model", "net"),
    in any order and nesting. Copies with equal values are one. An average that has only what is learnt takes the running
    statistics of the first copy that is no average.

    Args:
        tensors: Path in the file -> tensor.
    """
    required = {name for name in wanted if not name.endswith(COUNTER)}
    readings = [each for unwrapped in (False, True) for each in _readings(tensors, unwrapped, len(learnt))]
    whole = [copy for copy in readings if required <= copy.tensors.keys()]
    found: list[Copy] = []
    for copy in sorted(whole, key=lambda each: (each.is_average, len(each.path))):
        twin = next((index for index, other in enumerate(found) if copy.equals(other, required)), None)
        if twin is None:
            found.append(copy)
        else:
            found[twin] = replace(found[twin], twins=found[twin].twins | {copy.places[name] for name in required})
    raw = next((copy for copy in found if not copy.is_average), None)
    partial = [
        copy for copy in readings if copy.is_average and copy not in whole and set(learnt) <= copy.tensors.keys()
    ]
    if raw is not None:
        made = [_completed(copy, raw, required) for copy in partial]
        found += [copy for index, copy in enumerate(made) if not any(copy.equals(o, required) for o in made[:index])]
    return found


def _completed(average: Copy, raw: Copy, required: Collection[str]) -> Copy:
    lent = {name: raw.tensors[name] for name in required if name not in average.tensors}
    return replace(average, tensors={**average.tensors, **lent}, completed=raw.label)


def nearest_copy(tensors: Mapping[str, Tensor], wanted: Collection[str]) -> Copy:
    """Return the reading of a file under which most of the names are found; for messages."""
    readings = [each for unwrapped in (False, True) for each in _readings(tensors, unwrapped, 1)]
    return max(readings, key=lambda copy: (len(copy.tensors.keys() & set(wanted)), -len(copy.tensors)))


def _readings(tensors: Mapping[str, Tensor], is_unwrapped: bool, least: int) -> Iterator[Copy]:
    """Yield what follows each prefix that enough names have, the shortest first, in each spelling."""
    names = {_unwrapped(path) if is_unwrapped else path: path for path in tensors}
    counts = Counter(prefix for name in names for prefix in _prefixes(name))
    for prefix in sorted(
        (each for each, count in counts.items() if count >= least), key=lambda each: (len(each), each)
    ):
        inside = {name.removeprefix(prefix): path for name, path in names.items() if name.startswith(prefix)}
        for spell in SPELLINGS:
            places = {spell(name): path for name, path in inside.items()}
            if spell is str or places.keys() != inside.keys():
                spelled = {name: tensors[path] for name, path in places.items()}
                yield Copy(path=prefix, tensors=spelled, places=places)


def _prefixes(name: str) -> Iterator[str]:
    yield ""
    parts = name.split(".")
    for end in range(1, len(parts)):
        yield ".".join(parts[:end]) + "."


def _unwrapped(path: str) -> str:
    return ".".join(part for part in path.split(".") if part not in _WRAPPERS)

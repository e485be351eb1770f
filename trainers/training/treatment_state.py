"""The state of a method across workers: each rank has that of its own logical shards; together they are the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from trainers.errors import CheckpointError

State = Mapping[str, Any]


def state_for(states: Sequence[State], rank: int, world_size: int) -> State:
    """Return what a rank restores from the states that all ranks had.

    The same number of workers get their own states back. Another number gets the union: values that belong to a shard are
    stored under its number and come from the rank that had it, all others must be the same on every rank.
    """
    if len(states) == world_size:
        return states[rank]
    merged = states[0]
    for other in states[1:]:
        merged = _union(merged, other, len(states))
    return merged


def _union(first: Any, second: Any, num_ranks: int) -> Any:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        both = {key: _union(first[key], second[key], num_ranks) for key in first if key in second}
        return {**first, **second, **both}
    if not same(first, second):
        raise CheckpointError(
            f"a checkpoint must contain the same state of the method on all ranks to go on with another number of workers, but "
            f"that of {num_ranks} workers differs between them; go on with {num_ranks} workers"
        )
    return first


def same(first: Any, second: Any) -> bool:
    """Return whether two plain values are equal, tensors bit by bit."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.shape == second.shape and bool((first == second).all())
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return bool(first == second)

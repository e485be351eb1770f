"""The retry policy: what a failure was, and what follows from it. Pure: nothing here touches a cluster or a store."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from orchestration.store.contract import ErrorClass
from trainers.worker.failure import RankFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try the cell again; after memory ran out on a shared device, on one for itself."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Give the cell up; the sweep goes on."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End the sweep: other cells would meet the same wall, or the user asked to stop at the first failure."""

    text: str


Decision = Retry | Skip | Stop

COUNTED: Final[frozenset[ErrorClass]] = frozenset(
    {"out-of-memory", "nan", "bad-data", "no-space", "worker-died", "bug"}
)
"""Classes that use up attempts; a preemption or a stop is nobody's fault."""

REPEATABLE: Final[frozenset[ErrorClass]] = frozenset({"nan", "bad-data", "bug"})
"""Classes that the same inputs bring about again: training is repeatable, on a GPU up to rounding, so a retry would only cost."""

_BY_KIND: Final[tuple[tuple[str, ErrorClass], ...]] = (
    ("JobPreempted", "preempted"),
    ("JobStopped", "stopped"),
    ("OutOfMemoryError", "out-of-memory"),
    ("MemoryError", "out-of-memory"),
    ("NonFiniteLoss", "nan"),
    ("FloatingPointError", "nan"),
    ("DataError", "bad-data"),
    ("NoSpace", "no-space"),
    ("UnusableDevice", "unusable-device"),
    ("WorkerHealthCheckFailedError", "worker-died"),
    ("ActorDiedError", "worker-died"),
    ("RayActorError", "worker-died"),
    ("WorkerCrashedError", "worker-died"),
    ("NodeDiedError", "worker-died"),
    ("ConnectionError", "worker-died"),
)

_PEER_PHRASES: Final[tuple[str, ...]] = (
    "connection closed by peer",
    "connection reset by peer",
    "broken pipe",
    "remote process exited",
    "socket timeout",
    "timed out waiting",
    "nccl communicator was aborted",
    "distnetworkerror",
)
"""What a healthy rank reports when the other end of a collective is gone."""

_LOSSES: Final[frozenset[str]] = frozenset({"ActorDiedError", "NodeDiedError", "WorkerHealthCheckFailedError"})
_LEAVING_WORDS: Final[tuple[str, ...]] = ("preempted", "received sigterm")
"""What Ray says of a node that was ordered to stop: by its cloud, or by SIGTERM to its raylet."""

_BY_WEIGHT: Final[tuple[ErrorClass, ...]] = (
    "stopped",
    "preempted",
    "unusable-device",
    "no-space",
    "out-of-memory",
    "nan",
    "bad-data",
    "bug",
    "worker-died",
)
"""Which of several ranks' classes is the cause: a lost peer is the least telling, since it follows from any other."""


def classify(failures: Sequence[RankFailure]) -> tuple[ErrorClass, str]:
    """Return the error class and the text of an attempt from what its ranks reported.

    Args:
        failures: What each failing rank reported, in any order; empty when the group vanished without a report.

    Returns:
        The class of the rank that failed first in causal order, and its message with the rank.
    """
    if not failures:
        return "worker-died", "the worker group ended without a report"
    ranked = sorted(((_class_of(one), one) for one in failures), key=lambda pair: _BY_WEIGHT.index(pair[0]))
    error_class, cause = ranked[0]
    place = f"rank {cause.rank}: " if cause.rank >= 0 else ""
    return error_class, f"{place}{cause.kinds[0] if cause.kinds else 'error'}: {cause.message}"


def _class_of(failure: RankFailure) -> ErrorClass:
    if failure.declared in get_args(ErrorClass):
        return failure.declared  # type: ignore[return-value]
    text = failure.message.lower()
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no-space"
    if _LOSSES & set(failure.kinds) and any(words in text for words in _LEAVING_WORDS):
        return "preempted"
    for kind, error_class in _BY_KIND:
        if kind in failure.kinds:
            return error_class
    if "out of memory" in text:
        return "out-of-memory"
    if any(phrase in text for phrase in _PEER_PHRASES):
        return "worker-died"
    return "bug"


def decide(
    cell_id: str,
    error_class: ErrorClass,
    *,
    attempts: int,
    max_attempts: int,
    is_exclusive: bool,
    fail_fast: bool = False,
) -> Decision:
    """Return what follows from a failed attempt.

    Args:
        cell_id: The cell, for the text.
        attempts: Attempts that count against the cell, this one included (see `COUNTED`).
        max_attempts: Attempts before a cell is set aside.
        is_exclusive: Whether the attempt had its devices for itself.
        fail_fast: Whether a cell that is given up ends the sweep.
    """
    if error_class == "no-space":
        return Stop(text="the disk or the quota is full, which stops every cell; free space and run again")
    if error_class == "unusable-device":
        return Stop(text="a reserved GPU cannot be used, which every cell would meet; mend the node and run again")
    if error_class in ("preempted", "stopped"):
        return Retry(
            text=f"cell {cell_id} was {error_class}, which is not counted as a failure; it continues from its checkpoint"
        )
    if error_class == "out-of-memory" and not is_exclusive and attempts < max_attempts:
        return Retry(
            text=f"cell {cell_id} ran out of memory on a shared device; it gets one for itself "
            f"(attempt {attempts + 1} of {max_attempts})"
        )
    if error_class in REPEATABLE:
        return _give_up(f"cell {cell_id} failed with '{error_class}', which a retry would repeat", fail_fast)
    if attempts < max_attempts:
        return Retry(text=f"cell {cell_id} is tried again (attempt {attempts + 1} of {max_attempts})")
    return _give_up(f"cell {cell_id} is set aside after {attempts} attempts", fail_fast)


def _give_up(text: str, fail_fast: bool) -> Decision:
    return Stop(text=f"{text}; the run ends at the first failure") if fail_fast else Skip(text=text)

"""Keeping workers in step when one of them fails in the middle of a benchmark.

Every worker runs the same benchmarks and meets the others in `gather`. If one raises, the others would wait indefinitely in their
next `gather`. So each message carries a status: a worker that fails reports it in the one `gather` that it owes, everybody learns
of it in that same call, and all leave the benchmark together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from augment.files.whole import is_full
from eval.errors import EvalError
from eval.inference.subject import Workers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Message:
    """What a worker brings to a `gather`: a value, or why it cannot go on."""

    value: Any = None
    failure: str | None = None
    is_fatal: bool = False


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What all workers agree that a step came to: a value of this worker, or one reason for all."""

    value: T | None
    failure: str | None


class PeerFailed(EvalError):
    """Another worker failed, and reported it in the `gather` that this one was in."""


class WorkersLost(EvalError):
    """A worker cannot go on at all (out of memory, no space on its disk); the whole job must end."""


class InStep:
    """Workers whose `gather` raises `PeerFailed` on every one of them as soon as one has failed."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    @property
    def rank(self) -> int:
        """This worker's number."""
        return self._workers.rank

    @property
    def world_size(self) -> int:
        """How many workers there are."""
        return self._workers.world_size

    def gather(self, value: T) -> list[T]:
        """Return every rank's value in rank order.

        Raises:
            PeerFailed: If a worker failed instead of coming here.
            WorkersLost: If that worker cannot go on at all.
        """
        return [message.value for message in self._exchange(_Message(value=value))]

    def agree(self, step: Callable[[], T]) -> Outcome[T]:
        """Run a step that may meet the others in this object's `gather`, and agree with them on how it ended.

        Raises:
            WorkersLost: If a worker ran out of memory or disk; on that worker the original error is raised.
        """
        try:
            value = step()
        except PeerFailed as error:
            return Outcome(None, str(error))  # reported in a gather: everybody knows, nothing is owed
        except WorkersLost:
            raise
        except Exception as error:
            return Outcome(None, self._report(error))
        try:
            self.gather(None)
        except PeerFailed as error:
            return Outcome(None, str(error))
        return Outcome(value, None)

    def _report(self, error: Exception) -> str:
        """Report this worker's failure in the gather it owes; return the reason that all of them give."""
        is_fatal = _ends_the_job(error)
        try:
            self._exchange(_Message(failure=describe(error), is_fatal=is_fatal))
        except PeerFailed as agreed:
            return str(agreed)
        except WorkersLost:
            if is_fatal:
                raise error from None
            raise
        raise AssertionError("a failure was sent but not received")

    def _exchange(self, message: _Message) -> list[_Message]:
        messages = self._workers.gather(message)
        failures = [(rank, each) for rank, each in enumerate(messages) if each.failure is not None]
        if not failures:
            return messages
        reason = "; ".join(dict.fromkeys(each.failure or "" for _, each in failures))
        if any(each.is_fatal for _, each in failures):
            raise WorkersLost(f"ranks {[rank for rank, each in failures if each.is_fatal]} cannot go on: {reason}")
        raise PeerFailed(reason)


def describe(error: BaseException) -> str:
    """Return a one-line reason: our own errors speak for themselves, others are named by their class."""
    text = " ".join(str(error).split())
    return text if isinstance(error, EvalError) else f"{type(error).__name__}: {text}"


def _ends_the_job(error: BaseException) -> bool:
    """Whether an error would meet the other benchmarks too, and goes away with another machine or more room."""
    is_out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return is_out_of_memory or is_full(error) or getattr(error, "error_class", "") == "no-space"

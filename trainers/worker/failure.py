"""What a failing worker reports: an exception as plain values that any process can read.

Exceptions themselves are not sent: unpickling one needs its module, and tracebacks keep tensors alive.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RankFailure:
    """An exception on one rank.

    Attributes:
        kinds: Names of its class and base classes, most special first, with the names of its causes after them.
        errno: Error number of an operating system error, or None.
        declared: The error class that the exception itself declares as `error_class`, or None.
    """

    rank: int
    kinds: tuple[str, ...]
    message: str
    errno: int | None = None
    declared: str | None = None
    trace: str = ""


def describe_failure(error: BaseException, rank: int) -> RankFailure:
    """Return an exception and the chain of its causes as plain values."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or getattr(current, "cause", None)
        if not isinstance(current, BaseException):
            current = None
    kinds = [kind.__name__ for link in chain for kind in type(link).__mro__ if kind not in (object, BaseException)]
    return RankFailure(
        rank=rank,
        kinds=tuple(dict.fromkeys(kinds)),
        message=str(error) or type(error).__name__,
        errno=next((link.errno for link in chain if isinstance(link, OSError) and link.errno is not None), None),
        declared=next((link.error_class for link in chain if hasattr(link, "error_class")), None),
        trace="".join(traceback.format_exception(error))[-20_000:],
    )

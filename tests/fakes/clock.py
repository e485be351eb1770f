"""A clock that a test moves."""

from __future__ import annotations


class Time:
    """A monotonic clock, in seconds from 0."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

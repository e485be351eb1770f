"""Exceptions of the results store.

Every message says the rule, the value and the way out.

    SweepError
      StoreError              the store was asked something it does not do
        CorruptRecordError    a file in the store is not a whole, known record
"""

from collections.abc import Callable

from orchestration.errors import EnvironmentRefused, SweepError


class StoreError(SweepError):
    """Base of every error of the results store."""


class CorruptRecordError(StoreError, EnvironmentRefused):
    """A file in the store is truncated, altered, of another kind or of an unknown version; it is never trusted.

    Args:
        fault: What is wrong, and with which file.
        fix: What to do.
    """

    def __init__(self, fault: str, fix: str) -> None:
        super().__init__(fault, fix)
        self.fault = fault
        self.train_key = ""
        """The cell whose record it is, where a reader of cells met it."""

    def __str__(self) -> str:
        return "; ".join(self.args)


OnDamage = Callable[[CorruptRecordError], None]
"""Is handed each file that is not whole where a reader goes on without it."""

"""Exceptions of the results store.

Every message says the rule, the value and the way out.

    SweepError
      StoreError              the store was asked something it does not do
        CorruptRecordError    a file in the store is not a whole, known record
"""

from orchestration.errors import EnvironmentRefused, SweepError


class StoreError(SweepError):
    """Base of every error of the results store."""


class CorruptRecordError(StoreError, EnvironmentRefused):
    """A file in the store is truncated, altered, of another kind or of an unknown version; it is never trusted."""

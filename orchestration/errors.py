"""Exceptions of `orchestration` (sweeps, plans, the results store).

Every message says the rule, the value and the way out.

    Exception
      SweepError
"""


class SweepError(Exception):
    """Base of every error that `orchestration` raises for its users."""

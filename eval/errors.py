"""Exceptions of `eval` (what evaluates a checkpoint).

Every message gives the rule, the value and the fix.

    Exception
      EvalError
"""


class EvalError(Exception):
    """Base of every error that `eval` raises for its users."""

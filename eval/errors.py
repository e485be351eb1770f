"""Exceptions of `eval` (what evaluates a checkpoint).

Every message says the rule, the value and the way out.

    Exception
      EvalError
"""


class EvalError(Exception):
    """Base of every error that `eval` raises for its users."""

"""Exceptions of `eval` (what evaluates a checkpoint).

Every message gives the rule, the value and the fix.

    Exception
      EvalError
        NoSpace         a file of the cache that the disk has no room for
"""


class EvalError(Exception):
    """Base of every error that `eval` raises for its users."""


class NoSpace(EvalError):
    """A file of the cache that the disk has no room for."""

    error_class = "no-space"

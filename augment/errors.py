"""Exceptions of `augment` (what changes a training image).

Every message gives the rule, the value and the fix.

    Exception
      AugmentError
"""


class AugmentError(Exception):
    """Base of every error that `augment` raises for its users."""

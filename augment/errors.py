"""Exceptions of `augment` (what changes a training image).

Every message says the rule, the value and the way out.

    Exception
      AugmentError
"""


class AugmentError(Exception):
    """Base of every error that `augment` raises for its users."""

"""Exceptions of `augment` (what changes a training image).

Every message gives the rule, the value and the fix.

    Exception
      AugmentError
        NoSpaceError    a file of the cache that the disk has no room for
"""


class AugmentError(Exception):
    """Base of every error that `augment` raises for its users."""


class NoSpaceError(AugmentError):
    """A file of the cache that the disk has no room for."""

    error_class = "no-space"

"""Exceptions of `clusters` (connecting, placement, storage).

Every message says the rule, the value and the fix.

    Exception
      ClusterError
        ManifestError   a cluster file is wrong, or is not ready to be started
"""


class ClusterError(Exception):
    """Base of every error that `clusters` raises for its users."""


class ManifestError(ClusterError):
    """A cluster file is wrong, or is not ready to be started."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n  ".join(mistakes))
        self.mistakes = mistakes

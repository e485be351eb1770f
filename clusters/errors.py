"""Exceptions of `clusters` (connecting, placement, storage).

Every message says the rule, the value and the way out.

    Exception
      ClusterError
"""


class ClusterError(Exception):
    """Base of every error that `clusters` raises for its users."""

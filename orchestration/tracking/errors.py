"""Exceptions of the tracking projection.

Every message says the rule, the value and the way out.

    SweepError
      TrackingError    the tracking server refused or did not answer
"""

from orchestration.errors import SweepError


class TrackingError(SweepError):
    """The tracking server refused or did not answer.

    Attributes:
        passing: Whether the same call may succeed later: the server is away, busy or locked.
    """

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing

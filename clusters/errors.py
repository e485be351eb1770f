"""Exceptions of `clusters` (connecting, placement, storage).

Every message says the rule, the value and the fix.

    Exception
      ClusterError
        ManifestError   a cluster file is wrong, or is not ready to be started
        ControlLost     a process without which Ray does nothing died under a run
"""


class ClusterError(Exception):
    """Base of every error that `clusters` raises for its users."""


class ControlLost(ClusterError):
    """A process without which Ray does nothing died under a run; Ray cannot be used in this process any more.

    Attributes:
        what: Which process.
        is_private: Whether the Ray was started by this process, so that it may start another one.
        is_ending: Whether the run had been asked to end, so that none is to be started.
        is_ctrl_c: Whether it was asked by Ctrl-C.
    """

    is_ending: bool = False
    is_ctrl_c: bool = False

    def __init__(self, what: str, where: str, *, is_private: bool) -> None:
        super().__init__(
            f"{what} of {where} died; nothing that is recorded is lost: finished cells are kept, and running ones continue from "
            "their last checkpoint"
        )
        self.what = what
        self.is_private = is_private


class ManifestError(ClusterError):
    """A cluster file is wrong, or is not ready to be started."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n  ".join(mistakes))
        self.mistakes = mistakes

"""A command whose private Ray lost one of its processes starts itself again, once: what is recorded is kept, the rest is run.

Ray's library cannot be used again in a process whose control store died, and ends it after a minute, so that the process is
replaced by a new one with the same command line, number and terminal.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from clusters.errors import ControlLost
from clusters.temporary.own import remove_own_folder

RESTARTED: Final = "DREAMGRID_RESTARTED"
"""Set in the environment of a command that has started itself again."""


def may_restart(error: BaseException) -> bool:
    """Whether the command should start itself again after an error: its own Ray was lost, for the first time, unasked."""
    if not isinstance(error, ControlLost) or error.is_ending:
        return False
    return error.is_private and RESTARTED not in os.environ


def is_restarted() -> bool:
    """Whether this command has started itself again: what it forgot is not to be forgotten once more."""
    return RESTARTED in os.environ


def restart() -> None:
    """Replace this process by the same command; returns only if that is not possible."""
    _tidy()
    os.environ[RESTARTED] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def leave(code: int) -> None:
    """End this process at once: at a usual end Ray's library would wait for what is no more."""
    _tidy()
    os._exit(code)


def _tidy() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    remove_own_folder()

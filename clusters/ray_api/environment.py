"""The variables by which Ray is told how to run: quietly everywhere, and closed to others where it is a private one."""

from __future__ import annotations

import functools
import os
import secrets
from collections.abc import Mapping
from typing import Final

QUIET_ENVIRONMENT: Final[Mapping[str, str]] = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # A call that a left-over thread makes after the disconnection fails instead of starting another Ray.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_DEDUP_LOGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_THRESHOLD_S": "30",
    # Trials whose processes may be starting at once; Ray starts as many together as the head node has CPUs.
    "TUNE_MAX_PENDING_TRIALS_PG": "32",
}
"""What keeps Ray quick, quiet and out of the way; a variable that is set already keeps its value."""

_PRIVATE_ENVIRONMENT: Final[Mapping[str, str]] = {
    # Ray reads it on every system: without clusters it takes loopback for this machine's address, and listens there alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Nobody reads these metrics, and their exporter asks for no token.
    "RAY_enable_metrics_collection": "0",
}
"""What closes a private Ray to other machines, whatever is set already."""


def set_environment(wanted: Mapping[str, str], *, keep: bool = True) -> dict[str, str | None]:
    """Set variables; return what they were. With `keep`, those that are set already keep their values."""
    chosen = {name: value for name, value in wanted.items() if not keep or name not in os.environ}
    before = {name: os.environ.get(name) for name in chosen}
    os.environ.update(chosen)
    return before


def private_environment() -> dict[str, str | None]:
    """Set a token for a private Ray and close it to other machines; return what the variables were.

    Ray turns token authentication on for a new local cluster unless RAY_AUTH_MODE says otherwise, and sets that variable.
    """
    before = {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE")}
    return before | set_environment({"RAY_AUTH_TOKEN": _token(), **_PRIVATE_ENVIRONMENT}, keep=False)


@functools.cache
def _token() -> str:
    """Return this process's token: Ray reads it once and remembers it, so that a later private Ray has to share it."""
    return secrets.token_hex(32)

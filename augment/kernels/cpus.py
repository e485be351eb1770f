"""How many processors this process may use."""

from __future__ import annotations

import os


def available_cpus() -> int:
    """Return on how many processors this process may run, at least 1: all of the machine's where the system does not say."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

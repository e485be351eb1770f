"""On which releases of Ray the engines run. Imports no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from orchestration.engine.options import Engine
from orchestration.errors import EnvironmentRefused

OLDEST: Final[Mapping[Engine, str]] = {"warm": "2.60", "plain": "2.50"}
"""Engine -> the oldest release that it was tried on. The warm engine asks Ray for nodes by their labels, as older ones cannot."""

NOT_TRIED: Final = "2.62"
"""The first release that nothing was tried on, and from which on the packages are not installed together."""

TRIED: Final = f"ray>={OLDEST['warm']},<{NOT_TRIED}"
"""What both engines were tried on, as the project's requirements have it."""


def check_release(engine: Engine, installed: str | None = None) -> None:
    """Check that an engine runs on the installed Ray, before anything of it is started.

    A release that is newer than what was tried is taken: only trying it can tell.

    Args:
        installed: A release in place of the installed one.

    Raises:
        EnvironmentRefused: If the release is older than what the engine was tried on.
    """
    found = installed or version("ray")
    if _numbers(found) >= _numbers(OLDEST[engine]):
        return
    plain_runs = engine == "warm" and _numbers(found) >= _numbers(OLDEST["plain"])
    instead = f"add --engine plain, which runs on Ray from {OLDEST['plain']} on, or " * plain_runs
    raise EnvironmentRefused(
        f"--engine {engine} must have Ray {OLDEST[engine]} or later (tried: {TRIED}), but Ray {found} is installed; "
        f"{instead}install the locked environment: make install"
    )


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")[:2]))

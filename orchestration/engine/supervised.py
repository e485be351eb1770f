"""Calls of Ray in a thread that can be left where it is, since they may never return once Ray's own processes died."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from clusters.connect import Connection

T = TypeVar("T")

LOOK_EVERY_S: Final = 0.2
CAUSE_S: Final = 5.0
"""So long after an actor of ours died the process may be found that took it along."""

MAILBOX: Final = "the actor that passes messages on (mailbox)"
_LOSSES: Final = frozenset({"RayActorError", "RaySystemError", "RpcError"})
"""Errors of Ray, by class, that the driver meets when Ray's processes, or the actor that it talks to, are gone."""


def supervised(
    body: Callable[[], T],
    connection: Connection,
    *,
    failure: Callable[[], Exception | None] = lambda: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> T:
    """Run a body in a thread and return what it returns.

    Args:
        connection: The Ray that it uses.
        failure: Returns what it failed of, where it goes on to end cleanly.
        meanwhile: Called every now and then, in this thread.

    Raises:
        ControlLost: If the processes of Ray, or an actor of ours without which nothing goes on, died; the thread is left behind.
        Exception: Whatever the body raises.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(body())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="dreamgrid-drive", daemon=True)
    thread.start()
    is_over = False
    while not is_over:
        thread.join(LOOK_EVERY_S)
        is_over = not thread.is_alive()
        meanwhile()
        met = raised[0] if raised else failure()
        what = connection.lost() or (_what_died(connection) if met is not None and _is_loss(met) else "")
        if what and not returned:
            raise connection.give_up(what) from met
    if raised:
        raise raised[0]
    return returned[0]


def _what_died(connection: Connection) -> str:
    ends = time.monotonic() + CAUSE_S
    while time.monotonic() < ends:
        if what := connection.lost(is_suspected=True):
            return what
        time.sleep(LOOK_EVERY_S)
    return MAILBOX


def _is_loss(error: BaseException) -> bool:
    """Whether an error, or what it came from, says that a process of Ray is gone."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        current = current.__cause__ or current.__context__
    return any(kind.__name__ in _LOSSES for link in seen for kind in type(link).__mro__)

"""What the controller of a warm group tells the mailbox when Ray sees workers fail."""

from __future__ import annotations

from typing import Any

from ray.train import UserCallback

from trainers.rank_failure import describe_failure


class LossWatcher(UserCallback):  # type: ignore[misc]
    """Passes failures on from the controller process, also of workers that died without a word."""

    def __init__(self, mailbox: Any, group: str) -> None:
        self._mailbox = mailbox
        self._group = group

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Tell which ranks failed, and of what."""
        failures = [describe_failure(error, rank) for rank, error in worker_exceptions.items()]
        self._mailbox.lost.remote(self._group, failures)

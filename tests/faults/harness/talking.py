"""The command line, with a display that also says in one line each what a fault may have to wait for.

`python -m tests.faults.harness.talking run SWEEP ...` is `dreamgrid run SWEEP ...`; lines of events begin with `@`.
"""

from __future__ import annotations

import sys
from typing import Any

from orchestration.cli import main
from orchestration.cli.verbs import run
from orchestration.engine.observer import Observers, RunObserver
from orchestration.runs.progress import LineProgress


class Talking(RunObserver):
    """Writes each event that a moment is recognised by."""

    def __init__(self) -> None:
        self._stages: dict[str, str] = {}
        self._worked_on: set[str] = set()

    def resources_known(self, resources: Any) -> None:
        _say("up")

    def cell_state(self, cell: Any, state: Any, detail: str = "") -> None:
        _say("state", cell.train_key, state)
        # Without a detail it was neither found nor computed by another driver.
        if state == "done" and not detail and cell.train_key in self._worked_on:
            _say("completed", cell.train_key)
        if state == "running":
            self._worked_on.add(cell.train_key)

    def epoch_ended(self, cell: Any, row: Any) -> None:
        _say("epoch", cell.train_key, row.epoch)

    def cell_progress(self, cell: Any, stage: str, done: int, total: int) -> None:
        if self._stages.get(cell.train_key) != stage:
            self._stages[cell.train_key] = stage
            _say("stage", cell.train_key, stage.replace(" ", "-"))

    def training_recorded(self, cell: Any, record: Any) -> None:
        _say("trained", cell.train_key)

    def report_recorded(self, cell: Any, checkpoint_sha256: str, report: Any) -> None:
        _say("report", cell.train_key, report.benchmark)

    def attempt_failed(self, cell: Any, attempt: Any, decision: str) -> None:
        _say("attempt", cell.train_key, attempt.error_class)

    def run_ended(self, plan: Any, status: Any) -> None:
        _say("ended", status)


def _say(*words: object) -> None:
    sys.stderr.write(f"@{' '.join(map(str, words))}\n")
    sys.stderr.flush()


def display(stream: Any = None) -> RunObserver:
    """Return the usual lines with those of events after them."""
    return Observers([LineProgress(sys.stderr), Talking()])


if __name__ == "__main__":
    run.progress_for = display
    raise SystemExit(main())

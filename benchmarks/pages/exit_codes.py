"""The page of exit codes: what each says, and which verbs return one for reasons of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.pages.markdown import GENERATED, code, table
from orchestration.cli.output import EXIT_BAD_INPUT, EXIT_CELLS_FAILED, EXIT_DONE, EXIT_INTERRUPTED, EXIT_REFUSED

INTRODUCTION: Final = f"""# Exit codes

The same for every verb, so that a script can decide what to do next. {GENERATED}
"""

MEANINGS: Final[Mapping[int, tuple[str, str]]] = {
    EXIT_DONE: ("done", "nothing"),
    EXIT_CELLS_FAILED: (
        "some cells failed, a run was stopped, or an unforeseen error (its details are in the log that the message names)",
        "`dreamgrid status SWEEP`, `dreamgrid cells logs CELL`; the same command again runs what is missing",
    ),
    EXIT_BAD_INPUT: (
        "the sweep, an option or a file is wrong; nothing was started",
        "mend what the message names: all mistakes are listed at once",
    ),
    EXIT_REFUSED: (
        "something outside refused: data, storage, disk, cluster, device or tracking server",
        "`dreamgrid doctor`; the message has the fix",
    ),
    EXIT_INTERRUPTED: (
        "Ctrl-C: 128 and the number of SIGINT",
        "the same command again continues; recorded results are kept",
    ),
}
"""Code -> what it says, and what to do."""

OWN: Final[Mapping[str, Mapping[int, str]]] = {
    "run": {
        EXIT_CELLS_FAILED: "a cell failed for good, or the run was stopped before all cells were done",
        EXIT_REFUSED: "all cells are recorded, but a tracking server lacks some of them; `dreamgrid sync` sends them",
        EXIT_INTERRUPTED: "Ctrl-C stopped the run; checkpoints were written",
    },
    "screen": {EXIT_CELLS_FAILED: "a candidate could not be trained"},
    "status": {EXIT_CELLS_FAILED: "a cell failed, or a recorded cell has no value for a column"},
    "watch": {EXIT_CELLS_FAILED: "the same, once no cell is left to run"},
    "evaluate": {EXIT_CELLS_FAILED: "a benchmark failed, or a metric of kept predictions could not be computed"},
    "data match": {EXIT_CELLS_FAILED: "generated and published images differ"},
    "data verify": {EXIT_REFUSED: "data are broken; or data that were named are missing"},
    "cluster check": {EXIT_BAD_INPUT: "a finding in a cluster file"},
    "doctor": {EXIT_REFUSED: "a finding is `broken`"},
}
"""Verb -> code that it returns itself -> why."""


def document() -> str:
    """Return the page."""
    general = table(("code", "meaning", "next"), ((code(each), *texts) for each, texts in MEANINGS.items()))
    rows = [
        (f"`dreamgrid {verb}`", code(each), text) for verb, reasons in OWN.items() for each, text in reasons.items()
    ]
    return f"""{INTRODUCTION}
{general}
`dreamgrid submit` follows its job and returns the exit code of the sweep on the cluster, 1 for a job that was stopped, and
3 for one that broke without a code. A reader that closes the pipe (`| head`) is no
error. With `--json`, an error is one JSON document with `error`, and with `mistakes` where there are several.

## Codes that a verb returns itself

{table(("verb", "code", "when"), rows)}"""

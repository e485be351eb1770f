"""The options of `run` beside those that several verbs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from orchestration.cells.cell import Mode
    from orchestration.cli.options import SweepChoice
    from orchestration.runs.notify import Webhook
    from orchestration.runs.until_decided import DecidingOptions
    from orchestration.settings import Settings

Address = Annotated[str | None, typer.Option("--address", help="Ray cluster to run on; by default this machine.")]
MaxConcurrent = Annotated[int | None, typer.Option("--max-concurrent", help="Most cells at once.")]
CpusPerWorker = Annotated[float | None, typer.Option("--cpus-per-worker", help="CPUs that a worker reserves.")]
GpusPerWorker = Annotated[float | None, typer.Option("--gpus-per-worker", help="GPUs that a worker reserves.")]
ShareGpus = Annotated[
    bool | None,
    typer.Option("--share-gpus/--own-gpus", help="Pack cells on GPUs by measured memory (default), or one each."),
]
Accelerator = Annotated[
    str, typer.Option("--accelerator", help="Kind of GPU that workers insist on, as Ray names it: L4, A100.")
]
MinWorkers = Annotated[
    int | None,
    typer.Option("--min-workers", help="Elastic: fewest workers of a cell where its own number does not fit."),
]
ClusterFile = Annotated[
    Path | None, typer.Option("--cluster-file", help="The cluster's file, which says how far it grows.")
]
GrowTo = Annotated[
    list[str] | None,
    typer.Option("--grow-to", metavar="GROUP", help="Nodes started on demand: gpu-spot=8:cpu=16,gpu=1. Repeatable."),
]
Priorities = Annotated[
    list[str] | None,
    typer.Option("--priority", metavar="ROW=N", help="Rows with a higher number start first (0). Repeatable."),
]
FailFast = Annotated[bool, typer.Option("--fail-fast/--keep-going", help="Stop at the first failed cell.")]
Cold = Annotated[bool, typer.Option("--cold", help="A fresh group of workers for every cell.")]
UntilDecided = Annotated[
    bool,
    typer.Option("--until-decided", help="Add seeds where a verdict is undecided, evaluated at a corrected level."),
]
MaxSeeds = Annotated[int, typer.Option("--max-seeds", help="With --until-decided: most seeds of a row.")]
Looks = Annotated[
    int, typer.Option("--looks", help="With --until-decided: planned looks; each gets its share of 0.05.")
]
BudgetHours = Annotated[
    float | None, typer.Option("--budget-hours", help="With --until-decided: device-hours that more seeds may cost.")
]
Notify = Annotated[
    str | None, typer.Option("--notify", metavar="URL", help="Webhook told at the end [DREAMGRID_WEBHOOK].")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What one call of `run` asks for.

    Attributes:
        choice: Which sweep.
        settings: Where things lie.
        mode: Which cells run.
        engine: Fields of `RunOptions` that were given; None where they were not.
        priorities: Texts "ROW=N".
        deciding: How far seeds are added, or None.
        webhook: Who is told at the end, or None.
    """

    choice: SweepChoice
    settings: Settings
    mode: Mode
    engine: Mapping[str, Any]
    priorities: Sequence[str] = ()
    deciding: DecidingOptions | None = None
    webhook: Webhook | None = None


def priorities_of(texts: Sequence[str], rows: Sequence[str]) -> dict[str, int]:
    """Return row -> priority from texts such as "PixMix=5".

    Raises:
        InputError: With every text that is written wrongly or names no row.
    """
    from orchestration.errors import InputError, Mistake, nearest

    found: dict[str, int] = {}
    mistakes = []
    for text in texts:
        row, _, number = text.rpartition("=")
        try:
            found[row] = int(number)
        except ValueError:
            mistakes.append(Mistake(where=f"--priority {text}", text="write ROW=N with a whole number: PixMix=5"))
            continue
        if row not in rows:
            mistakes.append(Mistake(where=f"--priority {text}", text=f"unknown row '{row}'{nearest(row, rows)}"))
    if mistakes:
        raise InputError("options", mistakes)
    return found

"""Compile every kernel once, so that no training step pays for it: `python -m trainers.worker.warm_kernels`."""

from __future__ import annotations

import sys
import time
from typing import Final

from augment.heavy import rich
from augment.kernels import counters, geometry, mixings, operations
from augment.kernels.compile_all import WarmedUp, compile_all, processes_for
from augment.kernels.compiled import WarmUp, warm_ups_of
from augment.kernels.sources import cache_root
from augment.mixing_sets.registry import MIXING_SET_KERNELS
from augment.registry import METHODS
from eval.corruptions.kernels import CORRUPTION_KERNELS
from eval.perturbations.p.registry import PERTURBATIONS

KERNELS: Final[tuple[WarmUp, ...]] = (
    *(call for module in (counters, operations, mixings, geometry) for call in module.WARM_UP),
    *dict.fromkeys(call for method in METHODS.values() for call in method.kernels),
    *MIXING_SET_KERNELS,
    *CORRUPTION_KERNELS,
    *warm_ups_of(each.run for each in PERTURBATIONS.values()),
)
"""All that there are, which a test checks."""


def main() -> None:
    """Compile what is not compiled yet, with its progress on stderr: a bar on a terminal, a line per module elsewhere."""
    started, processes = time.monotonic(), processes_for(len(KERNELS))
    stderr = rich.console.Console(stderr=True)
    bar = rich.progress.Progress(
        "compiling kernels",
        rich.progress.BarColumn(bar_width=20),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
    task = bar.add_task("", total=len(KERNELS))
    num_compiled = num_run = 0

    def report(outcome: WarmedUp) -> None:
        nonlocal num_compiled, num_run
        num_compiled, num_run = num_compiled + outcome.num_compiled, num_run + 1
        bar.advance(task)
        if outcome.num_compiled and not stderr.is_terminal:
            counted = "1 kernel" if outcome.num_compiled == 1 else f"{outcome.num_compiled} kernels"
            where = f"{outcome.module} in {outcome.seconds:.1f} s"
            sys.stderr.write(f"[{num_run}/{len(KERNELS)}] compiled {counted} of {where}\n")
            sys.stderr.flush()

    with bar:
        compile_all(KERNELS, processes=processes, report=report)
    used = f"{num_compiled} compiled in {processes} processes" if processes > 1 else f"{num_compiled} compiled"
    sys.stderr.write(f"kernels are ready in {cache_root()} ({time.monotonic() - started:.1f} s, {used})\n")


if __name__ == "__main__":
    main()

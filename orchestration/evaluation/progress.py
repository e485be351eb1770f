"""What a person sees while one network is evaluated: one bar for all benchmarks together, or lines, with what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from augment.heavy import rich
from eval.benchmarks.contract import BenchmarkRequest
from orchestration.planning.costs.operations import passes_of
from orchestration.planning.costs.units import duration
from trainers.datasets.registry import dataset_for

OnProgress = Callable[[str, int, int], None]
"""Called with the benchmark, its images that are done, and all of them."""

FIRST_LINE_S: Final = 5.0
SECONDS_BETWEEN_LINES: Final = 20.0
_BACKWARD: Final = 2.0
"""Forward passes that take as long as a backward pass."""


def weights_of(requests: Sequence[BenchmarkRequest], dataset: str, data_root: Path) -> dict[str, float]:
    """Return how long each benchmark takes by the cost model, in forward passes of an image; in the order in which they run."""
    spec = dataset_for(dataset)
    passes = {request.name: passes_of(request, spec, data_root) for request in requests}
    return {name: each.forward + _BACKWARD * each.backward for name, each in passes.items()}


class TotalProgress:
    """How far all benchmarks are together.

    Args:
        weights: Benchmark -> how long it takes, in any unit.
    """

    def __init__(self, weights: dict[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._weights = {name: max(weight, 1.0) for name, weight in weights.items()}
        self._order = list(weights)
        self._clock = clock
        self._began = clock()

    def share(self, benchmark: str, done: int, total: int) -> float:
        """Return the share of everything that is done, in [0, 1]: benchmarks run one after the other."""
        before = self._order[: self._order.index(benchmark)]
        within = self._weights[benchmark] * min(1.0, done / max(1, total))
        return (sum(self._weights[name] for name in before) + within) / sum(self._weights.values())

    def left(self, share: float) -> str:
        """Return "about 40 s left"."""
        if share <= 0.0:
            return "estimating ..."
        return f"about {duration((self._clock() - self._began) * (1.0 - share) / share)} left"


@contextmanager
def shown_progress(
    weights: dict[str, float], stream: IO[str], clock: Callable[[], float] = time.monotonic
) -> Iterator[OnProgress]:
    """Lend what shows the progress: a bar where the stream is a terminal, else a line now and then."""
    total = TotalProgress(weights, clock)
    if not stream.isatty():
        yield _lines(total, stream, clock)
        return
    columns = (
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TextColumn("{task.fields[left]}", markup=False),
    )
    with rich.progress.Progress(*columns, console=rich.console.Console(file=stream), transient=True) as bars:
        task = bars.add_task("starting", total=1.0, left="estimating ...")

        def show(benchmark: str, done: int, of: int) -> None:
            share = total.share(benchmark, done, of)
            text = f"{100 * share:.0f} %, {total.left(share)}"
            bars.update(task, completed=share, description=benchmark, left=text)

        yield show


def _lines(total: TotalProgress, stream: IO[str], clock: Callable[[], float]) -> OnProgress:
    due = clock() + FIRST_LINE_S

    def tell(benchmark: str, done: int, of: int) -> None:
        nonlocal due
        if clock() >= due:
            due = clock() + SECONDS_BETWEEN_LINES
            share = total.share(benchmark, done, of)
            stream.write(f"{100 * share:.0f} % done, {total.left(share)}; {benchmark}\n")
            stream.flush()

    return tell

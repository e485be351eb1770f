"""What a cell costs beside its work: seconds per no-op cell, against plain Tune + TorchTrainer + MLflowLoggerCallback.

Both sides run in the same process on the same private Ray, in turn. Ours is the whole product: leases, warm groups, the real
`run_job` with the recipe `noop` (a checkpoint of the initial weights is written and hashed), the results store and the
MLflow tracker. The peer is a Tune function per cell that fits a TorchTrainer which reports once. Steady state is the median
time from one finished cell to the next; the other case divides the whole run, start-up included, by its cells.

With `--short` 60 cells that only sleep for 0.2 s run on four warm groups as well: cells that end sooner than a process starts.
"""

from __future__ import annotations

import contextlib
import hashlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness import Case, Measurement, Report, parser, show

if TYPE_CHECKING:
    from orchestration.cells.cell import Plan, PlannedCell
    from orchestration.engine.groups.group import GroupPool
    from orchestration.engine.observer import RunObserver
    from orchestration.engine.options import RunOptions
    from orchestration.tracking.driver.tracker import Tracker
    from trainers.job import JobPaths

STEADY_TARGET: Final = 50.0
WHOLE_TARGET: Final = 20.0
PEER_CELLS: Final = 3
FIFTHS: Final = 5
SHORT_CELLS: Final = 60
SHORT_GROUPS: Final = 4
SHORT_S: Final = 0.2
SHORT_ROUNDS: Final = 3
SHORT_REFERENCE_S: Final = 11.0
"""What they took where every cell was a trial and the processes of trials were kept, by a change of Ray Tune's loop."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One run of our engine.

    Attributes:
        cells: Cells that it completed.
        whole_s: Seconds from call to return.
        intervals_s: Seconds from one finished cell to the next, in order.
    """

    cells: int
    whole_s: float
    intervals_s: tuple[float, ...]

    def fifths_s(self) -> tuple[float, ...]:
        """Return the median interval of each fifth of the run."""
        size = max(1, len(self.intervals_s) // FIFTHS)
        return tuple(
            statistics.median(self.intervals_s[start : start + size])
            for start in range(0, size * FIFTHS, size)
            if self.intervals_s[start : start + size]
        )


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; see the module."""
    reader = parser(
        "sweep_overhead", "Seconds per no-op cell against plain Tune + TorchTrainer + MLflowLoggerCallback."
    )
    reader.add_argument("--cells", type=int, default=None, help="no-op cells of our side (100; 20 with --quick)")
    reader.add_argument("--peer-cells", type=int, default=None, help="cells of the peer, twice (3; 1 with --quick)")
    reader.add_argument("--workers", type=int, default=2, help="workers of each cell")
    reader.add_argument("--short", action="store_true", help="also run short cells on four warm groups")
    options = reader.parse_args(arguments)
    num_cells = options.cells or (20 if options.quick else 100)
    num_peer = options.peer_cells or (1 if options.quick else PEER_CELLS)
    from clusters.connect import connect

    num_cpus = max(options.workers, SHORT_GROUPS if options.short else 0)
    with tempfile.TemporaryDirectory(prefix="dg-overhead-") as folder, connect(num_cpus=num_cpus):
        root = Path(folder)
        short_s = run_short(root / "short") if options.short else ()
        peer = run_peer(num_peer, options.workers, root / "peer-before")
        ours = run_ours(num_cells, options.workers, root)
        peer += run_peer(num_peer, options.workers, root / "peer-after")
    show(report(ours, peer, options.workers, short_s), as_json=options.json)


def report(ours: Timing, peer: list[float], workers: int, short_s: tuple[float, ...]) -> Report:
    """Return all cases with what is worth knowing beside them."""
    steady = ours.intervals_s[len(ours.intervals_s) // 10 :]
    whole = ours.whole_s / ours.cells
    return Report(
        benchmark="sweep_overhead",
        measurements=[
            _measurement(f"steady state, {workers} workers", steady, peer, STEADY_TARGET),
            _measurement(f"{ours.cells} cells with start-up, {workers} workers", (whole,), peer, WHOLE_TARGET),
            *([_short_measurement(short_s)] if short_s else []),
        ],
        notes=(
            f"ours: {ours.cells} cells in {ours.whole_s:.1f} s",
            "median seconds from cell to cell, by fifth of the run: "
            + ", ".join(f"{value:.3f}" for value in ours.fifths_s()),
            f"peer: {len(peer)} cells, {', '.join(f'{value:.1f}' for value in peer)} s each",
        ),
    )


def run_ours(num_cells: int, workers: int, folder: Path) -> Timing:
    """Run no-op cells through the engine as `dreamgrid run` does, and time them."""
    from orchestration.engine.options import RunOptions
    from orchestration.store.open import open_store
    from orchestration.tracking.driver.tracker import open_tracker

    store = open_store(str(folder / "storage"))
    tracker = open_tracker(f"sqlite:///{folder / 'mlflow.db'}", store, log=folder / "mlflow.log")
    options = RunOptions(paths=_paths(folder), workers=workers, log_file=str(folder / "ray.log"))
    timing = _timed(num_cells, store, options, _observer_of(tracker))
    tracker.close()
    return timing


def run_short(folder: Path) -> tuple[float, ...]:
    """Run short cells on warm groups, several times; return the seconds of each from the first to the last end.

    The first time is left out: the groups start meanwhile.
    """
    from orchestration.engine.groups.group import GroupPool
    from orchestration.engine.options import RunOptions
    from orchestration.store.open import open_store

    found = []
    with GroupPool() as pool:
        for number in range(1 + SHORT_ROUNDS):
            store = open_store(str(folder / str(number)))
            options = RunOptions(
                paths=_paths(folder), job="benchmarks.sweep_overhead:short_job", log_file=str(folder / "ray.log")
            )
            found.append(sum(_timed(SHORT_CELLS, store, options, pool=pool).intervals_s))
    return tuple(found[1:])


def short_job(request: Any, *, group: Any, sink: Any) -> Any:
    """Stand in for a cell that ends sooner than a process starts."""
    return slept(request, group, sink, SHORT_S)


def slept(request: Any, group: Any, sink: Any, seconds: float) -> Any:
    """Stand in for a training: sleep, then say that it is over."""
    from trainers.job import JobResult, TrainSummary

    time.sleep(seconds)
    summary = TrainSummary(
        checkpoint_sha256=request.train_key,
        checkpoint_uri="none",
        epochs=(),
        resumed_from_step=None,
        wall_s=seconds,
        device_s=seconds,
        environment={},
    )
    if group.rank == 0:
        sink.trained(request.train_key, summary)
    return JobResult(train_key=request.train_key, training=summary)


def _observer_of(tracker: Tracker) -> RunObserver:
    """Return an observer that passes on what a tracker wants to know, which is not all of a run."""
    from orchestration.engine.observer import ForwardingObserver

    class Passing(ForwardingObserver):
        def forward(self, event: str, *arguments: Any, **named: Any) -> None:
            if hasattr(tracker, event):
                getattr(tracker, event)(*arguments, **named)

    return Passing()


def _paths(folder: Path) -> JobPaths:
    from trainers.job import JobPaths

    return JobPaths(
        checkpoints=str(folder / "storage" / "checkpoints"), data_root=str(folder), cache_dir=str(folder / "cache")
    )


def _timed(
    num_cells: int, store: Any, options: RunOptions, tracker: RunObserver | None = None, pool: GroupPool | None = None
) -> Timing:
    """Run no-op cells and time them.

    Raises:
        SystemExit: If they do not complete.
    """
    from orchestration.engine.observer import Observers
    from orchestration.engine.run import execute

    clock = finish_clock()
    observer = Observers([clock, *([tracker] if tracker is not None else [])])
    started = time.perf_counter()
    outcome = execute(noop_plan(num_cells), store=store, options=options, observer=observer, pool=pool)
    whole_s = time.perf_counter() - started
    if outcome.status != "complete":
        raise SystemExit(f"the no-op cells did not complete: {outcome.failed}")
    intervals = tuple(after - before for before, after in pairwise(clock.ends))
    return Timing(cells=num_cells, whole_s=whole_s, intervals_s=intervals)


def finish_clock() -> Any:
    """Return an observer that remembers in `ends` when each cell was done."""
    from orchestration.engine.observer import RunObserver

    class FinishClock(RunObserver):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def cell_state(self, cell: PlannedCell, state: Any, detail: str = "") -> None:
            if state == "done":
                self.ends.append(time.perf_counter())

    return FinishClock()


def noop_plan(num_cells: int) -> Plan:
    """Return a plan of cells that train for no epoch and are evaluated on nothing, one per seed."""
    from orchestration.cells.cell import Cell, Plan, PlannedCell
    from trainers.config import JobConfig
    from trainers.recipes import RECIPES

    def planned(seed: int) -> PlannedCell:
        cell = Cell(seed=seed, row="noop")
        recipe = RECIPES["noop"].config
        config = JobConfig(
            method="baseline", method_params={}, dataset="digits", model="small-cnn", recipe=recipe, seed=seed
        )
        key = hashlib.sha256(repr(config).encode()).hexdigest()
        return PlannedCell(
            cell=cell, train_key=key, config=config, dataset_identity="", benchmarks=(), missing=(), trained=False
        )

    return Plan(sweep="overhead", cells=tuple(planned(seed) for seed in range(num_cells)))


def run_peer(num_cells: int, workers: int, folder: Path) -> list[float]:
    """Run no-op cells as plain Ray does it, one after the other; return the seconds of each."""
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    logger = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}.db", experiment_name="peer")
    with _silent():
        started = time.perf_counter()
        results = tune.Tuner(
            tune.with_resources(peer_cell, {"node:__internal_head__": 0.001}),
            param_space={"seed": tune.grid_search(list(range(num_cells))), "workers": workers, "folder": str(folder)},
            tune_config=tune.TuneConfig(max_concurrent_trials=1, reuse_actors=True),
            run_config=tune.RunConfig(name="peer", storage_path=str(folder), verbose=0, callbacks=[logger]),
        ).fit()
        whole_s = time.perf_counter() - started
    if results.errors:
        raise SystemExit(f"the peer's cells failed: {results.errors[0]}")
    return [whole_s / num_cells] * num_cells


def peer_cell(config: dict[str, Any]) -> None:
    """One cell of the peer: fit a TorchTrainer and report what it returned."""
    import ray.train
    from ray import tune
    from ray.train.torch import TorchTrainer

    result = TorchTrainer(
        peer_loop,
        train_loop_config={"seed": config["seed"]},
        scaling_config=ray.train.ScalingConfig(num_workers=config["workers"]),
        run_config=ray.train.RunConfig(name=f"cell-{config['seed']}", storage_path=config["folder"]),
    ).fit()
    tune.report({"seed": config["seed"], "value": result.return_value or 0.0})


def peer_loop(config: dict[str, Any]) -> float:
    """The work of the peer's cell: the same network's initial weights, once around the workers, and one report."""
    import ray.train
    import torch
    from ray.train.torch import prepare_model

    torch.manual_seed(config["seed"])
    model = prepare_model(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)))
    value = float(model(torch.zeros(2, 1, 8, 8)).sum())
    ray.train.report({"value": value})
    return value


def _measurement(name: str, ours: tuple[float, ...], peer: list[float], target: float) -> Measurement:
    def never() -> None:
        raise AssertionError("timed by hand")

    case = Case(
        name=name, ours=never, peer=never, peer_name="Tune + TorchTrainer + MLflowLoggerCallback", target=target
    )
    rounds = len(peer)
    middle = statistics.median(ours)
    return Measurement(case=case, ours_s=ours if len(ours) == rounds else (middle,) * rounds, peer_s=tuple(peer))


def _short_measurement(short_s: tuple[float, ...]) -> Measurement:
    def never() -> None:
        raise AssertionError("timed by hand")

    name = f"{SHORT_CELLS} cells of {SHORT_S} s on {SHORT_GROUPS} warm groups"
    # At most a fifth slower.
    case = Case(name=name, ours=never, peer=never, peer_name="a trial for each cell", target=1 / 1.2)
    return Measurement(case=case, ours_s=short_s, peer_s=(SHORT_REFERENCE_S,) * len(short_s))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with tempfile.TemporaryFile("w") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        yield


if __name__ == "__main__":
    # Under its own name, so that workers import the functions instead of unpickling a copy of __main__.
    from benchmarks.sweep_overhead import main as run

    run()

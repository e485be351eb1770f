"""What a cell costs beside its work: seconds per no-op cell, against plain Tune + TorchTrainer + MLflowLoggerCallback.

Both sides run in the same process on the same private Ray, in turn. Ours is the whole product: leases, warm groups, the real
`run_job` with the recipe `noop` (a checkpoint of the initial weights is written and hashed), the results store and the
MLflow tracker. The peer is a Tune function per cell that fits a TorchTrainer which reports once. Steady state is the median
time from one finished cell to the next; the other case divides the whole run, start-up included, by its cells.
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
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.harness import Case, Measurement, Report, parser, show

if TYPE_CHECKING:
    from orchestration.cells.cell import Plan, PlannedCell

STEADY_TARGET: Final = 50.0
WHOLE_TARGET: Final = 20.0
PEER_CELLS: Final = 3
FIFTHS: Final = 5


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
    options = reader.parse_args(arguments)
    num_cells = options.cells or (20 if options.quick else 100)
    num_peer = options.peer_cells or (1 if options.quick else PEER_CELLS)
    from clusters.connect import connect

    with tempfile.TemporaryDirectory(prefix="dg-overhead-") as folder, connect(num_cpus=options.workers):
        root = Path(folder)
        peer = run_peer(num_peer, options.workers, root / "peer-before")
        ours = run_ours(num_cells, options.workers, root)
        peer += run_peer(num_peer, options.workers, root / "peer-after")
    show(report(ours, peer, options.workers), as_json=options.json)


def report(ours: Timing, peer: list[float], workers: int) -> Report:
    """Return both cases with what is worth knowing beside them."""
    steady = ours.intervals_s[len(ours.intervals_s) // 10 :]
    whole = ours.whole_s / ours.cells
    return Report(
        benchmark="sweep_overhead",
        measurements=[
            _measurement(f"steady state, {workers} workers", steady, peer, STEADY_TARGET),
            _measurement(f"{ours.cells} cells with start-up, {workers} workers", (whole,), peer, WHOLE_TARGET),
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
    from orchestration.engine.observer import Observers, RunObserver
    from orchestration.engine.options import RunOptions
    from orchestration.engine.run import execute
    from orchestration.store.open import open_store
    from orchestration.tracking.tracker import open_tracker
    from trainers.job import JobPaths

    store = open_store(str(folder / "storage"))
    clock = finish_clock()
    tracker = open_tracker(f"sqlite:///{folder / 'mlflow.db'}", store, log=folder / "mlflow.log")
    paths = JobPaths(
        checkpoints=str(folder / "storage" / "checkpoints"), data_root=str(folder), cache_dir=str(folder / "cache")
    )
    started = time.perf_counter()
    outcome = execute(
        noop_plan(num_cells),
        store=store,
        options=RunOptions(paths=paths, workers=workers, log_file=str(folder / "ray.log")),
        observer=Observers([clock, cast(RunObserver, tracker)]),
    )
    whole_s = time.perf_counter() - started
    tracker.close()
    if outcome.status != "complete":
        raise SystemExit(f"the no-op cells did not complete: {outcome.failed}")
    ends = clock.ends
    intervals = tuple(after - before for before, after in pairwise(ends))
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


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with tempfile.TemporaryFile("w") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        yield


if __name__ == "__main__":
    # Under its own name, so that workers import the functions instead of unpickling a copy of __main__.
    from benchmarks.sweep_overhead import main as run

    run()

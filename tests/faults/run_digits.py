"""Run a few real digits cells in a process of its own, for tests that kill it; prints what came of it as JSON.

Arguments: storage folder, cells, epochs, CPUs of the private Ray, name of this driver.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from orchestration.cells.cell import Cell, Plan, PlannedCell
from orchestration.engine.observer import RunObserver
from orchestration.engine.options import LeaseTimings, RunOptions
from orchestration.engine.run import execute
from orchestration.store.open import open_store
from trainers.config import JobConfig, RecipeConfig
from trainers.job import JobPaths


def tell(*words: object) -> None:
    """Say a line on stderr at once."""
    sys.stderr.write(" ".join(map(str, words)) + "\n")
    sys.stderr.flush()


class Teller(RunObserver):
    """Says on stderr what happens, line by line."""

    def cell_state(self, cell, state, detail=""):
        tell(state, cell.train_key, detail)

    def epoch_ended(self, cell, row):
        tell("epoch", cell.train_key, row.epoch)

    def message(self, text):
        tell("message", text)


def planned(seed: int, epochs: int, store) -> PlannedCell:
    """Return a small real cell as a planner would, with what is recorded of it."""
    recipe = RecipeConfig(epochs=epochs, batch_size=64, batch_shards=1, lr=0.05, crop_padding=2, flip=False)
    config = JobConfig(
        method="baseline", method_params={}, dataset="digits", model="small-cnn", recipe=recipe, seed=seed
    )
    key = hashlib.sha256(repr(config).encode()).hexdigest()
    return PlannedCell(
        cell=Cell(seed=seed),
        train_key=key,
        config=config,
        dataset_identity="",
        benchmarks=(),
        missing=(),
        trained=store.result(key) is not None,
    )


def main() -> None:
    """Run the cells that are missing."""
    folder, num_cells, epochs, cpus = Path(sys.argv[1]), *(int(text) for text in sys.argv[2:5])
    store = open_store(str(folder / "storage"))
    paths = JobPaths(checkpoints=str(folder / "checkpoints"), data_root=str(folder), cache_dir=str(folder / "cache"))
    outcome = execute(
        Plan(sweep="digits", cells=tuple(planned(seed, epochs, store) for seed in range(num_cells))),
        store=store,
        options=RunOptions(
            paths=paths,
            num_cpus=cpus,
            leases=LeaseTimings(heartbeat_s=1.0, poll_s=0.5),
            log_file=str(folder / f"ray-{sys.argv[5]}.log"),
        ),
        observer=Teller(),
    )
    sys.stdout.write(json.dumps({"status": outcome.status, "computed": outcome.computed, "done": outcome.done}))


if __name__ == "__main__":
    main()

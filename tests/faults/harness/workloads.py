"""The sweeps that faults are injected into: cells of a kind each, long enough to be hit in the middle where it matters."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

_TEXT: Final = """
name: {name}
title: Cells that faults are injected into
base:
  dataset: digits
  model: small-cnn
  recipe: {recipe}
  train: {{{train}}}
axes:
  cells: [{rows}]
seeds: {seeds}
workers: {workers}
table: {{columns: [{columns}]}}
"""
PLUGIN: Final = Path(__file__).parents[1] / "plugin"
"""Where `paced` is installed."""
_LONG: Final = "epochs: 8, train_images: 384, batch_size: 64, lr: 0.05"
_PACED: Final = "{row: Paced, method: paced}"
_DIVERGES: Final = "{row: Diverges, method: paced, train: {lr: 1.0e+9}}"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A sweep and how it is run.

    Attributes:
        train: Settings of the recipe, as YAML.
        rows: Rows of the sweep, as YAML.
        options: What `run` is given next to places.
        is_adopted: Whether the cells take given weights, so that they are only evaluated.
        num_failing: How many cells fail by themselves.
    """

    name: str
    recipe: str = "digits"
    train: str = _LONG
    rows: tuple[str, ...] = (_PACED,)
    seeds: tuple[int, ...] = (0, 1)
    workers: int = 1
    columns: tuple[str, ...] = ("clean/error", "paced/error")
    options: tuple[str, ...] = ()
    is_adopted: bool = False
    num_failing: int = 0

    @property
    def num_cells(self) -> int:
        """How many cells it wants."""
        return len(self.rows) * len(self.seeds)

    def of_seeds(self, *seeds: int) -> Workload:
        """Return the same with other seeds: cells of a seed that both have are shared."""
        return replace(self, seeds=seeds, name=f"{self.name}-{'-'.join(map(str, seeds))}")

    def write(self, folder: Path) -> Path:
        """Write the sweep file into a folder and return its path."""
        path = folder / f"{self.name}.yaml"
        fields = {
            "name": self.name,
            "recipe": self.recipe,
            "train": self.train,
            "rows": ", ".join(self.rows),
            "seeds": list(self.seeds),
            "workers": self.workers,
            "columns": ", ".join(self.columns),
        }
        path.write_text(_TEXT.format(**fields))
        return path


SINGLE: Final = Workload(name="single")
MULTI: Final = Workload(name="multi", workers=2)
ELASTIC: Final = Workload(name="elastic", workers=2, options=("--min-workers", "1"))
ADOPTED: Final = Workload(name="adopted", is_adopted=True)
PLAIN: Final = Workload(name="plain", options=("--engine", "plain"))
DIVERGING: Final = Workload(name="diverging", rows=(_PACED, _DIVERGES), seeds=(0,), num_failing=1)
WORKLOADS: Final[tuple[Workload, ...]] = (SINGLE, MULTI, ELASTIC, ADOPTED, PLAIN)
"""Those whose cells all complete; any fault may hit any of them."""


def use_plugin() -> None:
    """Let this process know the method and the benchmark of the workloads."""
    if str(PLUGIN) not in sys.path:
        sys.path.append(str(PLUGIN))


def no_ops(num_cells: int, groups: int) -> Workload:
    """Return a sweep of cells without training, run on so many groups of workers at once on a machine of two CPUs."""
    return Workload(
        name="noop",
        recipe="noop",
        rows=("{row: Baseline, method: baseline}",),
        train="epochs: 0",
        seeds=tuple(range(num_cells)),
        columns=("clean/error",),
        options=("--cpus-per-worker", f"{2 / groups:g}"),
    )

"""Whether the cells of a sweep can run on the number of workers that was asked for; all mistakes at once, while planning."""

from __future__ import annotations

from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import Mistake
from orchestration.sweeps.model import Sweep
from orchestration.sweeps.yaml_reader import Path, mistake_in
from trainers.config import RecipeConfig

SHOWN_ROWS = 4


def worker_mistakes(resolved: ResolvedSweep) -> list[Mistake]:
    """Return a mistake for each kind of recipe in a sweep that the asked number of workers cannot share out."""
    place, workers = _asked(resolved.sweep)
    if workers < 2:
        return []
    rows: dict[str, dict[str, None]] = {}
    for each in resolved.points:
        for cell in (*each.cell.ancestors, each.cell):
            if cell.cell.imported is None and cell.config.recipe.batch_shards % workers:
                rows.setdefault(_fault(cell.config.recipe, workers), {})[each.row] = None
    return [
        mistake_in(resolved.sweep.document, place, f"{_shown(list(labels))}: {text}") for text, labels in rows.items()
    ]


def _asked(sweep: Sweep) -> tuple[Path, int]:
    """Return the number of workers of a cell, 1 where the schedule chooses, and where it was asked for."""
    if sweep.asked_workers is not None:
        return (f"--workers {sweep.asked_workers}",), 1 if sweep.asked_workers == "auto" else sweep.asked_workers
    value = sweep.document.value
    sizes = value.get("sizes") if isinstance(value, dict) else None
    edition = sizes.get(sweep.size) if isinstance(sizes, dict) else None
    is_of_size = isinstance(edition, dict) and "workers" in edition
    return ("sizes", sweep.size, "workers") if is_of_size else ("workers",), sweep.workers


def _fault(recipe: RecipeConfig, workers: int) -> str:
    shards = recipe.batch_shards
    fixes = [f"{' or '.join(map(str, _nearest(shards, workers)))} would do"]
    if workers * recipe.grad_accumulation <= recipe.batch_size:
        fixes.insert(
            0, f"train.batch_shards={workers} makes it possible and changes the cells, which are then trained again"
        )
    return f"the number of workers must divide batch_shards, which is {shards}, but got {workers}; {'; '.join(fixes)}"


def _nearest(shards: int, workers: int) -> list[int]:
    """Return the possible numbers of workers next to one that is not: the next smaller one and the next larger one."""
    divisors = [count for count in range(1, shards + 1) if shards % count == 0]
    below = [count for count in divisors if count < workers]
    above = [count for count in divisors if count > workers]
    return [*below[-1:], *above[:1]]


def _shown(rows: list[str]) -> str:
    more = len(rows) - SHOWN_ROWS
    return (
        f"{'row' if len(rows) == 1 else 'rows'} {', '.join(rows[:SHOWN_ROWS])}{f' and {more} more' if more > 0 else ''}"
    )

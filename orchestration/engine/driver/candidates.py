"""From planned cells to what the schedule and the workers need: sizes, estimates, requests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from clusters.placement import GroupShape
from orchestration.cells.cell import PlannedCell
from orchestration.engine.options import RunOptions
from orchestration.engine.resources import Resources
from orchestration.engine.schedule_state import Candidate
from orchestration.planning.workers import possible_workers
from orchestration.store.contract import CellResult
from trainers.job import JobRequest

UNKNOWN_S: Final = 1.0
"""Seconds of cells where none has an estimate: they start in the order of the sweep."""


def candidates_of(cells: Sequence[PlannedCell], options: RunOptions, resources: Resources) -> list[Candidate]:
    """Return the cells as the schedule sees them; seconds include the longest chain of cells that wait for each.

    A cell without an estimate is taken for the longest, so that it starts early.
    """
    longest = max(options.estimates_s.values(), default=UNKNOWN_S)
    own = {cell.train_key: options.estimates_s.get(cell.train_key, longest) for cell in cells}
    chain = dict(own)
    for cell in reversed(cells):
        for parent in chain.keys() & set(cell.parents):
            chain[parent] = max(chain[parent], own[parent] + chain[cell.train_key])
    return [
        Candidate(
            key=cell.train_key,
            order=order,
            seconds=chain[cell.train_key],
            chain_s=chain[cell.train_key] - own[cell.train_key],
            shapes=shapes_of(cell, options, resources),
            widens=options.workers_on(resources) == "auto",
            priority=options.priorities.get(cell.train_key, 0),
            parents=frozenset(own.keys() & set(cell.parents)),
            evaluation_only=cell.trained,
        )
        for order, cell in enumerate(cells)
    ]


def shapes_of(cell: PlannedCell, options: RunOptions, resources: Resources) -> tuple[GroupShape, ...]:
    """Return the group sizes that a cell may run on, preferred first; the narrowest first where the schedule chooses.

    Their number must divide the batch shards of the recipe. Evaluation alone also runs on one worker wherever one is free;
    elastic training on as few as `min_workers`: shards make its arithmetic the same.
    """
    workers = options.workers_on(resources)
    # Two workers of one cell cannot share a GPU.
    most = 1 if 0 < resources.gpus_per_worker < 1 else resources.workers
    counts = possible_workers(cell.config.recipe, workers, most=most)
    if workers == "auto":
        wanted = [count for count in counts if count >= (options.min_workers or 1)] or counts[-1:]
        return tuple(map(resources.shape, wanted))
    counts = counts[::-1]
    least = 1 if cell.trained else options.min_workers or counts[0]
    wanted = [count for count in counts if count >= least] or counts[:1]
    if cell.trained and options.min_workers is None:
        wanted = list(dict.fromkeys((wanted[0], wanted[-1])))
    return tuple(map(resources.shape, wanted))


def exclusive_shapes(shapes: Sequence[GroupShape]) -> tuple[GroupShape, ...]:
    """Return the same sizes with whole GPUs for each worker."""
    return tuple(replace(shape, gpus_per_worker=float(math.ceil(shape.gpus_per_worker))) for shape in shapes)


def is_exclusive(shape: GroupShape) -> bool:
    """Return whether a group's workers have their GPUs, if any, for themselves."""
    return shape.gpus_per_worker == math.ceil(shape.gpus_per_worker)


def request_of(
    cell: PlannedCell,
    options: RunOptions,
    shape: GroupShape,
    recorded: CellResult | None,
    eras: Mapping[str, int],
) -> JobRequest:
    """Return what a worker is asked for: the training, and the wanted benchmarks that are not among the recorded ones.

    Args:
        shape: The group that it runs on.
        recorded: What is recorded of it now, or None.
        eras: Train key -> how often it was invalidated, of the cell and of those whose checkpoints it reads.
    """
    reports = recorded.reports if recorded is not None else {}
    return JobRequest(
        train_key=cell.train_key,
        config=cell.config,
        benchmarks=tuple(request for request in cell.missing if request.key not in reports),
        paths=options.paths,
        dataset_identity=cell.dataset_identity,
        checkpoint_every_s=options.checkpoint_every_s,
        threads=max(1, int(shape.cpus_per_worker)),
        sources=cell.sources,
        eras=eras,
        recorded_weights=recorded.training.summary.weights if recorded is not None else frozenset(),
        recorded_benchmarks=tuple(request for request in cell.benchmarks if request.key in reports),
        files=cell.files,
    )

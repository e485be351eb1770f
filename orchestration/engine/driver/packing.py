"""Several cells on one GPU: how much memory cells of a kind were measured to need, and what share of a GPU that makes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from clusters.placement import GroupShape
from orchestration.cells.cell import PlannedCell
from orchestration.engine.driver.candidates import exclusive_shapes
from trainers.worker.gpu_share import CONTEXT_MIB

HEADROOM: Final = 1.1
"""Factor on the measured peak: a neighbour changes what the allocator can reuse."""

MAX_CELLS: Final = 4
"""Most cells on one GPU: beyond it they share the same arithmetic units, and only the waiting grows."""

Kind = tuple[object, ...]


def kind_of(cell: PlannedCell) -> Kind:
    """Return what decides how much memory a cell needs: everything but seed, epochs and learning rate."""
    config, recipe = cell.config, cell.config.recipe
    return (
        config.method,
        config.dataset,
        config.model,
        tuple(sorted((name, str(value)) for name, value in config.model_params.items())),
        recipe.batch_size,
        recipe.batch_shards,
        recipe.grad_accumulation,
        recipe.precision,
        recipe.deterministic,
        recipe.channels_last,
        recipe.ema_decay is not None,
        config.outliers,
    )


def cells_per_gpu(memory_mib: float, gpu_memory_mib: float) -> int:
    """Return how many cells that reserve `memory_mib` at most fit on a GPU, 1 to `MAX_CELLS`."""
    need = memory_mib * HEADROOM + CONTEXT_MIB
    return max(1, min(MAX_CELLS, math.floor(gpu_memory_mib / need)))


class MeasuredMemory:
    """What memory the kinds of cells of a sweep were measured to need, and which of them do not share."""

    def __init__(self) -> None:
        self.gpu_memory_mib = 0.0
        self._peaks: dict[Kind, float] = {}
        self._solitary: set[Kind] = set()

    def note(self, cell: PlannedCell, memory_mib: float) -> bool:
        """Note the most memory that a whole job reserved, evaluation included; return whether it is the first of its kind."""
        kind = kind_of(cell)
        is_first = kind not in self._peaks
        self._peaks[kind] = max(memory_mib, self._peaks.get(kind, 0.0))
        return is_first

    def keep_apart(self, cell: PlannedCell) -> None:
        """Note that a cell ran out of memory on a shared GPU: its kind gets whole ones from now on."""
        self._solitary.add(kind_of(cell))

    def shapes(self, cell: PlannedCell, shapes: tuple[GroupShape, ...]) -> tuple[GroupShape, ...]:
        """Return the sizes a cell may run on: a share of a GPU where its kind is known to fit, else what was asked for.

        Whole GPUs where its kind did not fit together.
        """
        kind = kind_of(cell)
        shape = shapes[0]
        # First: the peak of a kind that ran out of memory together would let it share again.
        if kind in self._solitary:
            return exclusive_shapes(shapes)
        if shape.num_workers > 1 or shape.gpus_per_worker != 1.0 or kind not in self._peaks:
            return shapes
        count = cells_per_gpu(self._peaks[kind], self.gpu_memory_mib)
        if count == 1:
            return shapes
        # Rounded down to Ray's resolution: three times 0.3333 is within one GPU, three times 0.3334 is not.
        share = math.floor(10_000 / count) / 10_000
        # With its part of the CPUs, or the others on the GPU would have none.
        cpus = max(min(1.0, shape.cpus_per_worker), float(math.floor(shape.cpus_per_worker / count)))
        return (replace(shape, gpus_per_worker=share, cpus_per_worker=cpus),)

"""What one evaluation of a checkpoint shares between its benchmarks: predictions made once, a count, a progress report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.predictions import Predictions


def _no_progress(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """State of one evaluation; the suite makes a new one each time, so that nothing outlives the checkpoint it belongs to.

    Attributes:
        clean: Predictions on the test images, by how many of them are used, once a benchmark has needed them.
        forward_passes: Images put through the network so far, over all workers.
        on_images: Called with the images of the running benchmark that this worker has seen and those it will see.
    """

    clean: dict[int, Predictions] = field(default_factory=dict)
    forward_passes: int = 0
    on_images: Callable[[int, int], None] = field(default=_no_progress)

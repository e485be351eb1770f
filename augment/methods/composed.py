"""Several treatments as one: the stages of its parts, in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.heavy import Tensor, nn
from augment.kernels.counters import SampleKeys, StepKeys
from augment.treatment import LossOutput, Stage, Treatment


class Composed(Treatment):
    """Applies its parts one after the other; at most one of them defines the loss, and at most one the extra stream.

    Which parts go together is decided in `augment.compound`, while planning.
    """

    def __init__(self, parts: Sequence[tuple[str, Treatment, frozenset[Stage]]]) -> None:
        self._parts = {name: part for name, part, _ in parts}
        self._sampling = [part for _, part, stages in parts if "sample" in stages]
        self._batching = [part for _, part, stages in parts if "batch" in stages]
        self._losing = next((part for _, part, stages in parts if "loss" in stages), Treatment())
        self._extra = next((part for _, part, stages in parts if "extra" in stages), Treatment())
        self.num_views = max(part.num_views for part in self._parts.values())
        self.stored_copy = next((part.stored_copy for part in self._parts.values() if part.stored_copy), None)
        self.num_extra_per_sample = self._extra.num_extra_per_sample

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Apply the sample stages in order."""
        current: Any = images
        for part in self._sampling:
            current = part.sample(current, keys)
        result: NDArray[np.uint8] | NDArray[np.float32] = current
        return result

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Apply the batch stages in order."""
        for part in self._batching:
            images, targets = part.batch(model, images, targets, keys)
        return images, targets

    def loss(
        self, model: nn.Module, images: Tensor, targets: Tensor, extra: Tensor | None, keys: StepKeys
    ) -> LossOutput:
        """Compute the loss of the part that defines one, else cross-entropy."""
        return self._losing.loss(model, images, targets, extra, keys)

    def extra(self, keys: SampleKeys) -> NDArray[np.uint8] | None:
        """Return the extra stream of the part that has one."""
        return self._extra.extra(keys)

    def start_epoch(self, model: nn.Module, epoch: int) -> None:
        """Prepare every part for an epoch."""
        for part in self._parts.values():
            part.start_epoch(model, epoch)

    def state_dict(self) -> Mapping[str, Any]:
        """Return the states of the parts by method name."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the states of the parts."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])

"""RandAugment: some of 14 operations, one after the other, at one magnitude.

Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space" (NeurIPS 2020), as in torchvision:
N of 14 operations at one magnitude of 31, affine maps nearest, fill 0.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from augment.kernels.counters import SampleKeys, uniforms
from augment.lookup.parameters import AtMost
from augment.method import Method, require, require_at_least
from augment.methods.policies import programs
from augment.methods.policies.kernel import WARM_UP
from augment.methods.policies.programs import Magnitudes, Policy, Programs
from augment.treatment import TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class RandAugmentConfig:
    """Hyper-parameters of RandAugment.

    Attributes:
        num_operations: Operations applied to each image, one after the other (N).
        magnitude: Index of the magnitude (M), below `num_bins`.
        num_bins: Number of magnitudes.
        fill: Value outside the image under affine maps, 0..255.
    """

    num_operations: Annotated[int, AtMost(64)] = 2
    magnitude: int = 9
    num_bins: Annotated[int, AtMost(1_024)] = 31
    fill: int = 0

    def __post_init__(self) -> None:
        require_at_least(self, num_operations=1, num_bins=2)
        rule = f"magnitude must be between 0 and {self.num_bins - 1}"
        require(0 <= self.magnitude < self.num_bins, rule, self.magnitude)
        require(0 <= self.fill <= 255, "fill must be between 0 and 255", self.fill)


@functools.cache
def randaugment_magnitudes(height: int, width: int, bins: int) -> Magnitudes:
    """Return RandAugment's magnitudes for images of one size."""
    return programs.magnitudes(
        shear=np.linspace(0.0, 0.3, bins),
        shift=(
            np.trunc(np.linspace(0.0, 150.0 / 331.0 * width, bins)),
            np.trunc(np.linspace(0.0, 150.0 / 331.0 * height, bins)),
        ),
        rotate=np.linspace(0.0, 30.0, bins),
        posterize=8 - np.round(np.arange(bins) / ((bins - 1) / 4)),
        solarize=np.linspace(255.0, 0.0, bins),
        enhancement=np.linspace(0.0, 0.9, bins),
    )


class RandAugment(Policy):
    """RandAugment as a sample stage."""

    def __init__(self, config: RandAugmentConfig, context: TreatmentContext) -> None:
        super().__init__(config.fill)
        self._config = config

    def draw(self, keys: SampleKeys, *, height: int, width: int) -> Programs:
        """Draw the operations of each sample and their signs."""
        config, steps = self._config, []
        values = randaugment_magnitudes(height, width, config.num_bins)
        for row, draws in enumerate(uniforms(keys, 2 * config.num_operations, stream="randaugment").tolist()):
            for step in range(config.num_operations):
                name = programs.RANDOM_SPACE[int(draws[2 * step] * len(programs.RANDOM_SPACE))]
                steps.append(
                    (row, step, name, programs.signed_magnitude(values, name, config.magnitude, draws[2 * step + 1]))
                )
        return programs.programs_of(steps, shape=(len(keys), config.num_operations), height=height, width=width)


METHOD: Final = Method(
    name="randaugment",
    title="RandAugment",
    semantics=1,
    config=RandAugmentConfig,
    stages=frozenset({"sample"}),
    build=RandAugment,
    kernels=WARM_UP,
    what="Apply two of 14 operations at one magnitude.",
    source="Cubuk et al., RandAugment (NeurIPS 2020); torchvision",
)

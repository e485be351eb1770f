"""TrivialAugment: one of 14 operations, at any magnitude of a wide range.

Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation" (ICCV 2021), as in torchvision (the wide
space): 31 magnitudes, affine maps nearest, fill 0.
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
class TrivialAugmentConfig:
    """Hyper-parameters of TrivialAugment, the wide space.

    Attributes:
        num_bins: Number of magnitudes.
        fill: Value outside the image under affine maps, 0..255.
    """

    num_bins: Annotated[int, AtMost(1_024)] = 31
    fill: int = 0

    def __post_init__(self) -> None:
        require_at_least(self, num_bins=2)
        require(0 <= self.fill <= 255, "fill must be between 0 and 255", self.fill)


@functools.cache
def trivialaugment_magnitudes(bins: int) -> Magnitudes:
    """Return TrivialAugment's wide magnitudes; shifts are in pixels, whatever the size."""
    shift = np.trunc(np.linspace(0.0, 32.0, bins))
    return programs.magnitudes(
        shear=np.linspace(0.0, 0.99, bins),
        shift=(shift, shift),
        rotate=np.linspace(0.0, 135.0, bins),
        posterize=8 - np.round(np.arange(bins) / ((bins - 1) / 6)),
        solarize=np.linspace(255.0, 0.0, bins),
        enhancement=np.linspace(0.0, 0.99, bins),
    )


class TrivialAugment(Policy):
    """TrivialAugment as a sample stage."""

    def __init__(self, config: TrivialAugmentConfig, context: TreatmentContext) -> None:
        super().__init__(config.fill)
        self._num_bins = config.num_bins

    def draw(self, keys: SampleKeys, *, height: int, width: int) -> Programs:
        """Draw the one operation of each sample, its magnitude and its sign."""
        values, steps = trivialaugment_magnitudes(self._num_bins), []
        for row, (which, magnitude, sign) in enumerate(uniforms(keys, 3, stream="trivialaugment").tolist()):
            name = programs.RANDOM_SPACE[int(which * len(programs.RANDOM_SPACE))]
            steps.append((row, 0, name, programs.signed_magnitude(values, name, int(magnitude * self._num_bins), sign)))
        return programs.programs_of(steps, shape=(len(keys), 1), height=height, width=width)


METHOD: Final = Method(
    name="trivialaugment",
    title="TrivialAugment",
    semantics=1,
    config=TrivialAugmentConfig,
    stages=frozenset({"sample"}),
    build=TrivialAugment,
    kernels=WARM_UP,
    what="Apply one of 14 operations at a random magnitude of a wide range.",
    source="Müller and Hutter, TrivialAugment (ICCV 2021); torchvision",
)

"""AutoAugment: one of 25 learned sub-policies of two steps, each with its probability.

Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data" (CVPR 2019), as in DeepVoltaire/AutoAugment: magnitudes on
ten linear steps; shears bicubic, rotations and translations nearest, fill 128. The tables are those of the paper's appendix; the
same entries are in DeepVoltaire/AutoAugment and in torchvision.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from augment.kernels.counters import SampleKeys, uniforms
from augment.method import Method, require
from augment.methods.policies import programs
from augment.methods.policies.kernel import WARM_UP
from augment.methods.policies.programs import Magnitudes, Policy, Programs
from augment.treatment import TreatmentContext

Step = tuple[str, float, int]
SubPolicy = tuple[Step, Step]
"""Two steps of (operation, probability, magnitude index)."""

CIFAR10: Final[tuple[SubPolicy, ...]] = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)

IMAGENET: Final[tuple[SubPolicy, ...]] = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 4), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 7)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 2)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 8), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("color", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 2)),
    (("equalize", 0.0, 7), ("equalize", 0.8, 8)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("color", 1.0, 2)),
    (("color", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 8)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 9)),
    (("color", 0.4, 0), ("equalize", 0.6, 3)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
)

POLICIES: Final = {"cifar10": CIFAR10, "imagenet": IMAGENET}


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoAugmentConfig:
    """Hyper-parameters of AutoAugment.

    Attributes:
        policy: "cifar10" or "imagenet"; CIFAR-100 uses the former.
        fill: Value outside the image under affine maps, 0..255.
    """

    policy: Literal["cifar10", "imagenet"] = "cifar10"
    fill: int = 128

    def __post_init__(self) -> None:
        require(self.policy in ("cifar10", "imagenet"), "policy must be 'cifar10' or 'imagenet'", self.policy)
        require(0 <= self.fill <= 255, "fill must be between 0 and 255", self.fill)


@functools.cache
def autoaugment_magnitudes(height: int, width: int) -> Magnitudes:
    """Return AutoAugment's ten magnitudes for images of one size."""
    shift = np.linspace(0.0, 150 / 331, 10)
    return programs.magnitudes(
        shear=np.linspace(0.0, 0.3, 10),
        shift=(shift * width, shift * height),
        rotate=np.linspace(0.0, 30.0, 10),
        posterize=np.round(np.linspace(8.0, 4.0, 10)),
        solarize=np.linspace(256.0, 0.0, 10),
        enhancement=np.linspace(0.0, 0.9, 10),
    )


class AutoAugment(Policy):
    """AutoAugment as a sample stage."""

    def __init__(self, config: AutoAugmentConfig, context: TreatmentContext) -> None:
        super().__init__(config.fill)
        self._policy = POLICIES[config.policy]

    def draw(self, keys: SampleKeys, *, height: int, width: int) -> Programs:
        """Draw a sub-policy for each sample, whether each of its steps runs, and signs."""
        policy, values = self._policy, autoaugment_magnitudes(height, width)
        steps = [
            (row, step, name, programs.signed_magnitude(values, name, index, rest[2 * step + 1]))
            for row, (which, *rest) in enumerate(uniforms(keys, 1 + 2 * 2, stream="autoaugment").tolist())
            for step, (name, probability, index) in enumerate(policy[int(which * len(policy))])
            if rest[2 * step] < probability
        ]
        return programs.programs_of(steps, shape=(len(keys), 2), height=height, width=width, bicubic_shears=True)


METHOD: Final = Method(
    name="autoaugment",
    title="AutoAugment",
    semantics=1,
    config=AutoAugmentConfig,
    stages=frozenset({"sample"}),
    build=AutoAugment,
    kernels=WARM_UP,
    defaults={name: {"policy": "imagenet"} for name in ("imagenet", "tiny-imagenet", "places365")},
    what="Apply one of 25 learned sub-policies of two operations.",
    source="Cubuk et al., AutoAugment (CVPR 2019); DeepVoltaire/AutoAugment",
    unstated="whether AutoAugment comes with Cutout (without here)",
    note="No Cutout after it: write 'autoaugment+cutout' for the variant with one.",
)

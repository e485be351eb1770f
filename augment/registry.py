"""The methods: every training-time treatment by name.

A new method is a file in `augment/methods`, a line in this mapping, and its golden digest (`docs/guides/extending.md` has the
steps and an example); its card is generated (`benchmarks.pages`).

`augment.compound` resolves names, users' own methods and compounds such as "pixmix+cutmix". Importing this module loads NumPy,
but neither Numba nor torch: kernels are compiled when they are first called, and torch is loaded when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from augment.method import Method
from augment.methods import (
    adversarial,
    ant,
    augmix,
    baseline,
    cutmix,
    cutout,
    edsr,
    mixup,
    noise,
    noise2net,
    outlier_exposure,
    sin,
)
from augment.methods.pixmix import iterative, pixmix
from augment.methods.policies import autoaugment, randaugment, trivialaugment

METHODS: Final[Mapping[str, Method]] = {
    "baseline": baseline.METHOD,
    "cutout": cutout.METHOD,
    "mixup": mixup.METHOD,
    "cutmix": cutmix.METHOD,
    "pixmix": pixmix.PIXMIX,
    "mix-input": pixmix.MIX_INPUT,
    "mix-aug": pixmix.MIX_AUG,
    "pixmix-iterative": iterative.METHOD,
    "autoaugment": autoaugment.METHOD,
    "randaugment": randaugment.METHOD,
    "trivialaugment": trivialaugment.METHOD,
    "augmix": augmix.AUGMIX,
    "augmix-jsd": augmix.AUGMIX_JSD,
    "salt-and-pepper": noise.SALT_AND_PEPPER,
    "speckle": noise.SPECKLE,
    "gaussian-noise": noise.GAUSSIAN_NOISE,
    "ant": ant.METHOD,
    "noise2net": noise2net.METHOD,
    "edsr": edsr.METHOD,
    "sin": sin.METHOD,
    "oe": outlier_exposure.METHOD,
    "adversarial-linf": adversarial.LINF,
    "adversarial-l2": adversarial.L2,
}
"""Method -> its description, in the order of the method cards."""

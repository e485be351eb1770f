"""The methods: every training-time treatment by name, light to import, built on demand.

Importing this module imports neither NumPy nor Numba nor torch: planning needs names, defaults and semantics only.
`augment.compound` resolves names, users' own methods and compounds such as "pixmix+cutmix".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from augment.lazy_registry import LazyRegistry
from augment.method import Method

__all__ = ["METHODS", "Method"]

METHODS: Final[Mapping[str, Method]] = LazyRegistry(
    Method,
    {
        "baseline": "augment.methods.mixing_methods",
        "cutout": "augment.methods.mixing_methods",
        "mixup": "augment.methods.mixing_methods",
        "cutmix": "augment.methods.mixing_methods",
        "pixmix": "augment.methods.mixing_methods",
        "mix-input": "augment.methods.mixing_methods",
        "mix-aug": "augment.methods.mixing_methods",
        "pixmix-iterative": "augment.methods.mixing_methods",
        "autoaugment": "augment.methods.rival_methods",
        "randaugment": "augment.methods.rival_methods",
        "trivialaugment": "augment.methods.rival_methods",
        "augmix": "augment.methods.rival_methods",
        "augmix-jsd": "augment.methods.rival_methods",
        "salt-and-pepper": "augment.methods.rival_methods",
        "speckle": "augment.methods.rival_methods",
        "gaussian-noise": "augment.methods.rival_methods",
        "ant": "augment.networks.methods",
        "noise2net": "augment.networks.methods",
        "edsr": "augment.networks.methods",
        "sin": "augment.networks.methods",
        "oe": "augment.methods.rival_methods",
        "adversarial-linf": "augment.methods.rival_methods",
        "adversarial-l2": "augment.methods.rival_methods",
    },
)
"""Method -> the file that describes it, in the order of the method cards."""

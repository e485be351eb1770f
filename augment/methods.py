"""The methods: every training-time treatment by name, light to import, built on demand.

Importing this module imports neither NumPy nor Numba nor torch: planning needs names, defaults and semantics only.
`augment.compounds` resolves names, users' own methods and compounds such as "pixmix+cutmix".
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
        "baseline": "augment.mixing_methods",
        "cutout": "augment.mixing_methods",
        "mixup": "augment.mixing_methods",
        "cutmix": "augment.mixing_methods",
        "pixmix": "augment.mixing_methods",
        "mix-input": "augment.mixing_methods",
        "mix-aug": "augment.mixing_methods",
        "pixmix-iterative": "augment.mixing_methods",
        "autoaugment": "augment.rival_methods",
        "randaugment": "augment.rival_methods",
        "trivialaugment": "augment.rival_methods",
        "augmix": "augment.rival_methods",
        "augmix-jsd": "augment.rival_methods",
        "salt-and-pepper": "augment.rival_methods",
        "speckle": "augment.rival_methods",
        "gaussian-noise": "augment.rival_methods",
        "ant": "augment.network_methods",
        "noise2net": "augment.network_methods",
        "edsr": "augment.network_methods",
        "sin": "augment.network_methods",
        "oe": "augment.rival_methods",
        "adversarial-linf": "augment.rival_methods",
        "adversarial-l2": "augment.rival_methods",
    },
)
"""Method -> the file that describes it, in the order of the method cards."""

"""The kernels of corruptions, for the command that compiles all kernels."""

from __future__ import annotations

from typing import Final

from augment.kernels.compiled import WarmUp, warm_ups_of
from eval.corruptions import fields
from eval.corruptions.c import edges
from eval.corruptions.families import FAMILIES
from eval.corruptions.filters import gaussian, operators, taps
from eval.corruptions.mnist import thin_edges

CORRUPTION_KERNELS: Final[tuple[WarmUp, ...]] = (
    *(call for module in (fields, gaussian, operators, taps, edges, thin_edges) for call in module.WARM_UP),
    *warm_ups_of(each.run for family in FAMILIES.values() for each in family.kinds.values()),
)
"""Those that several corruptions share, and those in the files of corruptions."""

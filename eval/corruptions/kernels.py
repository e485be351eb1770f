"""The kernels of corruptions, for the command that compiles all kernels."""

from __future__ import annotations

from typing import Final

from augment.kernels.compiled import WarmUp
from eval.corruptions import fields, gaussian, operators, taps
from eval.corruptions.c import colour, edges, elastic, glass, noise, weather
from eval.corruptions.cbar import marks, warps, waves
from eval.corruptions.mnist import thin_edges

CORRUPTION_KERNELS: Final[tuple[WarmUp, ...]] = tuple(
    call
    for module in (
        *(fields, noise, gaussian, operators, taps, glass, colour, weather, elastic, edges, thin_edges),
        *(warps, marks, waves),
    )
    for call in module.WARM_UP
)

"""The kernels of methods and of the loader, for the command that compiles all kernels."""

from __future__ import annotations

from typing import Final

from augment.kernels import counters, geometry, mixings, operations
from augment.kernels.compiled import WarmUp
from augment.methods import augmix, cutout, noise
from augment.methods.pixmix import kernel as pixmix
from augment.methods.policies import kernel as policies

LOADER_KERNELS: Final[tuple[WarmUp, ...]] = (*counters.WARM_UP, *geometry.WARM_UP)
"""What preparing a batch calls whatever the treatment is: random numbers, crop and flip. Treatments warm their own kernels."""

METHOD_KERNELS: Final[tuple[WarmUp, ...]] = tuple(
    call
    for module in (counters, operations, mixings, pixmix, geometry, cutout, policies, augmix, noise)
    for call in module.WARM_UP
)

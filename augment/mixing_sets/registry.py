"""The mixing sets by name. Adding one: its file or folder here, a line in `MIXING_SETS`, and its golden digest in the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from augment.kernels.compiled import WarmUp
from augment.lookup.kinds import Kind
from augment.mixing_sets.contract import MixingSet, MixingSetError
from augment.mixing_sets.from_files.folder import FOLDER
from augment.mixing_sets.from_files.published import PIXMIX_IMAGES
from augment.mixing_sets.from_files.random_images import RANDOM_IMAGES
from augment.mixing_sets.procedural.dead_leaves import DEAD_LEAVES
from augment.mixing_sets.procedural.fractaldb import FRACTALDB
from augment.mixing_sets.procedural.fractals.fractals import FRACTALS
from augment.mixing_sets.procedural.spectrum.spectrum import SPECTRUM
from augment.mixing_sets.procedural.stylegan import STYLEGAN
from augment.mixing_sets.trained.fractals_fvis import FRACTALS_FVIS
from augment.mixing_sets.trained.fvis import FVIS, RESNET_FVIS

MIXING_SETS: Final[Mapping[str, MixingSet]] = {
    "fractals": FRACTALS,
    "fractaldb": FRACTALDB,
    "dead-leaves-squares": DEAD_LEAVES,
    "spectrum-color-wmm": SPECTRUM,
    "stylegan-oriented": STYLEGAN,
    "random-images-300k": RANDOM_IMAGES,
    "pixmix-images": PIXMIX_IMAGES,
    "folder": FOLDER,
    "fvis": FVIS,
    "resnet-fvis": RESNET_FVIS,
    "fractals-fvis": FRACTALS_FVIS,
}

MIXING_SET_KERNELS: Final[tuple[WarmUp, ...]] = tuple(
    dict.fromkeys(call for mixing_set in MIXING_SETS.values() for call in mixing_set.kernels)
)

MIXING_SET_KIND: Final = Kind(
    what="mixing set", group="dreamgrid.mixing_sets", type=MixingSet, builtin=MIXING_SETS, error=MixingSetError
)


def mixing_set_for(name: str) -> MixingSet:
    """Return a mixing set by name, built in or from the entry points `dreamgrid.mixing_sets` of installed packages.

    Raises:
        MixingSetError: If no set has this name; the message gives the nearest one.
    """
    return MIXING_SET_KIND.find(name)

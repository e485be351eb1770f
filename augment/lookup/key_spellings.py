"""How keys spell settings that were renamed, added or given another default after results had been recorded.

Keys keep what they first said, so that nothing is computed again for a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MIXING_SET: Final = "mixing set"
"""Owner of what every mixing set is given."""
RECIPE: Final = "training recipe"
"""Owner of the fields of every recipe."""
FIELDS: Final[Mapping[tuple[str, str], str]] = {
    (MIXING_SET, "num_images"): "num_pictures",
    ("stylegan-oriented", "images_per_network"): "pictures_per_network",
    ("pixmix-iterative", "images"): "pictures",
}
"""(what has the setting, setting) -> its spelling in keys."""
VALUES: Final[Mapping[tuple[str, str], str]] = {
    ("name", "pixmix-images"): "pixmix-pictures",
    ("frost", "images"): "pictures",
}
"""(setting, value) -> the spelling of the value in keys."""
OWN_VALUES: Final[Mapping[tuple[str, str, str], str]] = {
    # The default was called "fp32" before TF32 could be chosen; cells that leave the precision alone keep their keys.
    (RECIPE, "precision", "tf32"): "fp32",
    (RECIPE, "precision", "fp32"): "ieee-fp32",
}
"""(what has the setting, setting, value) -> the spelling in keys of a value whose name now means something else."""
ADDED: Final[Mapping[tuple[str, str], Any]] = {
    ("pixmix", "rounding"): "none",
    ("mix-input", "rounding"): "none",
    ("mix-aug", "rounding"): "none",
    ("pixmix-iterative", "rounding"): "none",
    (RECIPE, "deterministic"): False,
    (RECIPE, "gradient_compression"): "none",
}
"""(what has the setting, setting) -> the value that keys leave out, since it does what was done before there was the setting."""


def in_keys(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe, a method, a mixing set or a benchmark as keys spell them."""
    return {
        FIELDS.get((owner, name), name): _value(owner, name, value)
        for name, value in settings.items()
        if (owner, name) not in ADDED or value != ADDED[owner, name]
    }


def today(name: str) -> str | None:
    """Return today's name of a setting or value that is given by its first spelling; None for every other name."""
    renamed = {first: now for (_, now), first in [*FIELDS.items(), *VALUES.items()]}
    return renamed.get(name)


def _value(owner: str, name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return OWN_VALUES.get((owner, name, value)) or VALUES.get((name, value), value)

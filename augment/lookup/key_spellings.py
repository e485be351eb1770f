"""Names that were changed after results had been recorded: keys keep the first spelling, so that nothing is computed again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MIXING_SET: Final = "mixing set"
"""Owner of what every mixing set is given."""
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


def in_keys(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a method, a mixing set or a benchmark as keys spell them."""
    return {
        FIELDS.get((owner, name), name): VALUES.get((name, value), value) if isinstance(value, str) else value
        for name, value in settings.items()
    }


def today(name: str) -> str | None:
    """Return today's name of a setting or value that is given by its first spelling; None for every other name."""
    renamed = {first: now for (_, now), first in [*FIELDS.items(), *VALUES.items()]}
    return renamed.get(name)

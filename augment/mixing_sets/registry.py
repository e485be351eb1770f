"""The mixing sets by name: light to import, implementations loaded when a set is built.

`identity` is what a train key hashes of a mixing set: plain values, never bytes of images and never paths.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from augment.lazy_registry import LazyRegistry
from augment.mixing_sets.mixing_set import MixingSet
from augment.mixing_sets.source import MixingSetError
from augment.plugins import installed, versioned

ENTRY_POINTS: Final = "dreamgrid.mixing_sets"
LARGEST_SIDE: Final = 1024

MIXING_SETS: Final[Mapping[str, MixingSet]] = LazyRegistry(
    MixingSet,
    {
        "fractals": "augment.mixing_sets.fractals.source",
        "fractaldb": "augment.mixing_sets.fractaldb.source",
        "dead-leaves-squares": "augment.mixing_sets.dead_leaves.source",
        "spectrum-color-wmm": "augment.mixing_sets.spectrum.source",
        "stylegan-oriented": "augment.mixing_sets.stylegan.source",
        "random-images-300k": "augment.mixing_sets.files",
        "pixmix-pictures": "augment.mixing_sets.files",
        "folder": "augment.mixing_sets.files",
        "fvis": "augment.mixing_sets.fvis_sets",
        "resnet-fvis": "augment.mixing_sets.fvis_sets",
        "fractals-fvis": "augment.mixing_sets.fvis_sets",
    },
)
"""Mixing set -> the file that describes and renders it."""


def mixing_set_for(name: str) -> MixingSet:
    """Return a mixing set by name, built in or from the entry points of installed packages.

    Raises:
        MixingSetError: If no set has this name; the message gives the nearest one.
    """
    if name in MIXING_SETS:
        return MIXING_SETS[name]
    extra = installed(ENTRY_POINTS, MixingSet, taken=MIXING_SETS, error=MixingSetError)
    if name in extra:
        return extra[name]
    known = sorted({*MIXING_SETS, *extra})
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    raise MixingSetError(f"unknown mixing set {name!r}{hint}; known: {', '.join(known)}")


def config_for(mixing_set: MixingSet, params: Mapping[str, object]) -> Any:
    """Return the set's config with the given fields replaced.

    Raises:
        MixingSetError: If a field is unknown or a value is out of range; all unknown fields are named at once.
    """
    known = [field.name for field in dataclasses.fields(mixing_set.config)]
    unknown = sorted(set(params) - set(known))
    if unknown:
        hints = [difflib.get_close_matches(name, known, n=1) for name in unknown]
        nearest = ", ".join(f"{near[0]!r}" for near in hints if near)
        raise MixingSetError(
            f"mixing set {mixing_set.name!r} has no parameter {', '.join(map(repr, unknown))}"
            f"{f' (did you mean {nearest}?)' if nearest else ''}; known: {', '.join(known) or 'none'}"
        )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    try:
        return mixing_set.config(**values)
    except (ValueError, TypeError) as error:
        raise MixingSetError(f"mixing set {mixing_set.name!r}: {error}") from error


def identity(
    name: str,
    num_pictures: int,
    image_size: int,
    num_channels: int,
    seed: int,
    params: Mapping[str, object],
    *,
    data_root: Path | str | None = None,
) -> Mapping[str, Any]:
    """Return everything that can change a set's images, as plain values with every default filled in.

    Args:
        name: Key of `MIXING_SETS`.
        num_pictures: Images M.
        image_size: Side S in pixels.
        num_channels: 1 or 3.
        seed: Seed of the set.
        params: Fields of its config that differ from the defaults.
        data_root: Where files are looked up for sets whose identity is a content hash; without it they read "pending".

    Raises:
        MixingSetError: If the name, a parameter or a number is invalid.
    """
    mixing_set = mixing_set_for(name)
    _check_numbers(name, num_pictures, image_size, num_channels, seed)
    config = config_for(mixing_set, params)
    fields = {key: value for key, value in dataclasses.asdict(config).items() if key not in mixing_set.hidden}
    return {
        "name": name,
        "semantics": versioned(mixing_set),
        "num_pictures": num_pictures,
        "image_size": image_size,
        "num_channels": num_channels,
        "seed": seed,
        "config": {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()},
        **mixing_set.content(config, None if data_root is None else Path(data_root)),
    }


def identity_digest(facts: Mapping[str, Any]) -> str:
    """Return the hexadecimal SHA-256 of an identity's canonical JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def stored_side(name: str, training_side: int) -> int:
    """Return the side that a set is stored at for square training images of a side."""
    return mixing_set_for(name).stored_side(training_side)


def _check_numbers(name: str, num_pictures: int, image_size: int, num_channels: int, seed: int) -> None:
    rules = {
        f"num_pictures must be between 1 and 2**31, but got {num_pictures}": 1 <= num_pictures <= 2**31,
        f"image_size must be between 1 and {LARGEST_SIDE} pixels, but got {image_size}": 1
        <= image_size
        <= LARGEST_SIDE,
        f"num_channels must be 1 (grey) or 3 (RGB), but got {num_channels}": num_channels in (1, 3),
        f"seed must be between 0 and 2**64 - 1, but got {seed}": 0 <= seed < 2**64,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise MixingSetError(f"mixing set {name!r}: " + "; ".join(broken))

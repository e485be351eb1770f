"""What identifies a mixing set, and which files it is made from.

`identity` is what a train key hashes of a mixing set: plain values, never bytes of images and never paths.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from augment.lookup.key_spellings import MIXING_SET, in_keys
from augment.lookup.kinds import versioned
from augment.lookup.parameters import typed_values
from augment.mixing_sets.contract import MixingSet, MixingSetError

LARGEST_SIDE: Final = 1024


def config_for(mixing_set: MixingSet, params: Mapping[str, object]) -> Any:
    """Return the set's config with the given fields replaced.

    Raises:
        MixingSetError: If a field is unknown, or a value is of the wrong type or out of range; all mistakes at once.
    """
    of = f"mixing set {mixing_set.name!r}"
    typed = typed_values(mixing_set.config, params, of=of, error=MixingSetError)
    # a number is hashed as it was written, 3 for a fractional field too: keys of stored cells depend on it
    values = {name: params[name] if params[name] == value else value for name, value in typed.items()}
    try:
        return mixing_set.config(**values)
    except ValueError as error:
        raise MixingSetError(f"{of}: {error}") from error


def identity(
    mixing_set: MixingSet,
    num_images: int,
    image_size: int,
    num_channels: int,
    seed: int,
    params: Mapping[str, object],
    *,
    data_root: Path | str | None = None,
) -> Mapping[str, Any]:
    """Return everything that can change a set's images, as plain values with every default filled in.

    Args:
        num_images: Images M.
        image_size: Side S in pixels.
        num_channels: 1 or 3.
        params: Fields of its config that differ from the defaults.
        data_root: Where files are looked up for sets whose identity is a content hash; without it they read "pending".

    Raises:
        MixingSetError: If a parameter or a number is invalid.
    """
    check_numbers(mixing_set.name, num_images, image_size, num_channels, seed)
    config = config_for(mixing_set, params)
    fields = {key: value for key, value in dataclasses.asdict(config).items() if key not in mixing_set.hidden}
    return {
        **in_keys(MIXING_SET, {"name": mixing_set.name, "num_images": num_images}),
        "semantics": versioned(mixing_set),
        "image_size": image_size,
        "num_channels": num_channels,
        "seed": seed,
        "config": in_keys(
            mixing_set.name,
            {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()},
        ),
        **mixing_set.content(config, None if data_root is None else Path(data_root)),
    }


def identity_digest(facts: Mapping[str, Any]) -> str:
    """Return the hexadecimal SHA-256 of an identity's canonical JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def missing_set_files(mixing_set: MixingSet, params: Mapping[str, object], data_root: Path) -> list[str]:
    """Return a line for each file or folder that a set is made from and that is not there, or is not what it must be."""
    config = config_for(mixing_set, params)
    missing = [
        f"mixing set {mixing_set.name!r} needs {data_root / each}, which does not exist; {mixing_set.source}"
        for each in mixing_set.files(config)
        if not (data_root / each).exists()
    ]
    if missing or mixing_set.look is None:
        return missing
    try:
        mixing_set.look(config, data_root)
    except MixingSetError as error:
        return [str(error)]
    return []


def check_numbers(name: str, num_images: int, image_size: int, num_channels: int, seed: int) -> None:
    """Refuse numbers that no mixing set has.

    Raises:
        MixingSetError: With every rule that is broken.
    """
    rules = {
        f"num_images must be between 1 and 2**31, but got {num_images}": 1 <= num_images <= 2**31,
        f"image_size must be between 1 and {LARGEST_SIDE} pixels, but got {image_size}": 1
        <= image_size
        <= LARGEST_SIDE,
        f"num_channels must be 1 (grey) or 3 (RGB), but got {num_channels}": num_channels in (1, 3),
        f"seed must be between 0 and 2**64 - 1, but got {seed}": 0 <= seed < 2**64,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise MixingSetError(f"mixing set {name!r}: " + "; ".join(broken))

"""Canonical JSON and its hash: the one way in which this project turns values into identities.

Two values have the same key exactly when they mean the same: the order of mappings, tuple or list, `1` or `1.0`, and the Python
version make no difference. What has no exact JSON form (NaN, sets, objects) is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

IMPORTED: Final = "imported"
"""Model name of cells that show another suite's results."""


def plain(value: Any, *, where: str = "value") -> Any:
    """Return a value as plain JSON values in canonical form.

    Dataclasses become mappings of their fields, tuples become lists, floats without a fraction become integers
    (`1.0` and `1` configure the same), and `-0.0` becomes `0`.

    Args:
        value: None, bool, int, float, str, mappings with string keys, lists, tuples, dataclasses of such.

    Raises:
        ValueError: If a number is not finite.
        TypeError: If a value or the key of a mapping has no canonical form.
    """
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _plain_float(float(value), where)
    if isinstance(value, Mapping):
        return {_string_key(key, where): plain(item, where=f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, where=f"{where}[{index}]") for index, item in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), where=f"{where}.{field.name}") for field in fields(value)}
    raise TypeError(
        f"{where}: only plain values can be part of a key, got {type(value).__name__}; use names, numbers, lists and mappings"
    )


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value: sorted keys, no spaces, floats in their shortest exact form."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of a value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def digest_of_plain(value: Any) -> str:
    """Return `digest(value)` for a value that is already the result of `plain`; skips the normalisation."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def imported_key(name: str, dataset: str) -> str:
    """Return the train key of the cell that bears this name on this dataset."""
    return digest({"imported": {"name": name, "dataset": dataset}})


def report_key(train_key: str, benchmark: str) -> str:
    """Return the benchmark key of an imported cell's numbers; no key of a benchmark of ours is made so."""
    return digest({"imported": train_key, "benchmark": benchmark})


def _plain_float(value: float, where: str) -> int | float:
    if not math.isfinite(value):
        raise ValueError(
            f"{where}: a number in a key must be finite, got {value}; leave the field out or give a number"
        )
    return int(value) if value.is_integer() else value


def _string_key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{where}: keys of mappings must be strings, got {key!r}; write it in quotes")
    return str(key)

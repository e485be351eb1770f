"""Strict reading and writing of record files: one JSON document with its format, version and checksum.

A file reads `{"format": ..., "version": ..., "sha256": ..., "record": BODY}` on one line; the checksum covers the
bytes of BODY. NaN and the infinities, which JSON lacks, are written as `{"$float": "nan"}`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from orchestration.store.errors import CorruptRecordError, StoreError

_SPECIAL: Final = "$float"


def seal(kind: str, version: int, body: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record file.

    Raises:
        StoreError: If the body holds something other than plain values.
    """
    text = to_json(body).encode()
    return _head(kind, version, hashlib.sha256(text).hexdigest()) + text + b"}\n"


def unseal(data: bytes, kind: str, version: int, where: str, *, is_checked: bool = False) -> dict[str, Any]:
    """Return the body of a record file; its checksum is not looked at again when it was before.

    Raises:
        CorruptRecordError: If it is truncated, altered, of another kind or of another version.
    """
    if not is_checked:
        check_seal(data, kind, version, where)
    body = from_json(body_text(data, kind, version), where)
    if not isinstance(body, dict):
        raise corrupt(where, f"a {kind} record must be an object")
    return body


def body_text(data: bytes, kind: str, version: int) -> bytes:
    """Return the text of the body of a record file that is known to be whole."""
    return data[len(_head(kind, version, "0" * 64)) : -2]


def check_seal(data: bytes, kind: str, version: int, where: str) -> None:
    """Check that a record file is whole, without reading what it says.

    Raises:
        CorruptRecordError: If it is truncated, altered, of another kind or of another version.
    """
    head_length = len(_head(kind, version, "0" * 64))
    digest = hashlib.sha256(data[head_length:-2]).hexdigest()
    if data[:head_length] + data[-2:] != _head(kind, version, digest) + b"}\n":
        raise corrupt(where, _complaint(data, kind, version))


def record_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of record files among those in a folder; desktops leave hidden files (`.DS_Store`, `._*`) everywhere."""
    return tuple(name for name in names if name.endswith(".json") and not name.startswith("."))


def corrupt(where: str, detail: str) -> CorruptRecordError:
    """Return the error for a file that is no whole, known record."""
    return CorruptRecordError(f"{detail}: '{where}'", "remove that file, then run the sweep again to record it again")


def to_json(value: Any) -> str:
    """Return plain values as compact JSON.

    Raises:
        StoreError: If there is something else among them.
    """
    try:
        try:
            return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain, ensure_ascii=False)
        except ValueError:
            return json.dumps(_marked(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"a record must hold plain values (text, numbers, lists, mappings), but: {error}") from error


def from_json(text: bytes, where: str) -> Any:
    """Return the plain values of compact JSON."""
    special = f'"{_SPECIAL}"'.encode() in text
    try:
        return json.loads(text, object_hook=_unmarked if special else None)
    except (ValueError, RecursionError) as error:
        raise corrupt(where, f"a record must be JSON, but {error}") from error


def _head(kind: str, version: int, digest: str) -> bytes:
    return f'{{"format":"dreamgrid/{kind}","version":{version},"sha256":"{digest}","record":'.encode()


def _complaint(data: bytes, kind: str, version: int) -> str:
    start = f'{{"format":"dreamgrid/{kind}","version":'.encode()
    if data.startswith(start):
        found = data[len(start) :].split(b",")[0].decode(errors="replace")
        if found != str(version):
            return f"a {kind} record must have version {version}, but this one has {found[:20]}"
        return f"a {kind} record must carry its own checksum, but this one is truncated or altered"
    return f"a {kind} record was expected, but this is something else ({len(data)} bytes)"


def _plain(value: Any) -> Any:
    """Take mappings that are no dict, tuples, sets in order, and scalars of array libraries."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    raise TypeError(f"found a {type(value).__name__}")


def _marked(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else {_SPECIAL: repr(float(value))}
    if isinstance(value, Mapping):
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(inner) for inner in value]
    if value is None or isinstance(value, str | int):
        return value
    return _marked(_plain(value))


def _unmarked(found: dict[str, Any]) -> Any:
    return float(found[_SPECIAL]) if found.keys() == {_SPECIAL} else found

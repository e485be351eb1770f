"""Strict reading and writing of record files: one JSON document with its format, version and checksum.

A file reads `{"format": ..., "version": ..., "sha256": ..., "record": BODY}` on one line; the checksum covers the
bytes of BODY. NaN and the infinities, which JSON lacks, are written as `{"$float": "nan"}`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from orchestration.store.contract import CorruptRecordError, StoreError

_SPECIAL: Final = "$float"
_SPECIAL_BYTES: Final = b'"$float"'

T = TypeVar("T")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a record file, or a part of one. A field of type `msgspec.Raw` is left as text until somebody looks."""


def seal(kind: str, version: int, body: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record file.

    Raises:
        StoreError: If the body contains something other than plain values.
    """
    text = to_json(body).encode()
    return _head(kind, version, hashlib.sha256(text).hexdigest()) + text + b"}\n"


def unseal(data: bytes, kind: str, version: int, where: str, body: type[T]) -> T:
    """Return the body of a record file."""
    check_seal(data, kind, version, where)
    return decode(body_text(data, kind, version), where, body)


def body_text(data: bytes, kind: str, version: int) -> bytes:
    """Return the text of the body of a record file that is known to be whole."""
    # A digest has always 64 digits. The last two bytes are the brace and the line feed that `seal` adds.
    return data[len(_head(kind, version, "0" * 64)) : -2]


def check_seal(data: bytes, kind: str, version: int, where: str) -> None:
    """Check that a record file is whole, without reading what it says."""
    head_length = len(_head(kind, version, "0" * 64))
    digest = hashlib.sha256(data[head_length:-2]).hexdigest()
    # One comparison of format, version, checksum and both ends; `_fault` finds out which of them it was.
    if data[:head_length] + data[-2:] != _head(kind, version, digest) + b"}\n":
        raise corrupt(where, _fault(data, kind, version))


def decode(text: bytes | msgspec.Raw, where: str, kind: type[T]) -> T:
    """Return the JSON text of a record, or of a part of one, as a value of a type.

    Raises:
        CorruptRecordError: If it is no JSON, or a field is unknown, missing or of another type.
    """
    text = bytes(text)
    try:
        # Few records have NaN or infinities; the others are read by msgspec alone, in one pass.
        if _SPECIAL_BYTES in text:
            return msgspec.convert(_with_specials(text, kind), kind)
        found: T = _decoder(kind).decode(text)  # type: ignore[arg-type]  # types are hashable
        return found
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise corrupt(where, f"a record must follow its format, but: {error}") from error


def record_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of record files among those in a folder; desktops leave hidden files (`.DS_Store`, `._*`) everywhere."""
    return tuple(name for name in names if name.endswith(".json") and not name.startswith("."))


def corrupt(where: str, detail: str) -> CorruptRecordError:
    """Return the error for a file that is no whole, known record."""
    return CorruptRecordError(f"{detail}: '{where}'", "remove that file, then run the sweep again to recompute it")


def to_json(value: Any) -> str:
    """Return plain values as compact JSON."""
    try:
        try:
            # Not msgspec, which writes NaN as null without an error. Only what has NaN is walked and marked.
            return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain, ensure_ascii=False)
        except ValueError:
            return json.dumps(_marked(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"a record must contain plain values (text, numbers, lists, mappings), but: {error}"
        ) from error


@cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _with_specials(text: bytes, kind: type[Any]) -> Any:
    """Return plain values in which NaN and the infinities are numbers again; what stays text stays text."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return json.loads(text, object_hook=_unmarked)
    # Raw fields stay text: whoever looks at one decodes it by the same rule.
    raw = {field.encode_name for field in msgspec.structs.fields(kind) if field.type is msgspec.Raw}
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return {
        name: value if name in raw else json.loads(bytes(value), object_hook=_unmarked)
        for name, value in fields.items()
    }


def _head(kind: str, version: int, digest: str) -> bytes:
    return f'{{"format":"dreamgrid/{kind}","version":{version},"sha256":"{digest}","record":'.encode()


def _fault(data: bytes, kind: str, version: int) -> str:
    start = f'{{"format":"dreamgrid/{kind}","version":'.encode()
    if data.startswith(start):
        found = data[len(start) :].split(b",")[0].decode(errors="replace")
        if found != str(version):
            return f"a {kind} record must have version {version}, but this one has {found[:20]}"
        return f"a {kind} record must carry its own checksum, but this one is truncated or altered"
    return f"a {kind} record was expected, but this is not one ({len(data)} bytes)"


def _plain(value: Any) -> Any:
    """Take mappings that are no dict, tuples, sets in order, and scalars of array libraries."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        # A set has no order of its own, and the checksum is over the bytes.
        return sorted(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    # By what it can do, so that neither NumPy nor torch is imported for it.
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

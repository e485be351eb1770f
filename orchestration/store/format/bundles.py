"""A training and the reports that came with it as one object, for storages where each write is a request.

A bundle lies where a training record does (`training.json`) and is a few lines: a sealed list of what follows, the training
record, then the reports, each line as its file would read. What is written with the training stands or falls with it: the
exclusive creation of that one object decides. A report with a file of its own stands before one of the same key in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestration.store.format.codec import VERSION, Fields
from orchestration.store.format.plain import check_seal, corrupt, seal, unseal

_KIND: Final = "bundle"
_START: Final = b'{"format":"dreamgrid/bundle"'


def bundled(training: bytes, reports: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a training record with reports (benchmark key -> bytes of its record)."""
    sizes = [[name, len(data)] for name, data in (("training", training), *reports.items())]
    return b"".join((seal(_KIND, VERSION, {"records": sizes}), training, *reports.values()))


def unbundled(data: bytes, where: str) -> tuple[bytes, Mapping[str, bytes]]:
    """Return the text of a training record and those of the reports in the same object, all of them checked.

    Raises:
        CorruptRecordError: If it is neither a whole training record nor a whole bundle of this version.
    """
    if not data.startswith(_START):
        check_seal(data, "training", VERSION, where)
        return data, {}
    end = data.find(b"\n") + 1
    listed = _listed(data[:end], where)
    if end + sum(length for _, length in listed) != len(data):
        raise corrupt(where, "a bundle must hold the records that it lists, but this one is truncated or altered")
    records = {}
    for position, (name, length) in enumerate(listed):
        records[name] = data[end : end + length]
        check_seal(records[name], "report" if position else "training", VERSION, where)
        end += length
    return records.pop("training"), records


def _listed(head: bytes, where: str) -> list[tuple[str, int]]:
    body = Fields(unseal(head, _KIND, VERSION, where), where)
    listed = body.take("records", list)
    body.end()
    is_fit = all(isinstance(pair, list) and len(pair) == 2 and type(pair[1]) is int for pair in listed)
    names = [str(pair[0]) for pair in listed] if is_fit else []
    if not is_fit or names[:1] != ["training"] or len(set(names)) != len(names):
        raise corrupt(where, "a bundle must list a training record and then reports, each once")
    return [(name, pair[1]) for name, pair in zip(names, listed, strict=True)]

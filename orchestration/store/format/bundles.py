"""A training and the reports that came with it as one object, for storages where each write is a request.

A bundle is where a training record is (`training.json`) and is a few lines: a sealed list of what follows, the training
record, then the reports, each line as its file would read. What is written with the training is recorded with it or not at all:
the exclusive creation of that one object decides. A report with a file of its own comes before one of the same key in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestration.store.format.documents import Document, check_seal, corrupt, seal, unseal
from orchestration.store.format.records import VERSION

_KIND: Final = "bundle"
_START: Final = b'{"format":"dreamgrid/bundle"'


class _Bundle(Document, frozen=True):
    records: list[tuple[str, int]]
    """Name ("training", then benchmark keys) and bytes of each record."""


def bundled(training: bytes, reports: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a training record with reports (benchmark key -> bytes of its record)."""
    sizes = [[name, len(data)] for name, data in (("training", training), *reports.items())]
    return b"".join((seal(_KIND, VERSION, {"records": sizes}), training, *reports.values()))


def unbundled(data: bytes, where: str) -> tuple[bytes, Mapping[str, bytes]]:
    """Return the text of a training record and those of the reports in the same object, all of them checked."""
    # A training that was recorded alone is its own bundle, without a list.
    if not data.startswith(_START):
        check_seal(data, "training", VERSION, where)
        return data, {}
    # JSON has no line feed inside of texts, so that the first one ends the list.
    end = data.find(b"\n") + 1
    listed = unseal(data[:end], _KIND, VERSION, where, _Bundle).records
    names = [name for name, _ in listed]
    if names[:1] != ["training"] or len(set(names)) != len(names):
        raise corrupt(where, "a bundle must list a training record and then reports, each once")
    if end + sum(length for _, length in listed) != len(data):
        raise corrupt(where, "a bundle must contain the records that it lists, but this one is truncated or altered")
    records = {}
    for name, length in listed:
        records[name] = data[end : end + length]
        check_seal(records[name], "report" if len(records) > 1 else "training", VERSION, where)
        end += length
    return records.pop("training"), records

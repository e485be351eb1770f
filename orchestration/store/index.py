"""Compacted segments: many records in one file, so that plans and tables do not open ten thousand small ones.

A segment is a pair of objects in `index/`: `<id>.toc.json` names each cell's fingerprint (a hash of the names of
its record files), place, length and BLAKE3, and carries its own; `<id>.body` contains the record texts, one compressed
chunk per cell. Records are immutable, so an entry whose fingerprint equals that of the files that are there now is
true, whoever wrote it; any other entry, and any damage, counts as absent. Segments can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from blake3 import blake3

from clusters.storage.contract import MissingObjectError, Storage, StorageError
from orchestration.store.parallel import each

_FOLDER: Final = "index"
_FORMAT: Final = "dreamgrid/index/2"
_MAX_SEGMENTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCell:
    """The record texts of a cell's newest complete checkpoint, checksums verified.

    Attributes:
        others: Folders of earlier records of the same weights, from which some of the reports come.
        reports: Benchmark key -> text of the report.
    """

    folder: str
    training: bytes
    reports: Mapping[str, bytes]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    segment: str
    fingerprint: str
    start: int
    length: int
    digest: str


class _Table(msgspec.Struct, frozen=True):
    format: str
    seal: str
    cells: msgspec.Raw
    """Train key -> fingerprint, start, length and digest; the seal is over these very bytes."""


_Chunk = tuple[str, str, dict[str, str], tuple[str, ...]]


class Index:
    """The segments of a storage, read once and looked up by key and fingerprint."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: set[str] = set()
        self._places: dict[str, list[_Place]] = {}
        self._bodies: dict[str, bytes] = {}

    def refresh(self) -> None:
        """Take notice of segments that were added or removed."""
        names = self._storage.names(_FOLDER)
        found = {name.removesuffix(".toc.json") for name in names if name.endswith(".toc.json")}
        gone = self._known - found
        if gone:
            # Merged by another driver: its body may be deleted at any moment.
            kept = {
                key: [place for place in places if place.segment not in gone] for key, places in self._places.items()
            }
            self._places = {key: places for key, places in kept.items() if places}
            self._bodies = {segment: body for segment, body in self._bodies.items() if segment not in gone}
        for table in each(self._storage, sorted(found - self._known), self._table):
            for key, place in table:
                self._places.setdefault(key, []).append(place)
        self._known = found

    def fetch(self, keys: Iterable[str]) -> None:
        """Read the bodies that hold these cells, all at once; where a part of one can be read nothing is done."""
        if self._storage.is_remote:
            needed = {place.segment for key in keys for place in self._places.get(key, ())} - self._bodies.keys()
            each(self._storage, sorted(needed), self._body)

    def get(self, key: str, fingerprint: str) -> RawCell | None:
        """Return a cell's records if the index holds exactly the files with that fingerprint."""
        fitting = (place for place in self._places.get(key, ()) if place.fingerprint == fingerprint)
        return next((raw for place in fitting if (raw := self._raw(place)) is not None), None)

    def entries(self, key: str) -> Iterator[tuple[str, RawCell]]:
        """Return what segments hold of a cell, each with the fingerprint of the files that it was read from."""
        for place in self._places.get(key, ()):
            raw = self._raw(place)
            if raw is not None:
                yield place.fingerprint, raw

    def _raw(self, place: _Place) -> RawCell | None:
        chunk = self._chunk(place)
        return _unpacked(chunk) if chunk is not None else None

    def add(self, cells: Mapping[str, tuple[str, RawCell]]) -> None:
        """Write a segment of cells (key -> fingerprint, records); merge all segments when there are many of them."""
        chunks = {key: (fingerprint, _packed(raw)) for key, (fingerprint, raw) in cells.items()}
        # Another driver may have added or merged segments meanwhile.
        self.refresh()
        old = sorted(self._known)
        if len(old) >= _MAX_SEGMENTS:
            # The new ones last: they replace what older segments have of the same cells.
            chunks = self._everything() | chunks
        # Before the old ones go: a reader in between finds a cell twice, never not at all.
        added = self._write(chunks)
        if len(old) >= _MAX_SEGMENTS:
            # The id is a hash of the table, so that the merged segment may be one that is there already.
            for segment in set(old) - {added}:
                # The table first: without it nobody looks for the body.
                self._storage.delete(f"{_FOLDER}/{segment}.toc.json")
                self._storage.delete(f"{_FOLDER}/{segment}.body")
        self.refresh()

    def _everything(self) -> dict[str, tuple[str, bytes]]:
        # Records are only added, so that the longest entry has most of them; a wrong choice only costs a read.
        longest = {key: max(places, key=lambda place: place.length) for key, places in self._places.items()}
        found = ((key, place.fingerprint, self._chunk(place)) for key, place in longest.items())
        return {key: (fingerprint, chunk) for key, fingerprint, chunk in found if chunk is not None}

    def _write(self, chunks: Mapping[str, tuple[str, bytes]]) -> str:
        body = b"".join(chunk for _, chunk in chunks.values())
        cells, start = {}, 0
        for key, (fingerprint, chunk) in chunks.items():
            cells[key] = [fingerprint, start, len(chunk), _digest(chunk)]
            start += len(chunk)
        table = _table_text(cells)
        segment = hashlib.sha256(table).hexdigest()[:24]
        # The body first, which the table promises. Not durable: what is lost is read from the records again.
        self._storage.write_bytes(f"{_FOLDER}/{segment}.body", body, durable=False)
        self._storage.write_bytes(f"{_FOLDER}/{segment}.toc.json", table, durable=False)
        return segment

    def _table(self, segment: str) -> Iterable[tuple[str, _Place]]:
        """Return a segment's table; () for one that is damaged, of another version, or just being deleted."""
        try:
            table = msgspec.json.decode(self._storage.read_bytes(f"{_FOLDER}/{segment}.toc.json"), type=_Table)
            if table.format != _FORMAT or table.seal != _digest(bytes(table.cells)):
                return ()
            cells = msgspec.json.decode(table.cells, type=dict[str, tuple[str, int, int, str]])
        except (StorageError, msgspec.DecodeError, ValueError):
            return ()
        return [(key, _Place(segment, *place)) for key, place in cells.items()]

    def _body(self, segment: str) -> bytes | None:
        """Return a whole body, or None for one that is just being deleted."""
        try:
            if segment not in self._bodies:
                self._bodies[segment] = self._storage.read_bytes(f"{_FOLDER}/{segment}.body")
        except MissingObjectError:
            return None
        return self._bodies[segment]

    def _chunk(self, place: _Place) -> bytes | None:
        """Return the bytes at a place, or None when they are not the ones that were written."""
        try:
            if self._storage.is_remote:
                # A body that is gone or cut gives too few bytes, which the length reveals below.
                chunk = (self._body(place.segment) or b"")[place.start : place.start + place.length]
            else:
                chunk = self._storage.read_range(f"{_FOLDER}/{place.segment}.body", place.start, place.length)
        except (MissingObjectError, TypeError, ValueError):
            return None
        return chunk if len(chunk) == place.length and _digest(chunk) == place.digest else None


def _table_text(cells: Mapping[str, object]) -> bytes:
    text = json.dumps(cells, separators=(",", ":"))
    return f'{{"format":"{_FORMAT}","seal":"{_digest(text.encode())}","cells":{text}}}'.encode()


def _digest(data: bytes) -> str:
    return blake3(data).hexdigest(16)


def _packed(raw: RawCell) -> bytes:
    texts = {name: text.decode() for name, text in raw.reports.items()}
    return zlib.compress(json.dumps([raw.folder, raw.training.decode(), texts, raw.others]).encode(), 1)


def _unpacked(chunk: bytes) -> RawCell | None:
    try:
        folder, training, reports, others = msgspec.json.decode(zlib.decompress(chunk), type=_Chunk)
    except (msgspec.DecodeError, ValueError, zlib.error):
        return None
    texts = {name: text.encode() for name, text in reports.items()}
    return RawCell(folder=folder, training=training.encode(), reports=texts, others=others)

"""Calibrations in the store: what a short run taught, one file for each machine of the price file and each hardware.

    calibrations/<machine>/<digest of the hardware>.json

They are no results: a newer one replaces what an older one says of the same kinds, one that is not whole is left out, and all
of them can be deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from clusters.storage.contract import MissingObjectError, Storage
from orchestration.store.errors import CorruptRecordError, OnDamage
from orchestration.store.format.codec import Fields
from orchestration.store.format.plain import corrupt, record_names, seal, unseal
from orchestration.store.measured import NO_EXPERIENCE, Experience, Kind

FOLDER: Final = "calibrations"
VERSION: Final = 1
KIND_PARTS: Final = 3


def read_calibrations(storage: Storage, machine: str, on_damage: OnDamage) -> Experience:
    """Return what calibrations of a machine teach; where several kinds of hardware stand for it, the last measured counts.

    Args:
        storage: Where the store is.
        machine: Machine of the price file.
        on_damage: Is handed each calibration that is not whole; it is left out.
    """
    folder = _folder(machine)
    found = []
    for name in record_names(storage.names(folder)):
        try:
            found.append(_read(storage, f"{folder}/{name}"))
        except CorruptRecordError as error:
            on_damage(error)
    training: dict[Kind, float] = {}
    evaluation: dict[Kind, float] = {}
    for _, experience in sorted(found, key=lambda each: each[0]):
        training |= experience.training
        evaluation |= experience.evaluation
    hardware = tuple(dict.fromkeys(name for _, experience in found for name in experience.hardware))
    return Experience(training=training, evaluation=evaluation, hardware=hardware)


def write_calibration(storage: Storage, machine: str, hardware: str, measured: Experience, *, at: float) -> None:
    """Keep a calibration, beside what earlier ones on this hardware say of other kinds.

    Args:
        storage: Where the store lies.
        machine: Machine of the price file.
        hardware: What it was measured on.
        measured: What was measured.
        at: When, in seconds since the epoch.
    """
    path = f"{_folder(machine)}/{hashlib.sha256(hardware.encode()).hexdigest()[:16]}.json"
    try:
        _, before = _read(storage, path)
    except (MissingObjectError, CorruptRecordError):
        before = NO_EXPERIENCE
    body = {
        "machine": machine,
        "hardware": hardware,
        "at": at,
        "training": _rows({**before.training, **measured.training}),
        "judging": _rows({**before.evaluation, **measured.evaluation}),
    }
    storage.write_bytes(path, seal("calibration", VERSION, body), durable=False)


def _folder(machine: str) -> str:
    return f"{FOLDER}/{quote(machine, safe='')}"


def _read(storage: Storage, path: str) -> tuple[float, Experience]:
    data, where = storage.read_bytes(path), f"{storage.uri}/{path}"
    try:
        return _decoded(data, where)
    except CorruptRecordError as error:
        raise CorruptRecordError(error.fault, "measure again with `plan --calibrate`, or remove that file") from error


def _decoded(data: bytes, where: str) -> tuple[float, Experience]:
    body = Fields(unseal(data, "calibration", VERSION, where), where)
    body.take("machine", str)
    hardware, at = body.take("hardware", str), body.take("at", float)
    training, evaluation = (_seconds(body.take(name, list), where) for name in ("training", "judging"))
    body.end()
    return at, Experience(training=training, evaluation=evaluation, hardware=(hardware,))


def _rows(seconds: Mapping[Kind, float]) -> list[list[object]]:
    return [[*kind, value] for kind, value in seconds.items()]


def _seconds(rows: list[object], where: str) -> dict[Kind, float]:
    found: dict[Kind, float] = {}
    for row in rows:
        if not isinstance(row, list) or len(row) != KIND_PARTS + 1 or not isinstance(row[-1], int | float):
            raise corrupt(where, f"a calibration must hold rows of three names and seconds, but one is {row!r:.60}")
        dataset, model, name = map(str, row[:KIND_PARTS])
        found[dataset, model, name] = float(row[-1])
    return found

"""Trainings, reports and attempts to bytes and back, strictly: an unknown, missing or mistyped field is a named error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

import msgspec

from augment.heavy import numpy as np
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.store.contract import AttemptRecord, Provenance, TrainingRecord
from orchestration.store.format.documents import Document, body_text, corrupt, decode, seal, unseal
from orchestration.store.format.free_fields import ENVIRONMENT, NOTES, RECIPE, check_fields
from orchestration.store.format.lazy import LazyList
from trainers.job import EpochRow, TrainSummary

VERSION: Final = 1
_COLUMNS: Final = tuple(field.name for field in fields(EpochRow))
_HELD_OUT: Final = ("validation_loss", "validation_accuracy")
_GPU: Final = ("gpu_busy", "gpu_memory_mib", "gpu_power_w")


def _without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in _COLUMNS if name not in names)


def _type_of(name: str) -> Any:
    # Not every epoch has been on a machine whose GPU says it.
    return float | None if name in _GPU else int if name in ("epoch", "step") else float


_EPOCH_TYPES: Final[dict[tuple[str, ...], Any]] = {
    names: list[tuple[tuple(_type_of(name) for name in names)]]  # type: ignore[misc]
    for names in (_COLUMNS, _without(*_HELD_OUT), _without(*_GPU), _without(*_HELD_OUT, *_GPU))
}
"""Columns of the epochs -> type of their rows; fewer columns are those of a training without held-out images or a GPU."""


class _Summary(Document, frozen=True):
    checkpoint_sha256: str
    checkpoint_uri: str
    resumed_from_step: int | None
    wall_s: float
    device_s: float
    environment: dict[str, Any]


class _Training(Document, frozen=True):
    train_key: str
    summary: _Summary
    epoch_columns: tuple[str, ...]
    epochs: msgspec.Raw
    provenance: Provenance


class ArraysFile(Document, frozen=True):
    """Where the arrays of a report are: a file next to it, its SHA-256, and the names in it."""

    file: str
    sha256: str
    names: tuple[str, ...]


class StoredReport(Document, frozen=True):
    """A report as it is written: whose it is, and what it says; its arrays are in a file of their own."""

    train_key: str
    checkpoint_sha256: str
    benchmark: str
    benchmark_key: str
    semantics: int
    wall_s: float
    metrics: dict[str, tuple[float, int]]
    rows: msgspec.Raw
    notes: dict[str, Any]
    forward_passes: int
    arrays: ArraysFile | None


def encode_training(record: TrainingRecord) -> bytes:
    """Return the bytes of a training record."""
    summary = record.summary
    empty = [
        name
        for names in (_HELD_OUT, _GPU)
        if all(getattr(row, name) is None for row in summary.epochs for name in names)
        for name in names
    ]
    columns = _without(*empty)
    body = {
        "train_key": record.train_key,
        "summary": {name: getattr(summary, name) for name in TrainSummary.__slots__ if name != "epochs"},
        "epoch_columns": columns,
        "epochs": [[getattr(row, name) for name in columns] for row in summary.epochs],
        "provenance": msgspec.structs.asdict(record.provenance),
    }
    return seal("training", VERSION, body)


def decode_training(data: bytes, where: str) -> TrainingRecord:
    """Return the training record in these bytes, whose checksum was looked at before; its epochs are read when looked at."""
    found = decode(body_text(data, "training", VERSION), where, _Training)
    columns = found.epoch_columns
    if columns not in _EPOCH_TYPES:
        raise corrupt(where, "the epochs of a training record have unknown columns")
    check_fields(where, "summary.environment", found.summary.environment, ENVIRONMENT)
    recipe = found.provenance.config.get("recipe")
    if isinstance(recipe, Mapping):
        check_fields(where, "provenance.config.recipe", recipe, RECIPE)
    epochs = LazyList(lambda: _epochs(found.epochs, columns, where))
    summary = TrainSummary(
        **msgspec.structs.asdict(found.summary),
        epochs=epochs,  # type: ignore[arg-type]  # a sequence that is made when looked at
    )
    return TrainingRecord(train_key=found.train_key, summary=summary, provenance=found.provenance)


def _epochs(text: msgspec.Raw, columns: tuple[str, ...], where: str) -> tuple[EpochRow, ...]:
    rows = decode(text, where, _EPOCH_TYPES[columns])
    return tuple(EpochRow(**dict(zip(columns, row, strict=True))) for row in rows)


def encode_report(train_key: str, checkpoint_sha256: str, report: MetricReport, arrays: ArraysFile | None) -> bytes:
    """Return the bytes of a successful report on a checkpoint."""
    outcome = report.outcome
    assert outcome is not None
    body = {
        "train_key": train_key,
        "checkpoint_sha256": checkpoint_sha256,
        "benchmark": report.benchmark,
        "benchmark_key": report.benchmark_key,
        "semantics": report.semantics,
        "wall_s": report.wall_s,
        "metrics": {name: [metric.value, metric.n] for name, metric in outcome.metrics.items()},
        "rows": tuple(outcome.rows),
        "notes": outcome.notes,
        "forward_passes": outcome.forward_passes,
        "arrays": arrays,
    }
    return seal("report", VERSION, body)


def decode_report(data: bytes, where: str) -> StoredReport:
    """Return the report in these bytes, whose checksum was looked at before."""
    found = decode(body_text(data, "report", VERSION), where, StoredReport)
    check_fields(where, "notes", found.notes, NOTES)
    return found


def report_of(
    stored: StoredReport, where: str, arrays: Mapping[str, np.typing.NDArray[np.generic]] = MappingProxyType({})
) -> MetricReport:
    """Return what a stored report says; its fine rows are read when looked at."""
    rows = LazyList(lambda: tuple(decode(stored.rows, where, list[dict[str, Any]])))
    outcome = BenchmarkOutcome(
        metrics={name: MetricValue(value, n) for name, (value, n) in stored.metrics.items()},
        rows=rows,  # type: ignore[arg-type]  # a sequence that is made when looked at
        arrays=arrays,
        notes=stored.notes,
        forward_passes=stored.forward_passes,
    )
    return MetricReport(
        benchmark=stored.benchmark,
        benchmark_key=stored.benchmark_key,
        semantics=stored.semantics,
        outcome=outcome,
        wall_s=stored.wall_s,
    )


def encode_attempt(attempt: AttemptRecord) -> bytes:
    """Return the bytes of an attempt record."""
    return seal("attempt", VERSION, msgspec.structs.asdict(attempt))


def decode_attempt(data: bytes, where: str) -> AttemptRecord:
    """Return the attempt record in these bytes."""
    return unseal(data, "attempt", VERSION, where, AttemptRecord)

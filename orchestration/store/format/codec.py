"""Records to bytes and back, strictly: an unknown, missing or mistyped field is a named error, never a guess."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.store.contract import AttemptRecord, ErrorClass, Provenance, TrainingRecord
from orchestration.store.format.lazy import LazyList, without_list
from orchestration.store.format.plain import body_text, corrupt, from_json, seal, unseal
from trainers.job import EpochRow, TrainSummary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION: Final = 1
_EPOCH_COLUMNS: Final = tuple(field.name for field in fields(EpochRow))
_HELD_OUT_COLUMNS: Final = ("validation_loss", "validation_accuracy")
_PLAIN_COLUMNS: Final = tuple(name for name in _EPOCH_COLUMNS if name not in _HELD_OUT_COLUMNS)
"""What is written of a training that held no images out."""

_INTEGER_COLUMNS: Final = frozenset({"epoch", "step"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraysFile:
    """Where the arrays of a report lie: a file beside it, its SHA-256, and the names in it."""

    file: str
    sha256: str
    names: tuple[str, ...]


class Fields:
    """Takes the fields of an object one by one, checks their types, and complains about those left over."""

    def __init__(self, found: object, where: str) -> None:
        if not isinstance(found, dict):
            raise corrupt(where, f"a record's part must be an object, but it is a {type(found).__name__}")
        self._left: dict[str, Any] = dict(found)
        self._where = where

    def take(self, name: str, *kinds: type) -> Any:
        """Return a field of one of the given types; a whole number passes as a float, a bool never as a number."""
        if name not in self._left:
            raise corrupt(self._where, f"a record must have the field '{name}'")
        value = self._left.pop(name)
        if float in kinds and type(value) is int:
            value = float(value)
        if type(value) not in kinds:
            names = " or ".join(kind.__name__ for kind in kinds)
            raise corrupt(self._where, f"the field '{name}' must be {names}, but it is {value!r:.60}")
        return value

    def end(self) -> None:
        """Complain when a field was not taken."""
        if self._left:
            raise corrupt(self._where, f"a record has the unknown field '{next(iter(self._left))}'")


def encode_training(record: TrainingRecord) -> bytes:
    """Return the bytes of a training record."""
    summary, provenance = record.summary, record.provenance
    has_held_out = any(row.validation_loss is not None for row in summary.epochs)
    columns = _EPOCH_COLUMNS if has_held_out else _PLAIN_COLUMNS
    body = {
        "train_key": record.train_key,
        "summary": {name: getattr(summary, name) for name in TrainSummary.__slots__ if name != "epochs"},
        "epoch_columns": columns,
        "epochs": [[getattr(row, name) for name in columns] for row in summary.epochs],
        "provenance": {name: getattr(provenance, name) for name in Provenance.__slots__},
    }
    return seal("training", VERSION, body)


def decode_training(data: bytes, where: str, *, is_checked: bool = False) -> TrainingRecord:
    """Return the training record in these bytes; their checksum is not looked at again when it was before.

    Raises:
        CorruptRecordError: If they are not a whole training record of this version.
    """
    cut = without_list(body_text(data, "training", VERSION), "epochs", "provenance") if is_checked else None
    body = Fields(cut[0] if cut else unseal(data, "training", VERSION, where, is_checked=is_checked), where)
    if body.take("epoch_columns", list) not in (list(_PLAIN_COLUMNS), list(_EPOCH_COLUMNS)):
        raise corrupt(where, "the epochs of a training record have unknown columns")
    listed = body.take("epochs", list)
    epochs = LazyList(lambda: _epochs(from_json(cut[1], where), where)) if cut else _epochs(listed, where)
    summary = _summary(Fields(body.take("summary", dict), where), epochs)
    provenance = _provenance(Fields(body.take("provenance", dict), where))
    record = TrainingRecord(train_key=body.take("train_key", str), summary=summary, provenance=provenance)
    body.end()
    return record


def encode_report(train_key: str, checkpoint_sha256: str, report: MetricReport, arrays: ArraysFile | None) -> bytes:
    """Return the bytes of a successful report on a checkpoint; its arrays lie in a file of their own."""
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
        "arrays": None if arrays is None else {"file": arrays.file, "sha256": arrays.sha256, "names": arrays.names},
    }
    return seal("report", VERSION, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A report as read: whose it is, what it says, and where its arrays lie."""

    train_key: str
    checkpoint_sha256: str
    report: MetricReport


class LazyArrays(Mapping[str, "NDArray[np.generic]"]):
    """The arrays of a report, read when one of them is asked for."""

    def __init__(self, names: tuple[str, ...], load: Any) -> None:
        self._names = names
        self._load = load
        self._loaded: Mapping[str, NDArray[np.generic]] | None = None

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        if name not in self._names:
            raise KeyError(name)
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def decode_report(data: bytes, where: str, load_arrays: Any, *, is_checked: bool = False) -> StoredReport:
    """Return the report in these bytes; `load_arrays(ArraysFile)` is called when its arrays are first asked for.

    Their checksum is not looked at again when it was before.

    Raises:
        CorruptRecordError: If they are not a whole report of this version.
    """
    cut = without_list(body_text(data, "report", VERSION), "rows", "notes") if is_checked else None
    body = Fields(cut[0] if cut else unseal(data, "report", VERSION, where, is_checked=is_checked), where)
    listed = body.take("rows", list)
    rows = LazyList(lambda: _rows(from_json(cut[1], where), where)) if cut else _rows(listed, where)
    metrics = {name: _metric(pair, where) for name, pair in body.take("metrics", dict).items()}
    outcome = BenchmarkOutcome(
        metrics=metrics,
        rows=rows,  # type: ignore[arg-type]  # a sequence that is made when looked at
        arrays=_arrays(body.take("arrays", dict, type(None)), where, load_arrays),
        notes=body.take("notes", dict),
        forward_passes=body.take("forward_passes", int),
    )
    report = MetricReport(
        benchmark=body.take("benchmark", str),
        benchmark_key=body.take("benchmark_key", str),
        semantics=body.take("semantics", int),
        outcome=outcome,
        wall_s=body.take("wall_s", float),
    )
    key, checkpoint = body.take("train_key", str), body.take("checkpoint_sha256", str)
    body.end()
    return StoredReport(train_key=key, checkpoint_sha256=checkpoint, report=report)


def encode_attempt(attempt: AttemptRecord) -> bytes:
    """Return the bytes of an attempt record."""
    return seal("attempt", VERSION, {name: getattr(attempt, name) for name in AttemptRecord.__slots__})


def decode_attempt(data: bytes, where: str) -> AttemptRecord:
    """Return the attempt record in these bytes.

    Raises:
        CorruptRecordError: If they are not a whole attempt record of this version.
    """
    body = Fields(unseal(data, "attempt", VERSION, where), where)
    error_class = body.take("error_class", str)
    if error_class not in get_args(ErrorClass):
        raise corrupt(
            where, f"the field 'error_class' must be one of {', '.join(get_args(ErrorClass))}, not '{error_class}'"
        )
    attempt = AttemptRecord(
        train_key=body.take("train_key", str),
        attempt=body.take("attempt", int),
        error_class=error_class,
        message=body.take("message", str),
        started_at=body.take("started_at", float),
        ended_at=body.take("ended_at", float),
        context=body.take("context", dict),
    )
    body.end()
    return attempt


def _epochs(rows: list[Any], where: str) -> tuple[EpochRow, ...]:
    """Check whole columns at once: a table reads the epochs of a thousand cells."""
    width = len(rows[0]) if rows and type(rows[0]) is list else len(_PLAIN_COLUMNS)
    is_known = width in (len(_PLAIN_COLUMNS), len(_EPOCH_COLUMNS))
    if not is_known or any(type(row) is not list or len(row) != width for row in rows):
        raise corrupt(where, "an epoch of a training record must have one value per column")
    for name, column in zip(_EPOCH_COLUMNS, zip(*rows, strict=True), strict=False):
        if not set(map(type, column)) <= ({int} if name in _INTEGER_COLUMNS else {int, float}):
            raise corrupt(where, f"the epoch column '{name}' must hold numbers, but it holds {column!r:.60}")
    return tuple(
        EpochRow(
            epoch=epoch,
            step=step,
            loss=float(loss),
            accuracy=float(accuracy),
            lr=float(lr),
            images_per_s=float(images_per_s),
            data_wait_share=float(data_wait_share),
            memory_mib=float(memory_mib),
            time=float(time),
            validation_loss=None if not held_out else float(held_out[0]),
            validation_accuracy=None if not held_out else float(held_out[1]),
        )
        for epoch, step, loss, accuracy, lr, images_per_s, data_wait_share, memory_mib, time, *held_out in rows
    )


def _summary(body: Fields, epochs: tuple[EpochRow, ...] | LazyList[EpochRow]) -> TrainSummary:
    summary = TrainSummary(
        checkpoint_sha256=body.take("checkpoint_sha256", str),
        checkpoint_uri=body.take("checkpoint_uri", str),
        epochs=epochs,  # type: ignore[arg-type]  # a sequence that is made when looked at
        resumed_from_step=body.take("resumed_from_step", int, type(None)),
        wall_s=body.take("wall_s", float),
        device_s=body.take("device_s", float),
        environment=body.take("environment", dict),
    )
    body.end()
    return summary


def _provenance(body: Fields) -> Provenance:
    provenance = Provenance(
        commit=body.take("commit", str),
        dirty=body.take("dirty", bool),
        config=body.take("config", dict),
        config_hash=body.take("config_hash", str),
        data_identity=body.take("data_identity", str),
        versions=body.take("versions", dict),
        driver=body.take("driver", dict),
        recorded_at=body.take("recorded_at", float),
    )
    body.end()
    return provenance


def _metric(pair: object, where: str) -> MetricValue:
    if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) not in {int, float} or type(pair[1]) is not int:
        raise corrupt(where, f"a metric must be a value and a number of samples, but it is {pair!r:.60}")
    return MetricValue(float(pair[0]), pair[1])


def _rows(listed: list[Any], where: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(_row(row, where) for row in listed)


def _row(row: object, where: str) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise corrupt(where, f"a fine row must be an object, but it is {row!r:.60}")
    return row


def _arrays(found: object, where: str, load: Any) -> Mapping[str, NDArray[np.generic]]:
    if found is None:
        return MappingProxyType({})
    body = Fields(found, where)
    names = tuple(str(name) for name in body.take("names", list))
    arrays = ArraysFile(file=body.take("file", str), sha256=body.take("sha256", str), names=names)
    body.end()
    return LazyArrays(names, lambda: load(arrays))

"""Records as a finished job leaves them: unremarkable values, and by name the fields that a test is about."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from eval.benchmarks.contract import BenchmarkRequest
from eval.report import BenchmarkOutcome, MetricReport
from orchestration.store.contract import Provenance, TrainingRecord
from trainers.job import TrainSummary

DIGEST = "d" * 64
"""Hash of the weights of every record that names no other."""


def make_summary(**changes: Any) -> TrainSummary:
    """Return the outcome of a training of one second without epochs; `changes` are fields of `TrainSummary`."""
    values: dict[str, Any] = {
        "checkpoint_sha256": DIGEST,
        "checkpoint_uri": "x",
        "epochs": (),
        "resumed_from_step": None,
        "wall_s": 1.0,
        "device_s": 1.0,
        "environment": {},
    }
    return TrainSummary(**values | changes)


def make_provenance(**changes: Any) -> Provenance:
    """Return a provenance that names nothing; `changes` are fields of `Provenance`."""
    values: dict[str, Any] = {
        "commit": "",
        "dirty": False,
        "config": {},
        "config_hash": "",
        "data_identity": "",
        "versions": {},
        "driver": {},
        "recorded_at": 0.0,
    }
    return Provenance(**values | changes)


def make_training(train_key: str, **changes: Any) -> TrainingRecord:
    """Return the record of a finished training; `changes` are fields of its summary or of its provenance."""
    names = {field.name for field in fields(TrainSummary)}
    return TrainingRecord(
        train_key=train_key,
        summary=make_summary(**{name: value for name, value in changes.items() if name in names}),
        provenance=make_provenance(**{name: value for name, value in changes.items() if name not in names}),
    )


def make_report(request: BenchmarkRequest, outcome: BenchmarkOutcome | None, **changes: Any) -> MetricReport:
    """Return the report on a requested benchmark; `changes` are fields of `MetricReport`."""
    values: dict[str, Any] = {"benchmark": request.name, "benchmark_key": request.key, "semantics": 1}
    return MetricReport(**values | changes, outcome=outcome)

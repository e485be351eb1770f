"""A store that holds made-up results of a sweep, with fine rows, curves and provenance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.load import load_sweep
from orchestration.store.contract import ResultsStore, TrainingRecord
from orchestration.store.open import open_store
from orchestration.sweeps.model import Overrides, Size
from tests.fakes.records import make_report, make_training
from trainers.job import EpochRow

DIGEST = "d" * 64
FINE = {
    "c-generated": [("corruption", kind, severity) for kind in ("fog", "snow") for severity in (1, 3)],
    "p-generated": [("perturbation", kind, None) for kind in ("tilt", "rotate")],
}


def record(store: ResultsStore, cell: ResolvedCell, base: float) -> None:
    store.record_training(training_of(cell))
    for request in cell.benchmarks:
        store.record_report(cell.train_key, DIGEST, report_of(request, base + 0.01 * cell.config.seed))


def training_of(cell: ResolvedCell) -> TrainingRecord:
    row = {"lr": 0.1, "images_per_s": 100.0, "data_wait_share": 0.0, "memory_mib": 1.0, "time": 0.0}
    return make_training(
        cell.train_key,
        epochs=tuple(
            EpochRow(epoch=at, step=at + 1, loss=2.0 / (at + 1), accuracy=0.3 * (at + 1), **row) for at in range(3)
        ),
        wall_s=36.0,
        device_s=36.0,
        environment={
            "device": "NVIDIA L4",
            "device_type": "cuda",
            "precision": "tf32",
            "byte_digests": {"train": "ab" * 32},
            "world_size": 1,
        },
        commit="c0ffee" * 7,
        config={"dataset": cell.config.dataset},
        versions={"torch": "2.14.1", "python": "3.11.7"},
        recorded_at=1.7e9,
    )


def report_of(request: BenchmarkRequest, error: float) -> MetricReport:
    metrics = {name: MetricValue(error, 100) for name in ("error", "mfr", "mt5d", "rms", "rms-reference")}
    metrics |= {name: MetricValue(1.0 - error, 100) for name in ("auroc", "aupr")}
    rows = [
        {name: kind, "severity": level, "error": error, "mfr": error}
        for name, kind, level in FINE.get(request.name, ())
    ]
    if request.name == "clean":
        rows = [{"from": 0.0, "to": 0.5, "count": 10, "confidence": 0.4, "accuracy": 0.5},
                {"from": 0.5, "to": 1.0, "count": 30, "confidence": 0.8, "accuracy": 0.7}]  # fmt: skip
    outcome = BenchmarkOutcome(
        metrics=metrics,
        rows=tuple(rows),
        forward_passes=1,
        notes={"limited": {"used": 1, "of": 2}, "generated": True},
    )
    return make_report(request, outcome, wall_s=18.0)


@pytest.fixture
def recorded_store(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that records every cell of a sweep (two seeds) and gives the storage folder."""

    def made(name: str, size: Size, data_root: Path | None = None) -> Path:
        overrides, catalogue = Overrides(seeds=(0, 1)), builtin_catalogue(data_root)
        cells = load_sweep(name, size=size, overrides=overrides, catalogue=catalogue).cells
        store = open_store(str(tmp_path))
        for place, cell in enumerate(cells):
            record(store, cell, 0.1 + 0.02 * (place // 2))
        return tmp_path

    return made

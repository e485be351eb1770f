"""Records as small as they can be, and stores of every kind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusters.storage.local import LocalStorage
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.store.contract import AttemptRecord, TrainingRecord
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from tests.fakes.records import make_training
from trainers.job import EpochRow

Clock = Callable[[], float]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Records:
    """Makes records; their content depends on the arguments alone."""

    @staticmethod
    def key(name: str) -> str:
        return digest(f"cell {name}")

    @staticmethod
    def training(name: str, *, checkpoint: str = "a", at: float = 1000.0, epochs: int = 2) -> TrainingRecord:
        rows = tuple(
            EpochRow(
                epoch=epoch,
                step=10 * epoch,
                loss=1.5 / (epoch + 1),
                accuracy=0.5,
                lr=0.1,
                images_per_s=100.0,
                data_wait_share=0.0,
                memory_mib=512.0,
                time=at - 10 + epoch,
            )
            for epoch in range(epochs)
        )
        return make_training(
            Records.key(name),
            checkpoint_sha256=digest(checkpoint),
            checkpoint_uri=f"/checkpoints/{name}",
            epochs=rows,
            wall_s=12.5,
            device_s=25.0,
            environment={"torch": "2.14", "world_size": 2},
            commit="c0ffee",
            config={"method": "pixmix", "train": {"epochs": epochs, "betas": [0.9, 1]}, "mixing_set": None},
            config_hash=digest(name),
            data_identity="digits",
            versions={"python": "3.11"},
            driver={"host": "here"},
            recorded_at=at,
        )

    @staticmethod
    def report(benchmark: str = "clean", *, error: float = 0.25, arrays: bool = False, rows: int = 2) -> MetricReport:
        outcome = BenchmarkOutcome(
            metrics={"error": MetricValue(error, 1000), "ece": MetricValue(float("nan"), 0)},
            rows=tuple({"corruption": "fog", "severity": level + 1, "error": error} for level in range(rows)),
            arrays={"logits": np.arange(12, dtype=np.float16).reshape(3, 4), "labels": np.arange(3)} if arrays else {},
            notes={"images": 1000, "limit": float("inf")},
            forward_passes=1000,
        )
        return MetricReport(
            benchmark=benchmark, benchmark_key=digest(benchmark), semantics=1, outcome=outcome, wall_s=3.0
        )

    @staticmethod
    def attempt(name: str, number: int = 1, *, at: float = 50.0, message: str = "out of memory") -> AttemptRecord:
        return AttemptRecord(
            train_key=Records.key(name),
            attempt=number,
            error_class="out-of-memory",
            message=message,
            started_at=at - 5,
            ended_at=at,
            context={"rank": 1},
        )


@pytest.fixture
def records() -> type[Records]:
    return Records


class Stores:
    """Opens the same records several times, as several drivers would."""

    def __init__(self, open_another: Callable[..., FileStore]) -> None:
        self.open = open_another


@pytest.fixture(params=["memory", "local", "s3"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "memory":
        from orchestration.store.files import MemoryStore

        shared = MemoryStore().storage

        def another(**options: Any) -> FileStore:
            return FileStore(shared, **options)

        return Stores(another)
    uri = str(tmp_path / "storage") if request.param == "local" else request.getfixturevalue("s3_uri")

    def opened(**options: Any) -> FileStore:
        return FileStore(open_store(uri).storage, **options)

    return Stores(opened)


@pytest.fixture
def store(stores: Stores) -> FileStore:
    return stores.open()


@pytest.fixture
def hide_records(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function from whose call on the files of records cannot be read, so that only the index can answer."""

    def hide() -> None:
        read_bytes = LocalStorage.read_bytes

        def read(storage: LocalStorage, path: str) -> bytes:
            assert not (path.startswith("results/") and path.endswith(".json")), (
                f"the index should have answered: {path}"
            )
            return read_bytes(storage, path)

        monkeypatch.setattr(LocalStorage, "read_bytes", read)

    return hide

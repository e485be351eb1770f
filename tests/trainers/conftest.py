"""Small jobs on the digits, and sinks that remember what they were told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from trainers.config import JobConfig, RecipeConfig
from trainers.job import JobPaths, JobRequest


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Threads that spin while they wait for each other make a shared machine crawl."""
    import torch

    torch.set_num_threads(1)


class Remembering:
    """A `JobSink` that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.stop_requested: Callable[[], bool] = lambda: False

    def epoch(self, *values: Any) -> None:
        self.events.append(("epoch", *values))

    def progress(self, *values: Any) -> None:
        self.events.append(("progress", *values))

    def trained(self, *values: Any) -> None:
        self.events.append(("trained", *values))

    def benchmark(self, *values: Any) -> None:
        self.events.append(("benchmark", *values))

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event for event in self.events if event[0] == kind]


@pytest.fixture
def sink() -> Remembering:
    return Remembering()


@pytest.fixture
def make_sink() -> type[Remembering]:
    return Remembering


@pytest.fixture
def small_job(tmp_path: Path) -> Callable[..., JobRequest]:
    """Make a request for 37 digits, batches of 16 in 2 shards, 2 epochs of a WRN-10-1 with drop-out."""

    def make(
        *, train_key: str = "ab" * 32, recipe: Mapping[str, Any] | None = None, folder: str = "work", **changes: Any
    ) -> JobRequest:
        values: dict[str, Any] = {
            "epochs": 2,
            "batch_size": 16,
            "batch_shards": 2,
            "train_images": 37,
            "crop_padding": 2,
            **(recipe or {}),
        }
        config = JobConfig(
            method="baseline",
            method_params={},
            dataset="digits",
            model="wrn-10-1",
            recipe=RecipeConfig(**values),
            seed=7,
            model_params={"dropout": 0.3},
        )
        known = {field.name for field in dataclasses.fields(JobConfig)}
        config = dataclasses.replace(config, **{key: value for key, value in changes.items() if key in known})
        others = {key: value for key, value in changes.items() if key not in known}
        paths = JobPaths(
            checkpoints=str(tmp_path / folder / "checkpoints"), data_root="nowhere", cache_dir=str(tmp_path / "cache")
        )
        return JobRequest(train_key=train_key, config=config, benchmarks=(), paths=paths, **{"threads": 1, **others})

    return make

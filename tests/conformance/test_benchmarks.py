"""Every benchmark and every metric: what all of them must do. A new entry in the registry is tested by being there."""

from __future__ import annotations

import json
import math
import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import BENCHMARKS, full_params
from eval.benchmarks.suite.evaluate import evaluate
from eval.inference.subject import Subject
from eval.metrics.registry import METRICS
from eval.tables.column import Column, check_column

pytestmark = pytest.mark.usefixtures("one_torch_thread")

RECORDED = Path(__file__).with_name("benchmark_semantics.json")
WRITE_VARIABLE = "DREAMGRID_WRITE_DIGESTS"

QUICK: dict[str, dict[str, object]] = {
    "clean": {},
    "clean-scaled": {},
    "c-generated": {
        "kinds": ["gaussian_noise", "fog", "pixelate"],
        "severities": [2, 5],
        "baseline": "alexnet-imagenet-c",
    },
    "pgd": {"steps": 4, "epsilon": "8/255", "step_size": "3/255", "restarts": 2},
    "pgd-reference": {"steps": 4, "epsilon": "8/255", "step_size": "3/255"},
    "ood-generated": {"repeats": 2},
    "p-generated": {"kinds": ["gaussian_noise", "translate"], "max_images": 30, "baseline": "made-up"},
    "cbar-generated": {"severities": [4], "max_images": 200},
    "mnist-c-generated": {"max_images": 300},
}
"""Parameters that keep a benchmark to a second; a benchmark that is not listed runs with its defaults."""

RUN_HERE = [name for name, benchmark in BENCHMARKS.items() if benchmark.origin != "published"]
"""Benchmarks that need no files; those of published files are run in `tests/eval/benchmarks/test_published_benchmarks.py`."""

BASELINE = """
what: a network of the test
source: made up
flip_rates: {gaussian_noise: 0.2, translate: 0.1}
top5_distances: {gaussian_noise: 3.0, translate: 2.0}
"""


class FixedNet(nn.Module):
    """Averages of fixed waves over the image: the same network on every machine."""

    def __init__(self) -> None:
        super().__init__()
        position = torch.arange(10 * 10 * 3, dtype=torch.float64)
        waves = torch.stack([torch.cos(position * (0.11 + 0.37 * k) + k) for k in range(10)])
        self.register_buffer("waves", (waves / 2).float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tanh((images - 0.5).flatten(1) @ self.waves.T / 2) * 3


@pytest.fixture
def fixed_subject(tmp_path: Path) -> Subject:
    n, y, x, c = np.meshgrid(np.arange(205), np.arange(10), np.arange(10), np.arange(3), indexing="ij")
    images = ((n * 53 + (y * (n % 9 + 1) + x * (n % 4 + 2)) * 13 + c * 71) % 256).astype(np.uint8)
    network = FixedNet().eval()
    with torch.no_grad():
        likely = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).argmax(1).numpy()
    labels = np.where(np.arange(205) % 4 == 0, np.arange(205) % 10, likely).astype(np.int64)
    return Subject(
        model=network,
        device=torch.device("cpu"),
        dataset="fixed",
        fingerprint="fixed-v1",
        images=images,
        labels=labels,
        num_classes=10,
        data_root=tmp_path,
        cache_dir=tmp_path / "cache",
        load_images=lambda name: np.zeros((0, 10, 10, 3), dtype=np.uint8),
        batch_size=50,
    )


def outcome_of(name: str, subject: Subject):
    (subject.data_root / "baselines").mkdir(exist_ok=True)
    (subject.data_root / "baselines" / "made-up.yaml").write_text(BASELINE)
    (report,) = evaluate(subject, [BenchmarkRequest(name=name, params=QUICK.get(name, {}), key="key")])
    assert report.error is None, report.error
    assert report.outcome is not None
    return report.outcome


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_described_in_full(name):
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    assert benchmark.title
    assert benchmark.source
    assert benchmark.semantics >= 1
    assert benchmark.metrics
    assert set(benchmark.metrics) <= set(METRICS)
    assert (benchmark.origin == "generated") == name.endswith("-generated")
    for metric in benchmark.metrics:
        column = Column.of(f"{name}/{metric}")
        check_column(column)
        assert column.label.startswith(benchmark.title)
        assert column.spec.name == metric


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_parameters_and_the_run_of_a_benchmark_are_in_one_file(name):
    benchmark = BENCHMARKS[name]
    assert benchmark.run.__module__ == benchmark.config.__module__
    assert benchmark.run.__module__.startswith("eval.benchmarks.")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_parameters_of_a_benchmark_are_frozen_plain_and_complete(name):
    config = BENCHMARKS[name].config
    assert config.__dataclass_params__.frozen
    params = full_params(name, {})
    assert set(params) == {field.name for field in fields(config)}
    assert json.loads(json.dumps(params)) == params
    assert full_params(name, params) == params


@pytest.mark.parametrize("name", RUN_HERE)
def test_a_benchmark_yields_what_it_declares_and_leaves_its_subject_alone(name, fixed_subject):
    images, labels = fixed_subject.images.copy(), fixed_subject.labels.copy()
    outcome = outcome_of(name, fixed_subject)
    assert set(outcome.metrics) == set(BENCHMARKS[name].metrics)
    for metric, found in outcome.metrics.items():
        assert type(found.value) is float
        assert found.n > 0
        assert found.value >= 0.0
        if METRICS[metric].unit == "fraction":
            assert found.value <= 1.0
    assert outcome.forward_passes > 0
    assert outcome.arrays
    json.dumps([dict(row) for row in outcome.rows])
    json.dumps(dict(outcome.notes))
    assert np.array_equal(fixed_subject.images, images)
    assert np.array_equal(fixed_subject.labels, labels)


@pytest.mark.parametrize("name", RUN_HERE)
def test_a_benchmark_repeats(name, fixed_subject):
    first, second = outcome_of(name, fixed_subject), outcome_of(name, fixed_subject)
    assert first.metrics == second.metrics
    assert first.rows == second.rows
    assert all(np.array_equal(first.arrays[key], second.arrays[key], equal_nan=True) for key in first.arrays)


@pytest.mark.parametrize("name", RUN_HERE)
def test_threads_that_load_ahead_change_no_bit(name, fixed_subject):
    """Kept images are made again by the threads, those that are made on the fly come from them one part each."""
    expected = outcome_of(name, fixed_subject)
    for budget in (0, math.inf):
        ahead = replace(
            fixed_subject, threads=3, cache_dir=fixed_subject.cache_dir / str(budget), generated_bytes=budget
        )
        found = outcome_of(name, ahead)
        assert found.metrics == expected.metrics
        assert found.rows == expected.rows
        assert found.arrays.keys() == expected.arrays.keys()
        assert all(np.array_equal(expected.arrays[key], found.arrays[key], equal_nan=True) for key in found.arrays)


@pytest.mark.parametrize("name", RUN_HERE)
def test_numbers_change_only_with_the_semantics_version(name, fixed_subject):
    """The numbers of each version are recorded; to record a new version, raise `semantics` and set the variable below."""
    found = {metric: round(value.value, 9) for metric, value in outcome_of(name, fixed_subject).metrics.items()}
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    version = str(BENCHMARKS[name].semantics)
    if os.environ.get(WRITE_VARIABLE) and version not in recorded.get(name, {}):
        recorded.setdefault(name, {})[version] = found
        RECORDED.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n")
    assert version in recorded.get(name, {}), f"version {version} is not recorded; set {WRITE_VARIABLE}=1 to record it"
    assert found == pytest.approx(recorded[name][version], abs=1e-5), (
        f"the numbers of {name!r} changed; if that is meant, raise its semantics from {version} and record them"
    )


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_described_in_full(name):
    metric = METRICS[name]
    assert metric.name == name
    assert metric.label
    assert metric.source
    assert metric.normalisation
    assert (metric.unit == "ratio") == metric.normalisation.startswith("a named baseline")
    assert metric.is_percent == (metric.unit in ("fraction", "ratio"))


def test_every_metric_is_computed_by_itself_or_belongs_to_a_benchmark_or_details_one():
    used = {metric for benchmark in BENCHMARKS.values() for metric in benchmark.metrics}
    assert {name for name, spec in METRICS.items() if spec.compute is None} - used == {"ce"}

"""Metrics of installed packages as columns of a sweep's table: planned, computed from the store, and named below it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eval.predictions import Predictions
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.store.open import open_store
from tests.conftest import Install
from tests.fakes.records import make_training

PACKAGE = """
import numpy as np
from eval.metrics.contract import MetricSpec

def brier(predictions):
    return float(np.mean((1.0 - predictions.true_probability) ** 2))

BRIER = MetricSpec(name="brier", label="Brier", unit="fraction", lower_is_better=True, compute=brier,
                   description="Mean squared gap of the true class.", source="Brier, 1950", axis="calibration")
"""
SWEEP = """
name: mine
title: My metric
base: {dataset: digits, model: small-cnn, recipe: digits}
axes:
  cells:
    - {row: Kept, method: baseline}
    - {row: Gone, method: cutout}
table: {columns: [clean/error, COLUMN]}
"""
N = 120
DIGEST = "d" * 64


@pytest.fixture
def sweep(install: Install, tmp_path: Path) -> Path:
    install({"mine/__init__.py": PACKAGE}, points="[dreamgrid.metrics]\nany = mine:BRIER\n")
    path = tmp_path / "mine.yaml"
    path.write_text(SWEEP.replace("COLUMN", "clean/brier"))
    return path


@pytest.fixture
def storage(sweep: Path, tmp_path: Path) -> Path:
    """Results of both rows; predictions are kept of the first one only."""
    folder = tmp_path / "storage"
    store = open_store(str(folder))
    for cell in load_sweep(str(sweep)).cells:
        store.record_training(make_training(cell.train_key))
        outcome = BenchmarkOutcome(
            metrics={"error": MetricValue(0.25, N)},
            arrays=predictions().arrays("clean") if cell.cell.row == "Kept" else {},
        )
        (request,) = cell.benchmarks
        report = MetricReport(benchmark="clean", benchmark_key=request.key, semantics=2, outcome=outcome)
        store.record_report(cell.train_key, DIGEST, report)
    return folder


def predictions() -> Predictions:
    ones = np.ones(N, dtype=np.float32)
    return Predictions(
        labels=np.zeros(N, dtype=np.int32),
        top_classes=np.zeros((N, 2), dtype=np.uint8),
        top_probabilities=np.stack([0.75 * ones, 0.25 * ones], axis=1),
        true_probability=0.75 * ones,
        max_logit=ones,
        mean_logit=ones,
        logsumexp=ones,
    )


def test_a_table_computes_the_column_and_says_where_no_predictions_are_kept(
    sweep: Path, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", str(sweep), "--storage", str(storage), "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)

    assert [entry and entry["mean"] for entry in table["entries"][0]] == [0.25, pytest.approx(0.0625)]
    assert table["entries"][1][1] is None
    (undefined,) = table["undefined"]
    assert (undefined["row"], undefined["column"]) == ("Gone", "clean/brier")
    assert undefined["reason"].startswith("is not known: no predictions were kept")
    assert any(note.startswith("Clean Brier: metric 'brier' of mine 1.0 (sha256:") for note in table["notes"])


def test_a_plan_wants_nothing_more_for_the_column(
    sweep: Path, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(sweep), "--storage", str(storage), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)

    assert plan["columns"] == ["clean/error", "clean/brier"]
    assert plan["counts"]["to_evaluate"] == 0


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("clean/bier", "did you mean 'brier'?"),
        ("pgd/brier", "benchmark 'pgd' keeps no predictions"),
    ],
)
def test_a_plan_refuses_a_metric_that_is_unknown_or_cannot_be_computed(
    sweep: Path, column: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.write_text(SWEEP.replace("COLUMN", column))
    (tmp_path / "storage").mkdir()

    assert main(["plan", str(sweep), "--storage", str(tmp_path / "storage")]) == 2
    assert message in capsys.readouterr().err


def test_a_cell_of_the_storage_is_a_source_of_predictions(
    sweep: Path, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, gone = (cell.cell_id for cell in load_sweep(str(sweep)).cells)
    assert main(["evaluate", "--from-predictions", kept, "--storage", str(storage), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert report["metrics"]["brier"]["value"] == pytest.approx(0.0625)
    assert report["metrics"]["error"]["value"] == 0.0

    assert main(["evaluate", "--from-predictions", gone, "--storage", str(storage)]) == 2
    assert f"no predictions are kept of cell '{gone}'" in capsys.readouterr().err

"""Documents of `evaluate --json` that somebody wrote by hand: read where they are such documents, else refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.report import BenchmarkOutcome, MetricValue
from orchestration.errors import InputError
from orchestration.evaluation.kept import kept_document
from orchestration.results.evaluation_document import DOCUMENT_KIND
from orchestration.results.exchange import recorded_outcomes, reported_outcomes
from orchestration.store.open import open_store
from tests.fakes.records import make_report, make_training

REPORT: dict[str, Any] = {
    "benchmark": "ood",
    "error": None,
    "metrics": {"auroc": {"value": 0.9, "n": 100}},
    "rows": [{"set": "svhn", "auroc": 0.9}],
    "notes": {"files": {"svhn": {"are": "own"}}, "limited": {"used": 100, "of": 200}},
}
DOCUMENT: dict[str, Any] = {"kind": DOCUMENT_KIND, "checkpoint": "x.pt", "dataset": "cifar-10", "reports": [REPORT]}


def read(folder: Path, text: str) -> Any:
    path = folder / "report.json"
    path.write_text(text, encoding="utf-8")
    return reported_outcomes(path)


def test_a_document_is_read_with_what_marks_it(tmp_path: Path) -> None:
    outcomes, about = read(tmp_path, json.dumps(DOCUMENT))
    assert outcomes["ood"].metrics["auroc"].value == 0.9
    assert (about.name, about.architecture) == ("x.pt (own files: ood) (part of the images: ood)", "")


WRONG = {
    "dataset": {**DOCUMENT, "dataset": 7},
    "checkpoint": {name: value for name, value in DOCUMENT.items() if name != "checkpoint"},
    "reports.0.benchmark": {**DOCUMENT, "reports": [{**REPORT, "benchmark": 1.0}]},
    "reports.0.metrics.auroc.value": {**DOCUMENT, "reports": [{**REPORT, "metrics": {"auroc": {"value": {}, "n": 1}}}]},
    "reports.0.rows.0": {**DOCUMENT, "reports": [{**REPORT, "rows": [["svhn"]]}]},
    "auroc must be a number": {**DOCUMENT, "reports": [{**REPORT, "rows": [{"set": "svhn", "auroc": "much"}]}]},
    "reports.0.notes.files": {**DOCUMENT, "reports": [{**REPORT, "notes": {"files": [1]}}]},
    "is no report of": [DOCUMENT],
}


@pytest.mark.parametrize("said", WRONG)
def test_other_values_are_named(tmp_path: Path, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, json.dumps(WRONG[said]))


@pytest.mark.parametrize(
    ("text", "said"), [("[" * 100_000, "nested too deep"), ("{", "Expecting"), ("9" * 5000, "digits")]
)
def test_texts_that_are_no_json_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, text)


def test_kept_predictions_of_a_benchmark_with_several_results_are_not_confused(tmp_path: Path) -> None:
    """Which of them would be taken depends on their keys: one may be of a part of the images."""
    kept = BenchmarkOutcome(metrics={"error": MetricValue(0.25, 10)}, arrays={"clean/labels": np.zeros(10)})
    whole, limited = (
        make_report(BenchmarkRequest(name="clean", params={}, key=digit * 64), kept) for digit in ("0", "1")
    )
    store = open_store("memory:")
    store.record_training(make_training("c" * 64))
    for report in (whole, limited):
        store.record_report("c" * 64, "d" * 64, report)

    with pytest.raises(InputError, match="cell 'cccc' holds several results of 'clean' with different parameters"):
        kept_document(["cccc"], result_of=lambda _: store.result("c" * 64), params={}, data_root=tmp_path)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, ""),
        ({"released": "x"}, " (released)"),
        ({"adopted_from": "x", "adopted_against": ["y"]}, " (adopted, contradicted)"),
    ],
)
def test_an_exported_cell_says_whether_it_was_trained_here(environment: dict[str, Any], says: str) -> None:
    store = open_store("memory:")
    store.record_training(make_training("c" * 64, environment=environment, config={"method": "pixmix", "seed": 1}))
    outcome = BenchmarkOutcome(metrics={"error": MetricValue(0.25, 10)}, notes={"evaluated_in": "bf16"})
    request = BenchmarkRequest(name="clean", params={}, key="0" * 64)
    store.record_report("c" * 64, "d" * 64, make_report(request, outcome))

    _, about = recorded_outcomes("c" * 64, store)

    assert about.name == f"pixmix seed 1 (cccccccccccc){says} (evaluated in bf16: clean)"

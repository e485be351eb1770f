"""Metrics of installed packages: found by name, checked, and computed from the predictions that are kept of an evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.evaluate import evaluate
from eval.errors import EvalError
from eval.metrics.registry import metric_for, own_metrics
from eval.tables.column import Column, check_column, column_marks, column_value
from eval.tables.own_metrics import Undefined, own_value, with_own_metrics

PACKAGE = """
import numpy as np
from eval.metrics.contract import MetricSpec

def brier(predictions):
    return float(np.mean((1.0 - predictions.true_probability) ** 2))

def gap(outliers, inside):
    return float(inside.confidence.mean() - outliers.confidence.mean())

def still(ranked, reference):
    return float((ranked[:, :1, 0] == ranked[:, :, 0]).all(axis=1).mean())

ABOUT = dict(unit="fraction", lower_is_better=True, description="Of this test.", source="This test.")
BRIER = MetricSpec(name="brier", label="Brier", axis="calibration", min_samples=10, compute=brier, **ABOUT)
GAP = MetricSpec(name="confidence-gap", label="Gap", of="outliers", compute=gap, **ABOUT)
STILL = MetricSpec(name="still", label="Still", of="sequences", compute=still, **ABOUT)
BROKEN = MetricSpec(name="broken", label="Broken", compute=lambda predictions: 1 / 0, **ABOUT)
"""
POINTS = "[dreamgrid.metrics]\na = mine.metrics:BRIER\nb = mine.metrics:GAP\nc = mine.metrics:STILL\nd = mine.metrics:BROKEN\n"
REQUESTS = [
    BenchmarkRequest(name=name, params=params, key=name)
    for name, params in (
        ("clean", {}),
        ("c-generated", {"kinds": ["fog", "contrast"], "severities": [1, 3]}),
        ("ood-generated", {"repeats": 2}),
        ("p-generated", {"kinds": ["translate"], "max_images": 10}),
        ("pgd", {"steps": 1, "max_images": 20}),
    )
]


@pytest.fixture(autouse=True)
def package(install):
    return install({"mine/__init__.py": "", "mine/metrics.py": PACKAGE}, points=POINTS)


@pytest.fixture(scope="module")
def outcomes(shared_subject):
    return {report.benchmark: report.outcome for report in evaluate(shared_subject, REQUESTS)}


def test_a_metric_of_an_installed_package_is_a_column_with_its_code():
    column = Column.of("c-generated/brier/fog")
    assert (column.label, column.axis, column.is_computed) == ("C (generated) Brier: fog", "calibration", True)
    assert metric_for("brier").code["distribution"] == "mine"
    assert metric_for("brier").code["source"].startswith("sha256:")


def test_an_edited_package_is_another_code(package):
    before = metric_for("brier").code["source"]
    path = package / "mine/metrics.py"
    path.write_text(path.read_text().replace("** 2", "** 4"))
    own_metrics.cache_clear()
    assert metric_for("brier").code["source"] != before


def test_a_name_of_a_built_in_metric_is_taken(install):
    install({"mine/metrics.py": PACKAGE.replace('"brier"', '"rms"')}, points=POINTS)
    with pytest.raises(EvalError, match="the name 'rms' of entry point 'a'"):
        own_metrics()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clean/bier", r"benchmark 'clean' has no metric 'bier' \(did you mean 'brier'\?\)"),
        ("pgd/brier", "'brier' is computed from kept predictions on images, but benchmark 'pgd' keeps no predictions"),
        ("ood/brier", "but benchmark 'ood' keeps predictions on outliers"),
        ("clean/brier/fog", "has no fine rows"),
    ],
)
def test_a_metric_that_cannot_be_computed_of_a_benchmark_is_refused(text, message):
    with pytest.raises(EvalError, match=message):
        check_column(Column.of(text))


def test_the_value_is_computed_from_the_kept_predictions(outcomes):
    clean = outcomes["clean"]
    expected = np.mean((1.0 - clean.arrays["clean/true_probability"]) ** 2)
    assert column_value(clean, Column("clean", "brier")) == pytest.approx(expected)
    assert own_value(clean, metric_for("brier")).n == len(clean.arrays["clean/labels"])


def test_a_fine_row_is_the_mean_over_severities_and_the_whole_the_mean_over_fine_rows(outcomes):
    corrupted = outcomes["c-generated"]
    parts = {
        kind: np.mean([np.mean((1.0 - corrupted.arrays[f"{kind}/{s}/true_probability"]) ** 2) for s in (1, 3)])
        for kind in ("fog", "contrast")
    }
    assert column_value(corrupted, Column("c-generated", "brier", "fog")) == pytest.approx(parts["fog"])
    assert column_value(corrupted, Column("c-generated", "brier")) == pytest.approx(np.mean(list(parts.values())))
    assert "generated" in column_marks(corrupted, Column("c-generated", "brier"))


def test_outlier_sets_face_test_images_in_the_subsets_of_the_published_ratio(outcomes):
    gap = column_value(outcomes["ood-generated"], Column("ood-generated", "confidence-gap", "gaussian"))
    arrays = outcomes["ood-generated"].arrays
    inside, outside = (arrays[f"{name}/top_probabilities"][:, 0] for name in ("in-distribution", "outliers/gaussian"))
    assert gap == pytest.approx(inside.mean() - outside.mean(), abs=0.05)
    whole = column_value(outcomes["ood-generated"], Column("ood-generated", "confidence-gap"))
    sets = [name.split("/")[1] for name in arrays if name.endswith("/labels") and name.startswith("outliers/")]
    each = [column_value(outcomes["ood-generated"], Column("ood-generated", "confidence-gap", name)) for name in sets]
    assert whole == pytest.approx(np.mean(each))


def test_sequences_are_ranked_classes_by_perturbation(outcomes):
    ranked = outcomes["p-generated"].arrays["translate/top_classes"]
    expected = np.mean([(frames[:, 0] == frames[0, 0]).all() for frames in ranked])
    assert column_value(outcomes["p-generated"], Column("p-generated", "still")) == pytest.approx(expected)


def test_an_evaluation_of_which_nothing_is_kept_has_no_value_and_says_so(outcomes):
    bare = replace(outcomes["clean"], arrays={})
    assert column_value(bare, Column("clean", "brier")) is None
    with pytest.raises(Undefined, match="no predictions were kept of this evaluation; evaluate it again"):
        own_value(bare, metric_for("brier"))


def test_too_few_predictions_and_broken_code_are_undefined_with_the_reason(outcomes):
    few = {name: values[:9] for name, values in outcomes["clean"].arrays.items()}
    with pytest.raises(Undefined, match="needs at least 10 predictions in each set, but there are 9"):
        own_value(replace(outcomes["clean"], arrays=few), metric_for("brier"))
    with pytest.raises(Undefined, match="failed: ZeroDivisionError"):
        own_value(outcomes["clean"], metric_for("broken"))


def test_the_metrics_of_an_evaluation_contain_those_that_have_a_value(outcomes):
    found = with_own_metrics(outcomes["clean"], benchmark_for("clean"))
    assert {"error", "rms", "brier"} <= found.keys()
    assert not {"broken", "confidence-gap"} & found.keys()

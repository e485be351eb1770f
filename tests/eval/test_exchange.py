"""Results in the shapes of other suites, there and back; baselines measured and used."""

from __future__ import annotations

import csv
import io
import json

import pytest

from eval.benchmark import BenchmarkRequest
from eval.errors import EvalError
from eval.exchange import SUITES, About, export_results, import_results
from eval.published.baselines import baseline_for
from eval.published.measure import measure_baseline, store_baseline
from eval.suite import judge

ABOUT = About(name="pixmix seed 0", dataset="tiny", architecture="wrn-10-1")


@pytest.fixture(scope="module")
def outcomes(shared_subject):
    wanted = {
        "clean": {},
        "c-generated": {"kinds": ["fog"], "severities": [1]},
        "ood-generated": {"repeats": 1, "sets": ["gaussian", "blobs"]},
    }
    reports = judge(shared_subject, [BenchmarkRequest(name=name, params=wanted[name], key=name) for name in wanted])
    return {report.benchmark: report.outcome for report in reports}


def test_torch_uncertainty_gets_fractions_in_one_line(outcomes):
    (line,) = csv.DictReader(io.StringIO(export_results("torch-uncertainty", outcomes, ABOUT)))
    assert float(line["test/cls/Acc"]) == pytest.approx(1 - outcomes["clean"].metrics["error"].value)
    assert float(line["ood/AUROC"]) == outcomes["ood-generated"].metrics["auroc"].value


def test_openood_gets_a_line_per_set_in_percent(outcomes):
    lines = list(csv.DictReader(io.StringIO(export_results("openood", outcomes, ABOUT))))
    assert [line["dataset"] for line in lines] == ["gaussian", "blobs"]
    rows = {row["set"]: row for row in outcomes["ood-generated"].rows if row["variant"] == "msp"}
    assert float(lines[0]["AUROC"]) == pytest.approx(100 * rows["gaussian"]["auroc"], abs=0.005)


def test_robustbench_gets_accuracies_as_text(outcomes):
    document = json.loads(export_results("robustbench", outcomes, ABOUT))
    assert document["corruptions_acc"] == f"{100 - 100 * outcomes['c-generated'].metrics['error'].value:.2f}"
    assert document["architecture"] == "wrn-10-1"


@pytest.mark.parametrize("suite", SUITES)
def test_what_goes_out_comes_back_in_as_it_was_within_its_rounding(suite, outcomes):
    found = {each.column: each.value for each in import_results(suite, export_results(suite, outcomes, ABOUT))}
    if suite == "openood":
        rows = {row["set"]: row for row in outcomes["ood-generated"].rows if row["variant"] == "msp"}
        assert found["ood/fpr95/blobs"] == pytest.approx(rows["blobs"]["fpr95"], abs=1e-4)
    else:
        assert found["clean/error"] == pytest.approx(outcomes["clean"].metrics["error"].value, abs=1e-4)
        assert found["c/error"] == pytest.approx(outcomes["c-generated"].metrics["error"].value, abs=1e-4)


@pytest.mark.parametrize(
    ("suite", "text", "message"),
    [
        ("torchuncertainty", "", "did you mean 'torch-uncertainty'"),
        ("robustbench", "{", "must be a JSON document"),
        ("robustbench", "[]", "must hold one JSON object"),
        ("robustbench", '{"clean_acc": "many"}', "must be a number, but is 'many'"),
        ("robustbench", '{"clean_acc": "101"}', "rate between 0 and 1"),
        ("robustbench", '{"name": "x"}', "holds no number"),
        ("openood", "a,b\n1,2\n", "holds no number"),
        ("torch-uncertainty", "test/cls/Acc\nnan\n", "rate between 0 and 1"),
    ],
)
def test_files_that_are_none_are_refused(suite, text, message):
    with pytest.raises(EvalError, match=message):
        import_results(suite, text)


def test_a_measured_baseline_normalises_itself_to_one(make_subject):
    subject = make_subject()
    wanted = {
        "c-generated": {"kinds": ["fog", "contrast"], "max_images": 20},
        "p-generated": {"kinds": ["tilt"], "max_images": 10},
    }
    document = measure_baseline(subject, wanted, what="TinyNet", source="this test")
    path = store_baseline(document, "tiny", subject.data_root)
    assert baseline_for("tiny", subject.data_root).what == "TinyNet"
    requests = [BenchmarkRequest(name=name, params={**wanted[name], "baseline": "tiny"}, key=name) for name in wanted]
    corruptions, perturbations = judge(subject, requests)
    assert corruptions.outcome.metrics["mce"].value == pytest.approx(1.0)
    assert perturbations.outcome.metrics["mfr-normalised"].value == pytest.approx(1.0)
    with pytest.raises(EvalError, match="exists already"):
        store_baseline(document, "tiny", subject.data_root)
    assert path.name == "tiny.yaml"


def test_a_baseline_of_other_benchmarks_or_of_some_severities_is_refused(make_subject):
    with pytest.raises(EvalError, match=r"corruptions or perturbations, but got \['clean'\]"):
        measure_baseline(make_subject(), {"clean": {}}, what="w", source="s")
    with pytest.raises(EvalError, match="all five severities"):
        measure_baseline(
            make_subject(),
            {"c-generated": {"kinds": ["fog"], "severities": [1], "max_images": 5}},
            what="w",
            source="s",
        )

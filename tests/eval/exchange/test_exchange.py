"""Results in the shapes of other suites, there and back; baselines measured and used."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.protocols.baselines import baseline_for
from eval.benchmarks.suite.evaluate import evaluate
from eval.benchmarks.suite.measure_baseline import measure_baseline, store_baseline
from eval.corruptions.c.registry import BENCHMARK_KINDS
from eval.corruptions.contract import SEVERITIES
from eval.errors import EvalError
from eval.exchange.contract import About
from eval.exchange.openood import is_average
from eval.exchange.suites import SUITES, export_results, read_results, same_name
from eval.report import BenchmarkOutcome, MetricValue

ABOUT = About(name="pixmix seed 0", dataset="tiny", architecture="wrn-10-1")
ALL_OF_C = tuple({"corruption": kind, "severity": level} for kind in BENCHMARK_KINDS for level in SEVERITIES)


@pytest.fixture(scope="module")
def outcomes(shared_subject):
    wanted = {
        "clean": {},
        "c-generated": {"kinds": ["fog"], "severities": [1]},
        "ood-generated": {"repeats": 1, "sets": ["gaussian", "blobs"]},
    }
    reports = evaluate(shared_subject, [BenchmarkRequest(name=name, params=wanted[name], key=name) for name in wanted])
    return {report.benchmark: report.outcome for report in reports}


def test_torch_uncertainty_gets_fractions_in_one_line(outcomes):
    (line,) = csv.DictReader(io.StringIO(export_results("torch-uncertainty", outcomes, ABOUT)))
    assert float(line["test/cls/Acc"]) == pytest.approx(1 - outcomes["clean"].metrics["error"].value)
    assert "ood/AUROC" not in line
    assert float(line["ood/AUROC (generated)"]) == outcomes["ood-generated"].metrics["auroc"].value


def test_a_name_is_no_formula_in_a_file_that_goes_out_and_comes_back_as_it_was(outcomes):
    text = export_results("torch-uncertainty", outcomes, replace(ABOUT, name="=HYPERLINK(1)"))
    (line,) = csv.DictReader(io.StringIO(text))
    (network,) = read_results("torch-uncertainty", text)
    assert line["model"] == "'=HYPERLINK(1)"
    assert network.name == "=HYPERLINK(1)"


def test_openood_gets_a_line_per_set_in_percent(outcomes):
    lines = list(csv.DictReader(io.StringIO(export_results("openood", outcomes, ABOUT))))
    assert [line["dataset"] for line in lines] == ["gaussian (generated)", "blobs (generated)"]
    rows = {row["set"]: row for row in outcomes["ood-generated"].rows if row["variant"] == "msp"}
    assert float(lines[0]["AUROC"]) == pytest.approx(100 * rows["gaussian"]["auroc"], abs=0.005)


def test_robustbench_gets_accuracies_as_text(outcomes):
    document = json.loads(export_results("robustbench", outcomes, ABOUT))
    accuracy = f"{100 - 100 * outcomes['c-generated'].metrics['error'].value:.2f}"
    assert "corruptions_acc" not in document
    assert document["corruptions_acc (generated) (corruption fog) (severity 1)"] == accuracy
    assert document["architecture"] == "wrn-10-1"
    assert document["additional_data"] is None  # nothing here says whether any was used


@pytest.mark.parametrize("suite", SUITES)
def test_what_goes_out_comes_back_in_as_it_was_within_its_rounding(suite, outcomes):
    outcomes = outcomes | {"c-generated": replace(outcomes["c-generated"], rows=ALL_OF_C)}
    (network,) = read_results(suite, export_results(suite, outcomes, ABOUT))
    found = {str(each.column): each.value for each in network.numbers}
    if suite == "openood":
        rows = {row["set"]: row for row in outcomes["ood-generated"].rows if row["variant"] == "msp"}
        assert found["ood-generated/fpr95/blobs"] == pytest.approx(rows["blobs"]["fpr95"], abs=1e-4)
    else:
        assert found["clean/error"] == pytest.approx(outcomes["clean"].metrics["error"].value, abs=1e-4)
        assert found["c-generated/error"] == pytest.approx(outcomes["c-generated"].metrics["error"].value, abs=1e-4)


@pytest.mark.parametrize("suite", SUITES)
def test_published_and_generated_data_stay_apart_in_one_file(suite):
    ood = {"set": "blobs", "auroc": 0.75, "aupr": 0.5, "fpr95": 0.25}
    measured = {
        "c": BenchmarkOutcome(metrics={"error": MetricValue(0.25, 10)}, rows=(), notes={}),
        "c-generated": BenchmarkOutcome(metrics={"error": MetricValue(0.125, 10)}, rows=(), notes={}),
        "ood": BenchmarkOutcome(metrics={"auroc": MetricValue(0.75, 10)}, rows=(ood,), notes={}),
        "ood-generated": BenchmarkOutcome(
            metrics={"auroc": MetricValue(0.5, 10)}, rows=({**ood, "auroc": 0.5},), notes={}
        ),
    }
    (network,) = read_results(suite, export_results(suite, measured, ABOUT))
    found = {str(each.column): each.value for each in network.numbers}
    if suite == "openood":
        assert (found["ood/auroc/blobs"], found["ood-generated/auroc/blobs"]) == (0.75, 0.5)
    else:
        assert (found["c/error"], found["c-generated/error"]) == (0.25, 0.125)
    if suite == "torch-uncertainty":
        assert (found["ood/auroc"], found["ood-generated/auroc"]) == (0.75, 0.5)


OWN = {"files": {"cifar-10-c": {"are": "own"}}}
LIMITED = {"limited": {"used": 100, "of": 10_000}}
ONE_SEVERITY = tuple(row for row in ALL_OF_C if row["severity"] == 3)
MANY_KINDS = tuple(row for row in ALL_OF_C if row["corruption"] in BENCHMARK_KINDS[:7])


@pytest.mark.parametrize(
    ("rows", "notes", "robustbench", "torch_uncertainty"),
    [
        (ALL_OF_C, {}, "corruptions_acc", "shift/cls/Acc (mean over severities)"),
        (ONE_SEVERITY, {}, "corruptions_acc (severity 3)", "shift/cls/Acc (severity 3)"),
        (
            MANY_KINDS,
            {},
            "corruptions_acc (7 corruptions)",
            "shift/cls/Acc (7 corruptions) (mean over severities)",
        ),
        (ALL_OF_C, OWN, "corruptions_acc (own files)", "shift/cls/Acc (own files) (mean over severities)"),
        (
            ALL_OF_C,
            LIMITED,
            "corruptions_acc (part of the images)",
            "shift/cls/Acc (part of the images) (mean over severities)",
        ),
    ],
)
def test_an_exported_number_says_of_what_it_is_and_comes_back_as_nothing_else(
    rows, notes, robustbench, torch_uncertainty
):
    measured = {"c": BenchmarkOutcome(metrics={"error": MetricValue(0.25, 10)}, rows=rows, notes=notes)}
    measured["clean"] = BenchmarkOutcome(metrics={"error": MetricValue(0.125, 10)}, rows=(), notes={})
    document = json.loads(export_results("robustbench", measured, ABOUT))
    assert {name for name in document if "_acc" in name} == {"clean_acc", robustbench}
    (line,) = csv.DictReader(io.StringIO(export_results("torch-uncertainty", measured, ABOUT)))
    assert set(line) == {"model", "dataset", "test/cls/Acc", torch_uncertainty}

    is_whole = rows == ALL_OF_C and notes != OWN
    for suite, name in (("robustbench", robustbench), ("torch-uncertainty", torch_uncertainty)):
        (network,) = read_results(suite, export_results(suite, measured, ABOUT))
        found = {str(each.column): each for each in network.numbers}
        assert ("c/error" in found) == is_whole
        if is_whole:
            assert (found["c/error"].value, found["c/error"].is_partial) == (0.25, notes == LIMITED)
            assert not found["clean/error"].is_partial
        else:
            assert "the column here is not of that" in reasons_of(network)[name]


def test_openood_says_of_each_set_and_of_the_accuracy_of_what_they_are():
    row = {"set": "svhn", "auroc": 0.75, "aupr": 0.5, "fpr95": 0.25, "variant": "energy"}
    notes = {**LIMITED, "variant": "energy", "refused_sets": {"lsun": "unreadable"}}
    measured = {
        "ood": BenchmarkOutcome(metrics={"auroc": MetricValue(0.75, 10)}, rows=(row,), notes=notes),
        "clean": BenchmarkOutcome(metrics={"error": MetricValue(0.125, 10)}, rows=(), notes=LIMITED),
    }
    text = export_results("openood", measured, ABOUT)
    (line,) = csv.DictReader(io.StringIO(text))
    assert line["dataset"] == "svhn (part of the images) (score energy)"
    assert line["ACC (part of the images)"] == "87.50"
    assert "ACC" not in line
    (network,) = read_results("openood", text)
    assert {str(each.column): each.is_partial for each in network.numbers} == {
        "clean/error": True,
        "ood/fpr95/svhn": True,
        "ood/auroc/svhn": True,
        "ood/aupr/svhn": True,
    }
    own = {"ood": replace(measured["ood"], notes={"variant": "energy", **OWN}), "clean": measured["clean"]}
    (network,) = read_results("openood", export_results("openood", own, ABOUT))
    assert [str(each.column) for each in network.numbers] == ["clean/error"]
    (line,) = csv.DictReader(io.StringIO(export_results("torch-uncertainty", measured, ABOUT)))
    assert "ood/AUROC (part of the images) (without refused sets) (score energy)" in line


def test_the_sets_that_others_name_keep_their_brackets():
    (network,) = read_results("openood", "dataset,AUROC\nsvhn (crop),91\nmnist (own),92\n")
    assert [each.column.detail for each in network.numbers] == ["svhn (crop)", "mnist (own)"]


@pytest.mark.parametrize(
    ("suite", "text", "message"),
    [
        ("torchuncertainty", "", "did you mean 'torch-uncertainty'"),
        ("robustbench", "{", "must be a JSON document"),
        ("robustbench", "[]", "must contain one JSON object"),
        ("robustbench", '{"clean_acc": "many"}', "must be a number, but is 'many'"),
        ("robustbench", '{"clean_acc": "101"}', "rate between 0 and 1"),
        ("robustbench", '{"name": "x"}', "contains no number"),
        ("openood", "a,b\n1,2\n", "contains no number"),
        ("torch-uncertainty", "test/cls/Acc\nnan\n", "rate between 0 and 1"),
    ],
)
def test_files_that_are_none_are_refused(suite, text, message):
    with pytest.raises(EvalError, match=message):
        read_results(suite, text)


def values_of(network):
    return {str(each.column): pytest.approx(each.value) for each in network.numbers}


def reasons_of(network):
    return {each.original: each.reason for each in network.left_out}


OPENOOD_15 = """,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC
cifar100,50.00 ± 4.10,86.00 ± 0.30,84.00 ± 0.50,85.00 ± 0.20,94.50 ± 0.25
nearood,50.00 ± 4.10,86.00 ± 0.30,84.00 ± 0.50,85.00 ± 0.20,94.50 ± 0.25
svhn,0.80 ± 0.10,99.00 ± 0.80,82.00 ± 2.10,0.90 ± 0.40,94.50 ± 0.25
farood,0.80 ± 0.10,99.00 ± 0.80,82.00 ± 2.10,0.90 ± 0.40,94.50 ± 0.25
"""
"""As `scripts/eval_ood.py` of OpenOOD 1.5 writes it; both the small rate and the small AUPR are percents."""


def test_openood_as_it_is_written_now_comes_in_with_its_deviations_and_without_its_averages():
    (network,) = read_results("openood", OPENOOD_15)
    assert values_of(network) == {
        "clean/error": 0.055,
        "ood/fpr95/cifar100": 0.5,
        "ood/auroc/cifar100": 0.86,
        "ood/aupr/cifar100": 0.85,
        "ood/fpr95/svhn": 0.008,
        "ood/auroc/svhn": 0.99,
        "ood/aupr/svhn": 0.009,
    }
    spreads = {str(each.column): each.spread for each in network.numbers}
    assert spreads["ood/auroc/cifar100"] == pytest.approx(0.003)
    assert spreads["clean/error"] == pytest.approx(0.0025)
    assert reasons_of(network) == {
        "nearood": "the mean of other lines",
        "farood": "the mean of other lines",
        "AUPR_IN": "no column here: the in-distribution images are its positive class",
    }


@pytest.mark.parametrize("index", ["", "dataset", "Unnamed: 0"])
@pytest.mark.parametrize(
    "cell",
    [
        *(
            "87.19 ± 0.33",
            "87.19 +/- 0.33",
            "87.19±0.33",
            "87.19 (0.33)",
            "87.19% ± 0.33%",
            "87.19+/-0.33",
            "87.19+-0.33",
        ),
        *(r"87.19\pm0.33", r"$87.19 \pm 0.33$", "87.19\u00a0±\u00a00.33"),
    ],
)
def test_a_mean_and_its_deviation_are_read_however_they_are_joined(index, cell):
    (network,) = read_results("openood", f"\ufeff{index},FPR@95,AUROC\r\n svhn ,20.5,{cell}\r\n\r\n")
    found = {str(each.column): each for each in network.numbers}
    assert found["ood/auroc/svhn"].value == pytest.approx(0.8719)
    assert found["ood/auroc/svhn"].spread == pytest.approx(0.0033)
    assert found["ood/fpr95/svhn"].spread is None


def test_what_openood_wrote_before_comes_in_and_every_column_without_a_counterpart_is_named():
    (network,) = read_results(
        "openood",
        "dataset,FPR@95,AUROC,AUPR_IN,AUPR_OUT,CCR_4,ACC\ncifar100,60.00,86.00,84.00,85.00,0.01,94.50\n"
        "nearood,60.00,86.00,84.00,85.00,0.01,94.50\nmnist,-,93.00,76.00,,0.01,94.50\n",
    )
    assert set(reasons_of(network)) == {"nearood", "AUPR_IN", "CCR_4", "mnist FPR@95", "mnist AUPR_OUT"}
    assert values_of(network)["ood/auroc/mnist"] == 0.93


@pytest.mark.parametrize(
    "label",
    [
        *("nearood", "farood", "Near-OOD", "far_ood mean", "average", "AVG", "mean", "overall"),
        *("macro avg", "average (6)", "std", "Mean ± std", "sum"),
    ],
)
def test_lines_that_sum_up_others_are_told_from_sets(label):
    assert is_average(label)
    assert not any(
        map(is_average, ["cifar100", "tin", "places365", "imagenet-o", "texture", "ninco", "lsun", "gaussian"])
    )


def test_accuracies_that_differ_from_line_to_line_are_not_that_of_the_test_images():
    (network,) = read_results("openood", "dataset,AUROC,ACC\ncinic10,70,80.1\ncifar10c,75,60.2\n")
    assert "clean/error" not in values_of(network)
    assert "differs from line to line (80.1, 60.2)" in reasons_of(network)["ACC"]


TWO = "model,dataset,test/cls/Acc,test/cls/NLL,ood/AUROC\nA,cifar10,0.95,0.2,0.9\n%s,cifar10,0.90,0.3,0.8\n"


def test_each_line_of_torch_uncertainty_is_one_network():
    first, second = read_results("torch-uncertainty", TWO % "B")
    assert (first.name, second.name, first.dataset) == ("A", "B", "cifar10")
    assert values_of(first) == {"clean/error": 0.05, "ood/auroc": 0.9}
    assert values_of(second) == {"clean/error": 0.1, "ood/auroc": 0.8}
    assert reasons_of(first) == {"test/cls/NLL": "no column here"}
    unnamed = read_results("torch-uncertainty", "test/cls/Acc\n0.95\n0.90\n")
    assert [network.name for network in unnamed] == ["line 1", "line 2"]
    with pytest.raises(EvalError, match=r"\['A'\] are in several lines"):
        read_results("torch-uncertainty", TWO % "A")


def test_an_accuracy_at_one_severity_is_not_taken_for_the_mean_over_severities():
    (network,) = read_results("torch-uncertainty", "test/cls/Acc,shift/cls/Acc,shift/severity\n0.95,0.8,5\n")
    assert values_of(network) == {"clean/error": 0.05}
    assert "of severity 5 alone" in reasons_of(network)["shift/cls/Acc"]


def test_lines_without_a_number_are_named():
    (network,) = read_results("torch-uncertainty", "epoch,val/cls/Acc,test/cls/Acc\n0,0.5,\n1,0.6,\n2,,0.95\n")
    assert reasons_of(network)["line 1, 2"] == "no number with a column here"


def test_what_robustbench_says_beside_is_named():
    text = '{"dataset": "cifar10", "clean_acc": "93.25", "autoattack_acc": "55.0", "corruptions_acc": ""}'
    (network,) = read_results("robustbench", text)
    assert values_of(network) == {"clean/error": 0.0675}
    assert reasons_of(network) == {"autoattack_acc": "no column here", "corruptions_acc": "no number there"}


FRACTIONS = "dataset,FPR@95,AUROC,ACC\nsvhn,0.26,0.91,0.945\n"


@pytest.mark.parametrize(
    ("suite", "text", "named"),
    [
        ("openood", FRACTIONS, "'ACC' is 0.945"),
        ("openood", "dataset,AUROC,ACC\nsvhn,0.91,94.5\nmnist,0.93,94.5\n", "'AUROC' is 0.93 at most"),
        ("openood", "dataset,AUROC,ACC\nsvhn,0.91,94.5\nmnist,93,94.5\n", "'AUROC' is 0.91 in 1 of 2 lines"),
        ("torch-uncertainty", "model,test/cls/Acc\nA,0.95\nB,94\n", "'test/cls/Acc' is 94 in 1 of 2 lines"),
        ("robustbench", '{"clean_acc": "0.93"}', "'clean_acc' is 0.93"),
        ("torch-uncertainty", "test/cls/Acc,test/cal/ECE\n95.0,0.02\n", "'test/cls/Acc' is 95"),
    ],
)
def test_percent_and_fraction_are_asked_for_where_they_are_in_doubt(suite, text, named):
    with pytest.raises(EvalError, match=rf"{named} .*--unit percent or --unit fraction"):
        read_results(suite, text)


def test_the_unit_that_is_given_counts():
    (network,) = read_results("openood", FRACTIONS, unit="fraction")
    assert values_of(network) == {"clean/error": 0.055, "ood/fpr95/svhn": 0.26, "ood/auroc/svhn": 0.91}
    (network,) = read_results("torch-uncertainty", "test/cls/Acc,test/cal/ECE\n95.0,0.02\n", unit="percent")
    assert values_of(network) == {"clean/error": 0.05, "clean/ece": 0.0002}
    with pytest.raises(EvalError, match="must be a rate between 0 and 1"):
        read_results("openood", "dataset,AUROC\nsvhn,91\n", unit="fraction")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset,AUROC\nsvhn,91\nsvhn,92\n", r"\['svhn'\] are in several lines"),
        ("dataset,AUROC\ntin,91\nTIN,92\n", r"\['tin', 'TIN'\] are in several lines"),
        ("dataset,AUROC\n,91\n", "line 1 below the header names none"),
        ("dataset,AUROC\nsvhn,91,92\n", "more cells than the head"),
        ("dataset,AUROC,AUROC\nsvhn,91,92\n", r"\['AUROC'\] are named twice"),
        ("dataset,AUROC\nsvhn,91 ± x\n", "must be a number, but is '91 ± x'"),
        ("dataset,AUROC\nsvhn,91 ± -1\n", "must be a rate"),
        ("dataset,AUROC\nnearood,91\n", r"contains no number .* nearood \(the mean of other lines\)"),
        ("dataset;AUROC\nsvhn;87,19\n", "is '87,19'; write it with a decimal point"),
        ("dataset,AUROC\nsvhn,87.19(33)\n", "may mean its last digits"),
        ("dataset,AUROC\nsvhn,8_7\n", "must be a number, but is '8_7'"),
        ("postprocessor,dataset,AUROC\nmsp,svhn,91\nebo,mnist,92\n", "its column 'postprocessor' has msp, ebo"),
        ("dataset,AUROC\nsvhn," + 140_000 * "9" + "\n", "must be a CSV file"),
        ("", "contains no number"),
    ],
)
def test_nothing_in_a_file_is_guessed(text, message):
    with pytest.raises(EvalError, match=message):
        read_results("openood", text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", ",,"])
def test_cells_are_separated_as_spreadsheets_do(end, delimiter):
    last = "," if delimiter == ",," else ""  # a column at the end without a name and without values
    lines = [f"dataset,AUROC,ACC{last}", f"svhn,91,94.5{last}", f"mnist,93,94.50{last}", ""]
    (network,) = read_results("openood", end.join(lines).replace(",", delimiter[0]))
    assert values_of(network) == {"clean/error": 0.055, "ood/auroc/svhn": 0.91, "ood/auroc/mnist": 0.93}


def test_a_percent_sign_says_what_its_number_is_in_a_file_of_fractions():
    (network,) = read_results("torch-uncertainty", "test/cls/Acc,test/cal/ECE\n0.95,0.5%\n")
    assert values_of(network) == {"clean/error": 0.05, "clean/ece": 0.005}


def test_a_line_that_sums_up_networks_is_none():
    networks = read_results("torch-uncertainty", "model,test/cls/Acc\nA,0.95\nB,0.93\nmean,0.94\nstd,0.01\n")
    assert [network.name for network in networks] == ["A", "B"]
    assert reasons_of(networks[0]) == {"line 'mean'": "sums up other lines", "line 'std'": "sums up other lines"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"clean_acc": "95", "clean_acc": "90"}', "in it twice"),
        (100_000 * "[", "nested too deep"),
        (5000 * "9", "too many digits"),
    ],
)
def test_a_document_says_each_name_once_and_can_be_read(text, message):
    with pytest.raises(EvalError, match=message):
        read_results("robustbench", text)


def test_names_differ_by_more_than_their_spelling():
    assert same_name("cifar-10", "CIFAR10")
    assert not same_name("cifar-10", "cifar-100")


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
    corruptions, perturbations = evaluate(subject, requests)
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

"""Recorded predictions give new numbers without a forward pass; the cost of an evaluation is known before it."""

from __future__ import annotations

import numpy as np
import pytest

from eval.benchmarks.contract import BenchmarkRequest, EvaluationData
from eval.benchmarks.suite.evaluate import evaluate
from eval.benchmarks.suite.passes import passes_of, set_sizes, suite_passes
from eval.benchmarks.suite.recompute import recompute
from eval.errors import EvalError
from eval.metrics.calibration import expected_calibration_error
from eval.predictions import predictions_from

REQUESTS = [
    BenchmarkRequest(name=name, params=params, key=name)
    for name, params in (
        ("clean", {}),
        ("c-generated", {"kinds": ["fog", "contrast"], "severities": [1, 3]}),
        ("ood-generated", {"repeats": 2}),
        ("p-generated", {"kinds": ["translate", "gaussian_noise"], "max_images": 10}),
        ("pgd", {"steps": 2, "max_images": 20}),
        ("pgd-reference", {"steps": 1, "max_images": 20}),
    )
]


def split(num_images: int, side: int, **fields) -> EvaluationData:
    facts = {"dataset": "tiny", "num_classes": 8, "data_root": None, "is_dataset": lambda name: True}
    return EvaluationData(num_images=num_images, side=side, **{**facts, **fields})


@pytest.fixture(scope="module")
def outcomes(shared_subject):
    reports = evaluate(shared_subject, REQUESTS)
    assert all(report.error is None for report in reports)
    return {report.benchmark: report.outcome for report in reports}


def test_the_same_parameters_give_the_same_numbers(outcomes):
    for request in REQUESTS[:4]:
        again = recompute(request.name, request.params, outcomes[request.name])
        assert again.metrics == outcomes[request.name].metrics
        assert again.rows == outcomes[request.name].rows
        assert again.forward_passes == 0
        assert again.notes["recomputed"]


def test_a_baseline_or_a_score_that_comes_later_needs_no_network(outcomes):
    later = recompute("c-generated", {"baseline": "alexnet-imagenet-c"}, outcomes["c-generated"])
    assert later.metrics["mce"].value > 0
    assert later.metrics["error"] == outcomes["c-generated"].metrics["error"]
    energy = recompute("ood-generated", {"score": "energy", "repeats": 2}, outcomes["ood-generated"])
    rows = {row["variant"]: row for row in outcomes["ood-generated"].rows if row["set"] == "mean"}
    assert energy.metrics["auroc"].value == rows["energy"]["auroc"]


def test_a_new_metric_can_be_taken_from_the_arrays(outcomes):
    fog = predictions_from(outcomes["c-generated"].arrays, "fog/3")
    assert 0 <= expected_calibration_error(fog.confidence, fog.correct) <= 1


def test_what_is_kept_of_a_full_cifar_evaluation_stays_below_100_megabytes(outcomes, shared_subject):
    assert shared_subject.num_classes >= 6, "fewer classes keep fewer than the six best"

    def full(name: str, measured: str) -> float:
        outcome = outcomes[measured]
        a_image = sum(array.nbytes for array in outcome.arrays.values()) / outcome.forward_passes
        return a_image * passes_of(name, {}, split(10_000, 32, set_size=lambda name: 10_000)).forward

    stand_ins = {"c": "c-generated", "cbar": "c-generated", "p": "p-generated", "ood": "ood-generated"}
    total = full("clean", "clean") + sum(full(*pair) for pair in stand_ins.items())
    assert 10e6 < total < 100e6


def test_what_keeps_no_predictions_is_refused(outcomes):
    with pytest.raises(EvalError, match="'pgd' keeps no predictions"):
        recompute("pgd", {}, outcomes["pgd"])


def test_full_logits_are_kept_on_request_and_cost_no_second_pass(make_subject):
    requests = [
        BenchmarkRequest(name="clean", params={"keep_logits": True}, key="a"),
        BenchmarkRequest(name="ood-generated", params={"repeats": 1}, key="b"),
    ]
    plain, kept = evaluate(make_subject(), REQUESTS[:1])[0], evaluate(make_subject(), requests)
    assert kept[0].outcome.arrays["clean/logits"].shape == (120, 8)
    assert kept[0].outcome.metrics == plain.outcome.metrics
    assert kept[0].outcome.forward_passes == 120
    assert kept[1].outcome.forward_passes == 3 * 24


def test_compact_predictions_of_a_full_cifar_evaluation_stay_below_100_mb(outcomes):
    per_image = sum(values.nbytes for values in outcomes["clean"].arrays.values()) / 120
    per_frame = sum(values.nbytes for values in outcomes["p-generated"].arrays.values()) / (10 * (16 + 31))
    images = 10_000 * (1 + 75 + 50) + 7 * 20_000
    frames = 10_000 * (8 * 31 + 21 + 16)
    assert images * per_image + frames * per_frame < 100e6


def test_the_cost_model_equals_what_the_suite_counts(outcomes):
    for request in REQUESTS:
        cost = passes_of(request.name, request.params, split(120, 8))
        counted = outcomes[request.name].forward_passes
        assert cost.forward == counted - (120 if request.name == "clean" else 0)
    whole = suite_passes(REQUESTS, split(120, 8))
    assert whole.forward == sum(outcome.forward_passes for outcome in outcomes.values())
    assert whole.backward == sum(outcomes[name].notes["backward_passes"] for name in ("pgd", "pgd-reference"))


def test_a_full_cifar_evaluation_costs_about_495_passes_over_the_test_set():
    names = ("clean", "c", "cbar", "p", "pgd")
    requests = [BenchmarkRequest(name=name, params={}, key=name) for name in names]
    cost = suite_passes(requests, split(10_000, 32))
    assert cost.in_forward_passes() / 10_000 == pytest.approx(495, rel=0.1)


def test_outlier_sets_of_unknown_size_are_named_and_folders_are_counted(tmp_path):
    (tmp_path / "mine").mkdir()
    for number in range(6):
        (tmp_path / "mine" / f"{number}.png").touch()
    params = {"sets": ["gaussian", "svhn", "folder:mine", "textures"], "repeats": 2}
    passes = passes_of("ood", params, split(100, 8, set_size=set_sizes({"svhn": 50}, tmp_path)))
    assert passes.forward == 2 * 20 + 50 + 6
    assert passes.clean == 100
    assert passes.unknown == ("textures",)
    assert suite_passes([BenchmarkRequest(name="ood", params=params, key="k")], split(100, 8)).unknown == (
        "svhn",
        "folder:mine",
        "textures",
    )


def test_reliability_rows_count_every_image(outcomes):
    rows = outcomes["clean"].rows
    assert sum(row["count"] for row in rows) == 120
    wrong = sum(row["count"] * (1 - row["accuracy"]) for row in rows) / 120
    assert wrong == pytest.approx(outcomes["clean"].metrics["error"].value)
    assert np.all([row["from"] <= row["confidence"] <= row["to"] for row in rows])

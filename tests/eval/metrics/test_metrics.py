"""Metrics against hand-worked values, independent libraries, naive re-derivations and properties."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics import anomaly, calibration, consistency, corruption
from eval.metrics.error import error_rate

SETTINGS = settings(max_examples=40, deadline=None)
scores = st.lists(st.integers(-20, 20).map(lambda value: value / 4), min_size=1, max_size=60)


def test_the_error_is_the_share_of_wrong_predictions():
    assert error_rate(np.array([True, False, True, True])) == 0.25


def test_the_error_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one prediction"):
        error_rate(np.zeros(0, dtype=bool))


def hand_worked_calibration():
    """Two bins of two: confidences .2 .4 (one right), .8 1.0 (both right)."""
    return np.array([0.8, 0.2, 1.0, 0.4]), np.array([True, False, True, True])


def test_rms_calibration_error_of_two_bins_by_hand():
    confidence, correct = hand_worked_calibration()
    by_hand = np.sqrt(0.5 * (0.3 - 0.5) ** 2 + 0.5 * (0.9 - 1.0) ** 2)
    assert calibration.rms_calibration_error(confidence, correct, bin_size=2) == pytest.approx(by_hand, abs=1e-12)


def test_the_reference_variant_leaves_the_most_confident_bin_out_but_keeps_its_weight():
    confidence, correct = hand_worked_calibration()
    found = calibration.rms_calibration_error(confidence, correct, bin_size=2, drop_last_bin=True)
    assert found == pytest.approx(np.sqrt(0.5 * 0.04), abs=1e-12)


@pytest.mark.parametrize("count", [100, 150, 199])
def test_the_reference_variant_of_a_single_bin_is_undefined_and_not_perfect(count):
    """A network that is wrong each time with full confidence must not print 0.00 because its only bin is left out."""
    confidence, correct = np.linspace(0.5, 1.0, count), np.zeros(count, dtype=bool)
    with pytest.raises(ValueError, match="at least 200 predictions"):
        calibration.rms_calibration_error(confidence, correct, drop_last_bin=True)
    assert calibration.rms_calibration_error(confidence, correct) == pytest.approx(0.75)


@pytest.mark.parametrize("size", [0, -1, 1.5, float("nan")])
def test_bins_that_hold_nothing_are_refused(size):
    confidence, correct = np.full(10, 0.5), np.ones(10, bool)
    with pytest.raises(ValueError, match=f"bin_size is {size}"):
        calibration.rms_calibration_error(confidence, correct, bin_size=size)
    with pytest.raises(ValueError, match=f"num_bins is {size}"):
        calibration.expected_calibration_error(confidence, correct, num_bins=size)


def test_the_last_bin_takes_the_remainder():
    confidence = np.concatenate([np.full(100, 0.3), np.full(150, 0.9)])
    correct = np.concatenate([np.zeros(100, bool), np.ones(150, bool)])
    by_hand = np.sqrt(100 / 250 * 0.3**2 + 150 / 250 * 0.1**2)
    assert calibration.rms_calibration_error(confidence, correct) == pytest.approx(by_hand, abs=1e-12)


def naive_rms(confidence, correct, size):
    """Bin by bin, in plain Python."""
    order = sorted(range(len(confidence)), key=lambda i: confidence[i])
    bins = [order[i * size : (i + 1) * size] for i in range(len(order) // size)]
    bins[-1] = order[(len(bins) - 1) * size :]
    total = 0.0
    for members in bins:
        gap = sum(confidence[i] for i in members) / len(members) - sum(correct[i] for i in members) / len(members)
        total += len(members) / len(order) * gap**2
    return total**0.5


@SETTINGS
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=7, max_size=80), st.integers(1, 7))
def test_rms_agrees_with_a_naive_computation_and_stays_in_the_unit_interval(pairs, size):
    confidence, correct = np.array([p for p, _ in pairs]), np.array([c for _, c in pairs])
    found = calibration.rms_calibration_error(confidence, correct, bin_size=size)
    assert found == pytest.approx(naive_rms(confidence.tolist(), correct.tolist(), size), abs=1e-9)
    assert 0.0 <= found <= 1.0


def test_calibration_refuses_fewer_predictions_than_a_bin_and_confidences_that_are_none():
    with pytest.raises(ValueError, match="at least 100 predictions"):
        calibration.rms_calibration_error(np.full(99, 0.5), np.ones(99, bool))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        calibration.rms_calibration_error(np.full(100, 1.5), np.ones(100, bool))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        calibration.expected_calibration_error(np.full(100, np.nan), np.ones(100, bool))
    with pytest.raises(ValueError, match="one length"):
        calibration.rms_calibration_error(np.full(100, 0.5), np.ones(99, bool))


def test_bins_of_the_expected_calibration_error_weigh_as_many_predictions_as_they_have():
    confidence, correct = np.array([0.2, 0.2, 0.2, 0.9]), np.array([False, False, False, True])
    assert calibration.expected_calibration_error(confidence, correct, num_bins=2) == pytest.approx(
        3 / 4 * 0.2 + 1 / 4 * 0.1
    )


@pytest.mark.slow
def test_ece_agrees_with_torchmetrics():
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    generator = torch.Generator().manual_seed(3)
    probabilities = torch.softmax(2 * torch.randn(500, 6, generator=generator), dim=1)
    labels = torch.randint(0, 6, (500,), generator=generator)
    theirs = multiclass_calibration_error(probabilities, labels, num_classes=6, n_bins=15, norm="l1")
    confidence, predicted = (values.numpy() for values in probabilities.max(dim=1))
    assert calibration.expected_calibration_error(confidence, predicted == labels.numpy()) == pytest.approx(
        float(theirs), abs=1e-6
    )


def test_a_reliability_diagram_counts_every_prediction_once():
    confidence = np.array([0.0, 0.5, 0.51, 1.0])
    diagram = calibration.reliability_diagram(confidence, np.array([True, True, False, True]), num_bins=2)
    assert diagram.count.tolist() == [2, 2]
    assert diagram.accuracy.tolist() == [1.0, 0.5]
    assert diagram.confidence.tolist() == pytest.approx([0.25, 0.755])


@SETTINGS
@given(scores, scores)
def test_auroc_and_aupr_agree_with_scikit_learn(ood, inside):
    from sklearn.metrics import average_precision_score, roc_auc_score

    ood, inside = np.array(ood), np.array(inside)
    truth = np.r_[np.ones(len(ood)), np.zeros(len(inside))]
    both = np.r_[ood, inside]
    assert anomaly.auroc(ood, inside) == pytest.approx(roc_auc_score(truth, both), abs=1e-12)
    assert anomaly.aupr(ood, inside) == pytest.approx(average_precision_score(truth, both), abs=1e-12)


def naive_fpr(ood, inside, recall):
    """Walk the distinct thresholds from the lowest that still adds something upwards; keep the nearest recall seen first."""
    best = None
    first_full = max(t for t in set(ood) | set(inside) if sum(o >= t for o in ood) == len(ood))
    thresholds = [t for t in sorted(set(ood) | set(inside)) if t >= first_full]
    for threshold in thresholds:
        distance = abs(sum(o >= threshold for o in ood) / len(ood) - recall)
        if best is None or distance < best[0]:
            best = (distance, sum(i >= threshold for i in inside) / len(inside))
    return best[1]


@SETTINGS
@given(scores, scores)
def test_fpr95_takes_the_recall_nearest_to_the_wanted_one(ood, inside):
    found = anomaly.fpr_at_recall(np.array(ood), np.array(inside))
    assert found == pytest.approx(naive_fpr(ood, inside, 0.95), abs=1e-12)


def test_fpr95_may_settle_for_a_recall_below_95_percent():
    ood = np.array([9.0] * 94 + [1.0] * 6)
    inside = np.array([1.0] * 3 + [0.0] * 7)
    assert anomaly.fpr_at_recall(ood, inside) == 0.0
    assert anomaly.fpr_at_recall(ood, inside, recall=1.0) == 0.3


def test_a_perfect_detector_and_a_blind_one():
    ood, inside = np.arange(10.0, 14.0), np.arange(0.0, 5.0)
    assert anomaly.detection(ood, inside) == (1.0, 1.0, 0.0)
    blind = anomaly.detection(np.zeros(20), np.zeros(100))
    assert blind.auroc == 0.5
    assert blind.aupr == pytest.approx(1 / 6)
    assert blind.fpr95 == 1.0


@SETTINGS
@given(scores, scores)
def test_detection_does_not_depend_on_a_monotone_change_of_the_score_nor_on_order(ood, inside):
    ood, inside = np.array(ood), np.array(inside)
    changed = anomaly.detection(np.exp(ood)[::-1], np.exp(inside)[::-1])
    assert changed == pytest.approx(anomaly.detection(ood, inside))


def test_scores_grow_as_a_prediction_loses_confidence():
    sure, unsure = np.array([9.0, 0.0, 0.0]), np.array([0.1, 0.0, 0.0])
    for logits_low, logits_high in ((sure, unsure),):
        low, high = (
            {
                "lse": np.log(np.exp(logits).sum(keepdims=True)),
                "mean": logits.mean(keepdims=True),
                "max": logits.max(keepdims=True),
            }
            for logits in (logits_low, logits_high)
        )
        assert anomaly.msp_score(np.exp(low["max"] - low["lse"])) < anomaly.msp_score(np.exp(high["max"] - high["lse"]))
        assert anomaly.cross_entropy_score(low["mean"], low["lse"]) < anomaly.cross_entropy_score(
            high["mean"], high["lse"]
        )
        assert anomaly.max_logit_score(low["max"]) < anomaly.max_logit_score(high["max"])
        assert anomaly.energy_score(low["lse"]) < anomaly.energy_score(high["lse"])


def test_the_cross_entropy_score_of_uniform_logits_is_minus_log_k():
    assert anomaly.cross_entropy_score(np.zeros(1), np.full(1, np.log(7))) == pytest.approx(-np.log(7))


def test_one_outlier_faces_five_test_images_however_few_there_are():
    assert anomaly.outlier_count(10_000) == 2_000
    assert anomaly.subset_sizes(26_032, 10_000) == (2_000, 10_000)
    assert anomaly.subset_sizes(1_500, 10_000) == (1_500, 7_500)
    assert anomaly.subset_sizes(2, 200) == (2, 10)
    assert anomaly.subset_sizes(50, 14) == (2, 10)
    for outliers, inside in ((0, 100), (3, 4)):
        with pytest.raises(ValueError, match=f"there are {outliers} outliers and {inside} test images"):
            anomaly.subset_sizes(outliers, inside)


def test_equal_infinite_scores_are_one_tie():
    """AUPR 1/2 and FPR95 1; were the tie split in the order of the arrays, outliers first, they would be 23/36 and 1/3."""
    low, high = [-np.inf, -np.inf], [np.inf, np.inf]
    found = anomaly.detection(np.array([*low, 0.0]), np.array([*low, 1.0]))
    assert found.aupr == pytest.approx(0.5)
    assert found.fpr95 == 1.0
    assert found.auroc == pytest.approx(4 / 9)
    # the largest finite number in the place of infinity says what the tie must come to
    finite = {-np.inf: -1e300, np.inf: 1e300}
    ood, inside = np.array([*high, *low, 2.0]), np.array([*high, *low, *low, 1.0, np.inf])
    stands_in = [np.array([finite.get(value, value) for value in side]) for side in (ood, inside)]
    assert anomaly.detection(ood, inside) == anomaly.detection(*stands_in)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="1 OOD scores are NaN"):
        anomaly.auroc(np.array([np.nan]), np.zeros(3))
    with pytest.raises(ValueError, match="in-distribution scores"):
        anomaly.aupr(np.zeros(3), np.zeros(0))


def test_flip_probability_by_hand():
    predicted = np.array([[1, 1, 2, 2], [0, 3, 0, 0]])
    assert consistency.flip_probability(predicted) == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert consistency.flip_probability(predicted, reference="first") == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert consistency.flip_probability(predicted, difficulty=2) == pytest.approx((2 / 2 + 1 / 2) / 2)


def test_noise_sequences_are_compared_with_their_first_frame():
    assert consistency.reference_of("gaussian_noise") == "first"
    assert consistency.reference_of("translate") == "previous"


def naive_top5_distance(before, now):
    """The paper's double sum over full rankings (1-based): sum_i sum_{j=min+1..max} 1[1 <= j - 1 <= 5]."""
    total = 0
    for i in range(1, 6):
        new = now.index(before[i - 1]) + 1
        total += sum(1 for j in range(min(i, new) + 1, max(i, new) + 1) if 1 <= j - 1 <= 5)
    return total


@SETTINGS
@given(st.lists(st.permutations(range(9)), min_size=2, max_size=4))
def test_top5_distance_agrees_with_the_double_sum_of_the_paper(frames):
    expected = np.mean([naive_top5_distance(a, b) for a, b in itertools.pairwise(frames)])
    ranked = np.array([frames])[:, :, :6]
    assert consistency.top5_distance(ranked) == pytest.approx(expected)
    assert 0 <= consistency.top5_distance(ranked) <= 18


@pytest.mark.parametrize(
    ("now", "distance"),
    [([1, 2, 3, 4, 5], 0), ([2, 1, 3, 4, 5], 2), ([6, 7, 8, 9, 10], 15), ([4, 5, 6, 7, 8], 18)],
)
def test_top5_distance_of_known_moves(now, distance):
    assert consistency.top5_distance(np.array([[[1, 2, 3, 4, 5], now]])) == distance


def test_a_still_sequence_has_no_flips_and_no_distance():
    frames = np.tile(np.arange(6), (3, 4, 1))
    assert consistency.top5_distance(frames) == 0.0
    assert consistency.flip_probability(frames[:, :, 0]) == 0.0


def test_sequences_of_one_frame_are_refused():
    with pytest.raises(ValueError, match="at least 2 frames"):
        consistency.flip_probability(np.zeros((4, 1), dtype=int))


def test_raw_and_normalised_rates_differ_by_the_baseline_of_each_perturbation():
    rates = {"rotate": 0.1, "tilt": 0.3}
    assert consistency.mean_rate(rates) == pytest.approx(0.2)
    assert consistency.normalised_rate(rates, {"rotate": 0.2, "tilt": 0.2}) == pytest.approx((0.5 + 1.5) / 2)
    with pytest.raises(ValueError, match=r"lacks \['tilt'\]"):
        consistency.normalised_rate(rates, {"rotate": 0.2})


def test_corruption_error_is_a_ratio_of_sums_and_not_a_mean_of_ratios():
    ours, baseline = {1: 0.1, 2: 0.5}, {1: 0.2, 2: 0.8}
    assert corruption.corruption_error(ours, baseline) == pytest.approx(0.6 / 1.0)
    assert corruption.corruption_error({1: 0.1}, baseline) == pytest.approx(0.5)


def test_raw_mean_error_and_normalised_mce_are_kept_apart():
    errors = {"fog": {1: 0.2, 2: 0.4}, "snow": {1: 0.5, 2: 0.7}}
    baseline = {"fog": {1: 0.3, 2: 0.3}, "snow": {1: 0.6, 2: 0.6}}
    assert corruption.mean_error(errors) == pytest.approx(0.45)
    assert corruption.mean_error({"fog": {1: 0.2}, "snow": {1: 0.5, 2: 0.7}}) == pytest.approx((0.2 + 0.6) / 2)
    assert corruption.mean_corruption_error(errors, baseline) == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"lacks \['snow'\]"):
        corruption.mean_corruption_error(errors, {"fog": baseline["fog"]})


def test_alexnet_scores_one_against_itself_and_its_severities_average_to_the_published_means():
    import yaml

    from eval.benchmarks.protocols import baselines

    alexnet = baselines.baseline_for("alexnet-imagenet-c")
    assert corruption.mean_corruption_error(alexnet.errors, alexnet.errors) == pytest.approx(1.0)
    raw = yaml.safe_load(Path(baselines.__file__).with_suffix(".yaml").read_text())
    for kind, mean in raw["alexnet-imagenet-c"]["published_means"].items():
        assert np.mean(list(alexnet.errors[kind].values())) == pytest.approx(mean, abs=5e-7)
    assert corruption.mean_error(alexnet.errors) == pytest.approx(0.788993, abs=1e-6)

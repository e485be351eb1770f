"""Temperature scaling against a grid search and a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.metrics.temperature import RANGE, fit_temperature, softmax


def sampled(logits, temperature, seed=0):
    """Labels drawn from softmax(logits / temperature), by inverse transform of evenly spread numbers."""
    steps = np.cumsum(softmax(logits, temperature), axis=1)
    draws = np.random.default_rng(seed).random(len(logits))[:, None]
    return (draws > steps).sum(axis=1).clip(max=logits.shape[1] - 1).astype(np.int64)


def cross_entropy(logits, labels, temperature):
    return -np.log(softmax(logits, temperature)[np.arange(len(labels)), labels]).mean()


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found_again(truth):
    logits = np.random.default_rng(1).normal(size=(6000, 5)) * 3
    found = fit_temperature(logits, sampled(logits, truth))
    assert found == pytest.approx(truth, rel=0.08)


def test_no_temperature_of_a_grid_is_better():
    logits = np.random.default_rng(2).normal(size=(300, 4)) * 2
    labels = sampled(logits, 1.7)
    found = fit_temperature(logits, labels)
    best = cross_entropy(logits, labels, found)
    assert all(best <= cross_entropy(logits, labels, t) + 1e-12 for t in np.geomspace(0.1, 20, 200))


@pytest.mark.parametrize("labels", [[0, 2], [-1, 0]])
def test_labels_that_are_no_classes_are_refused(labels):
    with pytest.raises(ValueError, match="labels must be from 0 to 1"):
        fit_temperature(np.eye(2), np.array(labels))


def test_without_a_minimum_inside_the_end_of_the_range_is_returned():
    logits = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(RANGE[0])
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(RANGE[1])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"logits \(N, K\) and labels"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="finite logits"):
        fit_temperature(np.full((2, 2), np.nan), np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="must be positive"):
        softmax(np.zeros((1, 2)), 0.0)


def test_scaling_is_fitted_on_one_half_and_evaluated_on_the_other(make_subject):
    images = np.random.default_rng(4).integers(0, 256, (240, 8, 8, 3), dtype=np.uint8)
    request = [BenchmarkRequest(name="clean-scaled", params={}, key="k")]
    (report,) = evaluate(make_subject(images=images), request)
    assert report.outcome.metrics["rms"].n == 120
    assert report.outcome.notes["fitted_on"] == 120
    assert (
        report.outcome.notes["temperature"] > 1.0
    )  # labels have nothing to do with the images: less confidence is better
    (refused,) = evaluate(make_subject(), request)
    assert "at least 100 images to fit" in refused.error

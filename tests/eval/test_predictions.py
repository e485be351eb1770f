"""Compact predictions: the softmax bit by bit, unmoved by what must not move it, and enough of it for every later number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.benchmarks.suite.recompute import recompute
from eval.metrics.anomaly import detection
from eval.predictions import Predictions, compact, from_compact, predictions_from

CLASSES = 10


def confident_logits(count: int, *, seed: int = 0, scale: float = 16.0) -> torch.Tensor:
    """Logits of an over-confident network, multiples of 1/1024: common offsets up to thousands change no bit of them."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, CLASSES, generator=generator)
    logits[:, 0] += 1.0
    return torch.round(logits * scale * 1024 / 4) / 1024


def predicted(logits: torch.Tensor) -> Predictions:
    return from_compact(compact(logits, torch.arange(len(logits)) % CLASSES), CLASSES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_probabilities_are_those_of_the_float32_softmax_bit_by_bit(dtype):
    logits = confident_logits(5000).to(dtype)
    found, softmax = predicted(logits), torch.softmax(logits.float(), dim=1)
    top = torch.sort(softmax, dim=1, descending=True).values[:, :6].numpy()
    assert found.top_probabilities.tobytes() == top.tobytes()
    true = softmax[torch.arange(5000), torch.arange(5000) % CLASSES].numpy()
    assert found.true_probability.tobytes() == true.tobytes()
    assert np.array_equal(found.score("msp"), -softmax.max(dim=1).values.double().numpy())


def test_a_common_offset_of_the_logits_moves_no_probability():
    """exp(logit - logsumexp) loses the low bits of both: the score of a network would hang on an offset without meaning."""
    logits = confident_logits(2000)
    for offset in (-300.0, 64.0, 4000.0):
        moved = predicted(logits + offset)
        assert moved.top_probabilities.tobytes() == predicted(logits).top_probabilities.tobytes()
        assert moved.true_probability.tobytes() == predicted(logits).true_probability.tobytes()


def by_logsumexp(logits: torch.Tensor) -> np.ndarray:
    """The largest probability as exp(logit - logsumexp): what must not be used."""
    return torch.exp(logits.amax(1) - torch.logsumexp(logits, 1)).clamp(max=1.0).numpy()


def test_confident_images_tie_no_more_than_in_the_softmax():
    logits = confident_logits(20_000, scale=30.0)
    ours = np.count_nonzero(predicted(logits).confidence == 1.0)
    assert ours == torch.count_nonzero(torch.softmax(logits, 1).amax(1) == 1.0)
    assert 0 < ours < 0.8 * np.count_nonzero(by_logsumexp(logits) == 1.0)


def with_margins(margins: np.ndarray) -> torch.Tensor:
    """Logits whose largest is 100 and whose others lie below it by a margin."""
    logits = torch.full((len(margins), CLASSES), 100.0)
    logits[:, 1:] -= torch.from_numpy(margins.astype(np.float32))[:, None]
    return logits


def test_an_over_confident_network_is_scored_as_by_its_softmax():
    """All probabilities lie within 3e-6 of 1; in the softmax every outlier is less sure, by logsumexp all are equal."""
    inside, outside = with_margins(np.linspace(17.5, 18, 100)), with_margins(np.linspace(15, 15.5, 20))
    assert detection(predicted(outside).score("msp"), predicted(inside).score("msp")).fpr95 == 0.0
    assert detection(-by_logsumexp(outside), -by_logsumexp(inside)).fpr95 == 1.0


class Confident(torch.nn.Module):
    """Logits large enough that many images reach a probability of 1."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images) * 12 + 100


def test_what_is_kept_gives_every_number_again_to_the_last_bit(make_subject):
    subject = make_subject()
    subject = dataclasses.replace(subject, model=Confident(subject.model).eval())
    wanted = [
        ("clean", {}),
        ("c-generated", {"kinds": ["contrast"], "severities": [5]}),
        ("ood-generated", {"repeats": 2}),
    ]
    for report in evaluate(subject, [BenchmarkRequest(name=name, params=params, key=name) for name, params in wanted]):
        again = recompute(report.benchmark, dict(wanted)[report.benchmark], report.outcome)
        assert again.metrics == report.outcome.metrics
        assert again.rows == report.outcome.rows
    inside = predictions_from(report.outcome.arrays, "in-distribution")
    with torch.no_grad():
        images = torch.from_numpy(subject.images).permute(0, 3, 1, 2).float() / 255
        softmax = torch.softmax(subject.model(images), dim=1).amax(1).numpy()
    assert np.allclose(inside.confidence, softmax, rtol=0, atol=1e-5)  # other batches, so other last bits of the logits

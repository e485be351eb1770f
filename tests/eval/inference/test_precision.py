"""In which arithmetic a network is evaluated: float32 unless a benchmark says otherwise, with the flags put back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.inference.precision import check_precision, float32_products, in_precision

CPU = torch.device("cpu")


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def request(name, precision="fp32", **params):
    return BenchmarkRequest(name=name, params=params, key=f"{name}-{precision}", precision=precision)


class Watching(nn.Module):
    """Notes the flags and the types of each forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8 * 8 * 3, 8)
        self.seen: list[tuple[bool, bool]] = []
        self.types: list[torch.dtype] = []

    def forward(self, images):
        self.seen.append(flags())
        logits = self.layer(images.flatten(1))
        self.types.append(logits.dtype)
        return logits


@pytest.fixture
def tf32_allowed():
    before = flags()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures("tf32_allowed")
@pytest.mark.parametrize(("precision", "is_tf32"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_the_flags_hold_for_the_passes_of_a_benchmark_and_are_put_back(make_subject, precision, is_tf32):
    network = Watching().eval()
    reports = evaluate(make_subject(model=network), [request("clean", precision), request("pgd", precision, steps=1)])
    assert [report.error for report in reports] == [None, None]
    assert set(network.seen) == {(is_tf32, is_tf32)}
    assert flags() == (True, True)


@pytest.mark.usefixtures("tf32_allowed")
def test_the_flags_are_put_back_after_an_error():
    seen = []

    def fail() -> None:
        seen.append(flags())
        raise KeyError

    with pytest.raises(KeyError), float32_products("fp32"):
        fail()
    assert seen == [(False, False)]
    assert flags() == (True, True)


def test_bf16_computes_in_bfloat16_and_gives_float32_logits(make_subject):
    network = Watching().eval()
    exact, coarse = evaluate(
        make_subject(model=network), [request("clean", keep_logits=True), request("clean", "bf16", keep_logits=True)]
    )
    assert set(network.types[:4]) == {torch.float32}
    assert set(network.types[4:]) == {torch.bfloat16}
    one, other = exact.outcome.arrays["clean/logits"], coarse.outcome.arrays["clean/logits"]
    assert one.dtype == other.dtype == "float32"
    assert other == pytest.approx(one, abs=0.05)
    assert (one != other).any()
    assert coarse.outcome.notes["evaluated_in"] == "bf16"
    assert exact.outcome.notes["evaluated_in"] == "fp32"


def test_clean_predictions_of_one_precision_are_not_taken_for_those_of_another(make_subject):
    network = Watching().eval()
    reports = evaluate(
        make_subject(model=network),
        [request("ood-generated", "fp32"), request("clean", "bf16"), request("ood-generated", "bf16")],
    )
    assert [report.outcome.forward_passes for report in reports] == [240 * 3 + 120, 120, 240 * 3]


def test_a_network_in_bf16_shares_the_weights_and_leaves_the_given_one_alone():
    network = Watching().eval()
    made = in_precision(network, "bf16", CPU)
    assert made is not network
    assert made.layer is network.layer
    assert not made.training
    images = torch.rand(2, 3, 8, 8)
    assert made(images).dtype == torch.float32
    network(images)
    assert network.types == [torch.bfloat16, torch.float32]
    assert in_precision(network, "fp32", CPU) is network
    assert in_precision(network, "tf32", CPU) is network


def test_an_attack_in_bf16_has_gradients_in_float32(make_subject):
    (report,) = evaluate(make_subject(model=Watching().eval()), [request("pgd", "bf16", steps=2)])
    assert report.error is None
    assert report.outcome.rows[-1]["loss"] > report.outcome.rows[0]["loss"]


def test_unknown_precisions_are_refused_with_the_known_ones(make_subject):
    with pytest.raises(ValueError, match=r"one of fp32, tf32, bf16, but got 'bf-16' \(did you mean 'bf16'\?\)"):
        check_precision("bf-16")
    with pytest.raises(ValueError, match="but got 16"):
        check_precision(16)
    (report,) = evaluate(make_subject(), [request("clean", "fp8")])
    assert "evaluation.precision must be one of fp32, tf32, bf16, but got 'fp8'" in report.error

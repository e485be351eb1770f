"""The safety suite on a network at hand: the numbers of the command line, on its own device, and nothing of it changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dreamgrid
from eval.errors import EvalError
from eval.inference.precision import EvaluationPrecision
from orchestration.errors import InputError
from orchestration.evaluation.checkpoints import LoadedNetwork, evaluate_network
from orchestration.evaluation.evaluate import make_requests, network_config
from orchestration.evaluation.in_process import check_model, device_of
from orchestration.results.evaluation_document import outcomes_of
from orchestration.settings import read_settings
from trainers.datasets.registry import dataset_for
from trainers.training.networks import build_classifier

CLEAN: dict[str, dict[str, object]] = {"clean": {}}
SMALL: dict[str, dict[str, object]] = {"clean": {}, "c-generated": {"kinds": ["fog"], "severities": [3]}}


@pytest.fixture
def network(one_torch_thread: None) -> nn.Module:
    """An untrained network of ours for the digits."""
    torch.manual_seed(0)
    config = network_config("small-cnn", "digits")
    assert config is not None
    return build_classifier(config, dataset_for("digits"))


def evaluate(model: Any, benchmarks: Any = CLEAN, **more: Any) -> dreamgrid.Report:
    return dreamgrid.evaluate(
        model, dataset="digits", **{"benchmarks": benchmarks, "max_images": 100, "progress": False, **more}
    )


def test_numbers_are_those_of_the_command_line(network: nn.Module) -> None:
    requests = make_requests({name: {**params, "max_images": 100} for name, params in SMALL.items()}, dataset="digits")
    theirs = evaluate_network(
        LoadedNetwork(model=network, dataset="digits", sha256=""),
        requests,
        settings=read_settings(),
        on_progress=lambda benchmark, done, total: None,
    )
    report = evaluate(network, SMALL)

    expected = {
        f"{each.benchmark}/{name}": metric.value
        for each in theirs
        if each.outcome
        for name, metric in each.outcome.metrics.items()
    }
    assert {name: report.metrics[name] for name in expected} == expected
    assert report.metrics["c-generated/error"] > 0
    assert report.missing == {}


def test_a_normalisation_is_laid_before_the_network(network: nn.Module) -> None:
    class Half(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return network((images - 0.5) / 0.5)

    network.eval()
    plain, named = evaluate(Half()), evaluate(network, normalize="half")

    assert plain.metrics == named.metrics
    assert named.metrics == evaluate(network, normalize=(0.5, 0.5)).metrics
    assert any("images normalised by mean 0.5, std 0.5" in note for note in named.document["notes"])


def test_modes_weights_and_device_are_as_before(network: nn.Module) -> None:
    network.train()
    next(network.network.children()).eval()
    modes = [module.training for module in network.modules()]
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    evaluate(network, {"clean": {}, "pgd": {"steps": 1}}, max_images=20)

    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_is_evaluated_where_it_is() -> None:
    assert device_of(nn.Linear(1, 1, device="meta")).type == "meta"
    assert device_of(nn.Flatten()).type == "cpu"


def test_a_plain_function_is_evaluated_and_what_it_cannot_do_is_missing() -> None:
    def always_three(images: Tensor) -> Tensor:
        return nn.functional.one_hot(torch.full((len(images),), 3), 10).float()

    report = evaluate(always_three, {"clean": {}, "pgd": {"steps": 1}})

    assert report.metrics["clean/error"] == pytest.approx(0.9, abs=0.1)
    assert list(report.missing) == ["pgd"]
    assert repr(report).splitlines()[0] == "always_three on digits: accuracy, calibration"
    assert "missing: pgd" in repr(report)
    assert report.missing["pgd"].startswith("an attack needs a network that gradients pass through")


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (
            nn.Linear(3, 2),
            "for (2, 1, 32, 32) it raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x32 and 3x2)",
        ),
        (lambda images: images.flatten(1)[:, :3], "for (2, 1, 32, 32) it gave the shape (2, 3)"),
        (lambda images: (images.flatten(1)[:, :10],), "for (2, 1, 32, 32) it gave the type tuple"),
    ],
)
def test_a_model_that_cannot_take_the_images_is_one_error(model: Any, found: str) -> None:
    with pytest.raises(InputError) as refused:
        evaluate(model, {"clean": {}, "pgd": {}})

    (mistake,) = refused.value.mistakes
    assert mistake.text.startswith("it must take images (N, 1, 32, 32) of 'digits' and return logits (N, 10), but for")
    assert found in mistake.text
    assert "put a function around it" in mistake.text


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_model_is_tried_without_a_trace(network: nn.Module, precision: EvaluationPrecision) -> None:
    class Noisy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = network(images + torch.rand(()))
            return logits

    network.eval()
    state = torch.get_rng_state()
    check_model(Noisy(), dataset_for("digits"), precision)

    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_model_that_needs_no_gradients_or_needs_them_is_not_refused() -> None:
    weight = nn.Parameter(torch.ones(10))

    def through_numpy(images: Tensor) -> Tensor:
        return torch.from_numpy((images.flatten(1)[:, :10] * weight).numpy())

    def by_its_own_gradient(images: Tensor) -> Tensor:
        moved = images.flatten(1)[:, :10] * weight
        (gradient,) = torch.autograd.grad(moved.sum(), weight)
        return moved + gradient

    assert list(evaluate(through_numpy, {"clean": {}, "pgd": {}}).missing) == ["pgd"]
    assert list(evaluate(by_its_own_gradient).missing) == ["clean"]


def test_the_reason_of_each_missing_benchmark_is_shown(network: nn.Module) -> None:
    def function(images: Tensor) -> Tensor:
        logits: Tensor = network(images).detach()
        return logits

    network.eval()
    report = evaluate(function, {"clean": {}, "pgd": {}, "pgd-reference": {}}, max_images=20)
    reason = report.missing["pgd"]

    assert repr(report).splitlines()[2] == f"missing: pgd, pgd-reference: {reason}"
    assert f"missing: pgd: {reason}" in report._repr_html_()
    assert f"missing: pgd-reference: {reason}" in report._repr_html_()


def test_a_notebook_shows_a_table_and_no_markup_of_a_name(network: nn.Module) -> None:
    def model(images: Tensor) -> Tensor:
        logits: Tensor = network(images)
        return logits

    model.__name__ = "<script>"
    network.eval()
    report = evaluate(model)

    assert "<td>accuracy</td><td>clean error</td>" in report._repr_html_().lower()
    assert "<script>" not in report._repr_html_()
    assert len(repr(report).splitlines()) == 3


def test_numbers_are_in_the_repr_and_all_of_them_in_what_is_printed(network: nn.Module) -> None:
    report = evaluate(network, SMALL)
    clean = f"{100 * report.metrics['clean/error']:.2f} %"
    numbers = repr(report).splitlines()[1]

    assert numbers.startswith(f"Clean Error {clean}, C (generated) Error ")
    assert numbers.endswith(f"; {len(report.metrics)} metrics of 2 benchmarks")
    title, head, _, first, *_ = str(report).splitlines()
    assert title == repr(report).splitlines()[0]
    assert head.split() == ["axis", "metric", "value", "better", "n"]
    assert first.split() == ["accuracy", "Clean", "Error", *clean.split(), "lower", "100"]
    assert "note: c-generated: generated images, not published files" in str(report)


def test_what_is_printed_has_the_notes_that_mark_values_and_says_where_the_others_are() -> None:
    def report(name: str, **notes: object) -> dict[str, object]:
        generated = {"generated": True, "limited": {"used": 20, "of": 355}, **notes}
        metrics = {"error": {"value": 0.25, "n": 20}}
        return {"shown_as": name, "benchmark": name, "marks": [], "metrics": metrics, "notes": generated}

    made = dreamgrid.Report(
        {
            "checkpoint": "mine",
            "dataset": "digits",
            "axes": ["corruption"],
            "notes": ["ood: left out"],
            "missing": {"pgd": "no gradient"},
            "reports": [
                report("c-generated", small_sets={"fog": 20, "snow": 20}, frost="procedural ice"),
                report("cbar-generated"),
            ],
        }
    )

    assert str(made).splitlines()[5:] == [
        "note: ood: left out",
        "note: c-generated, cbar-generated: generated images, not published files",
        "note: c-generated, cbar-generated: limited to 20 of 355 images",
        "note: c-generated: from a set of fewer than 100 images",
        "missing: pgd: no gradient",
        "2 more notes on how the values came about: .notes",
    ]
    assert [line for line in made.notes if line not in str(made)] == [
        "note: c-generated: sets of fewer than 100 images: fog (20), snow (20)",
        "note: c-generated: frost from procedural ice",
    ]
    assert "2 more notes" in made._repr_html_()


def test_the_repr_counts_one_metric_of_one_benchmark() -> None:
    reports = [{"shown_as": "clean", "benchmark": "clean", "metrics": {"error": {"value": 0.25, "n": 9}}}]
    made = dreamgrid.Report({"checkpoint": "m", "dataset": "digits", "axes": [], "missing": {}, "reports": reports})

    assert repr(made).splitlines()[1] == "Clean Error 25.00 %; 1 metric of 1 benchmark"


def test_the_repr_shows_the_first_numbers_alone() -> None:
    reports = [
        {"shown_as": name, "benchmark": name, "metrics": {"error": {"value": 0.25, "n": 9}}}
        for name in ("clean", "c", "cbar", "r", "pgd")
    ]
    shown = repr(
        dreamgrid.Report({"checkpoint": "mine", "dataset": "digits", "axes": [], "missing": {}, "reports": reports})
    )

    assert shown.splitlines()[1].endswith("R Error 25.00 %, 1 more; 5 metrics of 5 benchmarks")


def test_values_are_a_frame_and_a_document_that_export_reads(network: nn.Module) -> None:
    report = evaluate(network)
    frame = report.to_frame()

    assert list(frame.columns) == ["benchmark", "metric", "value", "n", "marks"]
    assert set(frame.marks) == {"limited"}
    assert frame.set_index("metric").value["error"] == report.metrics["clean/error"]
    assert outcomes_of(report.document)["clean"].metrics["error"].n == 100


def test_a_suite_is_chosen_by_name_and_axes(network: nn.Module) -> None:
    report = evaluate(network, None, suite="quick", axes=["accuracy"], max_images=20)

    assert {name.split("/")[0] for name in report.metrics} == {"clean"}


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"suite": "quick"}, ValueError, "but not both"),
        ({"benchmarks": ["cleen"]}, InputError, "did you mean 'clean'"),
        ({"benchmarks": None, "suite": "quik"}, EvalError, "did you mean 'quick'"),
        ({"benchmarks": None, "axes": ["acuracy"]}, InputError, "did you mean 'accuracy'"),
        ({"normalize": "halv"}, ValueError, "name of a usual one"),
        ({"precision": "fp16"}, ValueError, "must be one of fp32, tf32, bf16, but got 'fp16'"),
    ],
)
def test_what_is_wrong_is_refused_with_the_fix(
    network: nn.Module, wrong: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate(network, **wrong)


def test_a_bar_on_stderr_shows_how_far_it_is_where_it_is_wanted(
    network: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(network, progress=True)
    shown = capsys.readouterr()
    evaluate(network, progress=False)
    hidden = capsys.readouterr()

    assert (shown.out, hidden.out, hidden.err) == ("", "", "")
    assert "clean" in shown.err
    assert "100%" in shown.err


def test_one_bar_is_shown_for_all_benchmarks_also_where_the_last_is_refused(
    network: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(images: Tensor) -> Tensor:
        return network(images).detach()  # type: ignore[no-any-return]

    network.eval()
    evaluate(function, {**SMALL, "pgd": {}}, max_images=20, progress=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]

    assert len(lines) == 1
    assert "(2 of 3)" in lines[0]
    assert "100%" in lines[0]


def test_nothing_of_ray_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, dreamgrid\n"
        "def model(images):\n    return images.flatten(1)[:, :10]\n"
        "dreamgrid.evaluate(model, dataset='digits', benchmarks=['clean'], progress=False)\n"
        "print('ray' in sys.modules, 'mlflow' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout == "False False\n"

"""The suite: each image once, in order, on any number of workers; failures reported and survived."""

from __future__ import annotations

import dataclasses
import errno

import numpy as np
import pytest
import torch
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.evaluate import evaluate
from eval.errors import EvalError, NoSpace
from eval.inference.agreement import InStep, PeerFailed, WorkersLost
from eval.inference.image_sets import of_array
from eval.inference.predict import clean_predictions, predict, predict_sets
from eval.predictions import predictions_from
from eval.tables.column import Column, column_marks

QUICK = (
    ("clean", {}),
    ("c-generated", {"kinds": ["fog", "impulse_noise"], "severities": [1, 5]}),
    ("pgd", {"steps": 3, "epsilon": "8/255", "step_size": "4/255"}),
    ("pgd-reference", {"steps": 3}),
    ("ood-generated", {"repeats": 3}),
)


def requests(*wanted):
    return [BenchmarkRequest(name=name, params=params, key=f"key-{name}") for name, params in wanted]


class Counting(nn.Module):
    """Counts the images that a network sees."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seen = network, 0

    def forward(self, images):
        self.seen += len(images)
        return self.network(images)


class Broken(nn.Module):
    """Gives NaN for the images whose first value is largest."""

    def forward(self, images):
        logits = images.flatten(1)[:, :8].clone()
        logits[logits[:, 0] > 0.9] = torch.nan
        return logits


def test_predictions_come_back_in_order_and_are_what_the_network_says(make_subject):
    subject = make_subject()
    predictions = predict(subject, of_array(subject.images, subject.labels))
    with torch.no_grad():
        logits = subject.model(torch.from_numpy(subject.images).permute(0, 3, 1, 2).float() / 255)
    probabilities = torch.softmax(logits, dim=1).numpy()
    assert predictions.predicted.tolist() == logits.argmax(1).tolist()
    assert np.allclose(predictions.confidence, probabilities.max(1), atol=1e-6)
    assert np.allclose(predictions.true_probability, probabilities[np.arange(120), subject.labels], atol=1e-6)
    assert np.allclose(predictions.logsumexp, torch.logsumexp(logits, 1), atol=1e-5)
    assert np.array_equal(predictions.top_classes, np.argsort(-logits.numpy(), axis=1, kind="stable")[:, :6])
    assert predictions.error == pytest.approx(float((logits.argmax(1).numpy() != subject.labels).mean()))


@pytest.mark.parametrize("world_size", [2, 3, 5])
def test_any_number_of_workers_gives_the_same_bits_as_one(make_subject, threads, world_size):
    subject = make_subject()
    alone = evaluate(subject, requests(*QUICK))

    def work(worker):
        return evaluate(dataclasses.replace(subject, workers=worker), requests(*QUICK))

    for reports in threads(world_size).run(work):
        assert [report.error for report in reports] == [None] * len(QUICK)
        for mine, other in zip(alone, reports, strict=True):
            if mine.benchmark.startswith("pgd"):  # the mean loss is a sum over workers; its last bits may differ
                assert mine.outcome.metrics == other.outcome.metrics
            else:
                assert mine.outcome.metrics == other.outcome.metrics
                assert mine.outcome.rows == other.outcome.rows
            assert mine.outcome.arrays.keys() == other.outcome.arrays.keys()
            for name, values in mine.outcome.arrays.items():
                assert np.array_equal(values, other.outcome.arrays[name], equal_nan=True), name


def test_more_workers_than_batches_leave_some_idle_but_nobody_waiting(make_subject, threads):
    subject = make_subject(batch_size=100)

    def work(worker):
        return evaluate(dataclasses.replace(subject, workers=worker), requests(("clean", {})))

    reports = threads(4).run(work)
    assert {report[0].outcome.metrics["error"].n for report in reports} == {120}


def test_each_image_goes_through_the_network_once(make_subject, tiny_net):
    network = Counting(tiny_net).eval()
    subject = make_subject(model=network)
    reports = evaluate(subject, requests(*QUICK))
    by_name = {report.benchmark: report.outcome.forward_passes for report in reports}
    assert by_name == {
        "clean": 120,
        "c-generated": 4 * 120,
        "pgd": 120 * 4,
        "pgd-reference": 120 * 4,
        "ood-generated": 3 * 3 * 24,  # the test images were predicted for "clean" already
    }
    assert network.seen == sum(by_name.values())


def test_a_failing_benchmark_is_reported_and_the_others_still_run(make_subject):
    reports = evaluate(
        make_subject(),
        requests(("cleen", {}), ("pgd", {"stepz": 3}), ("c-generated", {"kinds": ["fogg"]}), ("clean", {})),
    )
    assert "did you mean 'clean'" in reports[0].error
    assert "unknown parameter 'stepz' of benchmark 'pgd' (did you mean 'steps'?)" in reports[1].error
    assert "did you mean 'fog'" in reports[2].error
    assert [report.outcome is None for report in reports] == [True, True, True, False]


def test_nan_logits_are_refused_with_the_number_of_images(make_subject):
    (report,) = evaluate(make_subject(model=Broken().eval()), requests(("clean", {})))
    assert report.outcome is None
    assert "logits must be finite numbers" in report.error
    assert "of 120 images" in report.error


def test_a_network_of_another_dataset_is_refused(make_subject):
    (report,) = evaluate(make_subject(num_classes=10), requests(("clean", {})))
    assert "must give 10 logits per image" in report.error


def test_labels_that_do_not_match_are_refused_before_anything_runs(make_subject):
    with pytest.raises(EvalError, match=r"labels must match the 120 test images.*\(119,\)"):
        evaluate(make_subject(labels=np.zeros(119, dtype=np.int64)), requests(("clean", {})))
    with pytest.raises(EvalError, match="labels of another dataset"):
        evaluate(make_subject(labels=np.full(120, 99)), requests(("clean", {})))
    with pytest.raises(EvalError, match="evaluation mode"):
        evaluate(make_subject(model=nn.Flatten().train()), requests(("clean", {})))


def test_fewer_than_two_bins_leave_the_reference_calibration_undefined(make_subject):
    (clean, corrupted) = evaluate(
        make_subject(), requests(("clean", {}), ("c-generated", {"kinds": ["contrast"], "severities": [1]}))
    )
    assert set(clean.outcome.metrics) == {"error", "rms", "ece"}
    assert set(corrupted.outcome.metrics) == {"error", "rms"}
    for report in (clean, corrupted):
        assert report.outcome.notes["missing"] == {
            "rms-reference": "needs at least 200 predictions in each set, but there are 120"
        }


def test_numbers_of_sets_below_a_hundred_images_bear_a_mark(make_subject):
    subject = make_subject()
    wanted = [
        (name, {"max_images": size, **({"kinds": ["fog"], "severities": [1, 2]} if name == "c-generated" else {})})
        for name in ("clean", "c-generated")
        for size in (99, 100)
    ]
    for (name, params), report in zip(wanted, evaluate(subject, requests(*wanted)), strict=True):
        marks = column_marks(report.outcome, Column.of(f"{name}/error"))
        assert ("small" in marks) == (params["max_images"] < 100), name
    assert "small" in column_marks(report_of(subject, "c-generated", 99), Column.of("c-generated/error/fog"))


def report_of(subject, name, size):
    return evaluate(subject, requests((name, {"max_images": size, "kinds": ["fog"], "severities": [1]})))[0].outcome


def test_fewer_than_a_hundred_predictions_give_an_error_but_no_calibration(make_subject):
    (report,) = evaluate(make_subject(), requests(("clean", {"max_images": 60})))
    assert set(report.outcome.metrics) == {"error"}
    assert report.outcome.metrics["error"].n == 60
    assert "at least 100 predictions" in report.outcome.notes["missing"]["rms"]
    assert report.outcome.notes["limited"] == {"used": 60, "of": 120}


def test_a_limited_evaluation_uses_the_same_images_everywhere_and_keeps_those_of_a_smaller_limit(make_subject):
    from eval.inference.sampling import chosen_indices

    subject = make_subject()
    small, large = chosen_indices(subject, 10), chosen_indices(subject, 50)
    assert set(small) < set(large)
    assert np.array_equal(chosen_indices(subject, 500), np.arange(120))


def test_recorded_predictions_give_a_new_metric_without_a_forward_pass(make_subject):
    (report,) = evaluate(make_subject(), requests(("clean", {})))
    again = predictions_from(report.outcome.arrays, "clean")
    assert again.error == report.outcome.metrics["error"].value
    with pytest.raises(EvalError, match=r"recorded: \['clean'\]"):
        predictions_from(report.outcome.arrays, "fog/3")


def test_kept_and_fresh_corruptions_give_the_same_numbers_and_the_kept_ones_carry_a_digest(make_subject):
    wanted = requests(("c-generated", {"kinds": ["fog"], "severities": [2]}))
    (kept,) = evaluate(make_subject(), wanted)
    subject = make_subject()
    (fresh,) = evaluate(dataclasses.replace(subject, generated_bytes=0, cache_dir=subject.cache_dir / "empty"), wanted)
    assert kept.outcome.metrics == fresh.outcome.metrics
    assert len(kept.outcome.notes["digests"]["fog/2"]) == 16
    assert fresh.outcome.notes["digests"] == {}


def test_the_frost_of_a_report_says_what_it_is_made_of(make_subject):
    wanted = {"kinds": ["frost"], "severities": [1], "max_images": 20}
    report, refused = evaluate(
        make_subject(), requests(("c-generated", wanted), ("c-generated", {**wanted, "frost": "images"}))
    )
    assert "procedural ice" in report.outcome.notes["frost"]
    assert "frost needs five images" in refused.error


def test_a_worker_that_fails_alone_takes_all_out_of_that_benchmark_and_none_is_left_waiting(make_subject, threads):
    subject = make_subject()

    class Fails(nn.Module):
        def forward(self, images):
            raise RuntimeError("this worker's file is gone")

    def work(worker):
        network = Fails().eval() if worker.rank == 1 else subject.model
        own = dataclasses.replace(subject, workers=worker, model=network)
        return evaluate(own, requests(("clean", {}), ("nope", {})))

    for reports in threads(3).run(work):
        assert reports[0].error == "RuntimeError: this worker's file is gone"
        assert "unknown benchmark 'nope'" in reports[1].error


@pytest.mark.parametrize("error", [MemoryError("no more"), NoSpace("no room"), OSError(errno.ENOSPC, "full")])
def test_what_every_benchmark_would_meet_ends_the_job_on_every_worker(threads, error):
    """A full cache counted as a failure of one benchmark after the other, and of the cell as a bug."""

    def work(worker):
        workers = InStep(worker)

        def step():
            if worker.rank == 0:
                raise error
            return workers.gather(1)

        with pytest.raises(type(error) if worker.rank == 0 else WorkersLost):
            workers.agree(step)
        return True

    assert threads(2).run(work) == [True, True]


def test_a_failure_in_one_gather_is_seen_by_all_in_that_same_gather(threads):
    def work(worker):
        workers, seen = InStep(worker), []

        def step():
            workers.gather(worker.rank)
            if worker.rank == 2:
                raise ValueError("bad file")
            try:
                workers.gather(worker.rank)
            except PeerFailed as error:
                seen.append(str(error))
                raise

        first = workers.agree(step)
        second = workers.agree(lambda: workers.gather(worker.rank))
        return first.failure, second.value, seen

    for rank, (failure, gathered, seen) in enumerate(threads(3).run(work)):
        assert failure == "ValueError: bad file"
        assert gathered == [0, 1, 2]
        assert seen == ([] if rank == 2 else ["ValueError: bad file"])


def test_progress_reaches_the_end_of_every_benchmark(make_subject):
    seen: dict[str, list[tuple[int, int]]] = {}
    evaluate(
        make_subject(),
        requests(*QUICK[:3]),
        on_progress=lambda name, done, total: seen.setdefault(name, []).append((done, total)),
    )
    assert all(steps[-1][0] == steps[-1][1] for steps in seen.values())
    assert set(seen) == {"clean", "c-generated", "pgd"}


def test_empty_sets_are_refused(make_subject):
    subject = make_subject()
    with pytest.raises(EvalError, match="at least one image"):
        predict_sets(subject, [of_array(subject.images[:0], subject.labels[:0], corruption="fog")])
    assert len(clean_predictions(subject, np.arange(120))) == 120


MINE = """
from dataclasses import replace
from eval.benchmarks.registry import BENCHMARKS
MINE = replace(BENCHMARKS["clean"], name="mine")
"""


def test_a_benchmark_of_a_package_is_not_run_with_other_code_than_planned(install, shared_subject):
    folder = install({"mine.py": MINE}, points="[dreamgrid.benchmarks]\nx = mine:MINE\n")
    code = benchmark_for("mine").code["source"]
    wanted = [
        BenchmarkRequest(name=name, params={}, key=name, code=code * (name == "mine")) for name in ("mine", "clean")
    ]
    assert [report.error for report in evaluate(shared_subject, wanted)] == [None, None]
    (folder / "mine.py").write_text(MINE + "# edited\n")
    refused, clean = evaluate(shared_subject, wanted)
    assert "must be what it was while planning" in refused.error
    assert clean.error is None

"""Batches that do not fit into memory: computed in parts, at the same borders, down to one image; attacks likewise."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.inference.agreement import WorkersLost
from eval.inference.memory import Parts
from eval.report import computing_remarks

ATTACK = ("pgd", {"steps": 3, "restarts": 2, "epsilon": "8/255", "step_size": "4/255"})


class Small(nn.Module):
    """A network on a device that has memory for so many images, fewer where gradients are kept.

    It computes image by image, so that neighbours cannot matter at all; a real one may differ in the last bits.
    """

    def __init__(self, network: nn.Module, fits: int, *, fits_attack: int | None = None) -> None:
        super().__init__()
        self.network, self.fits, self.fits_attack = network, fits, fits_attack or fits
        self.sizes: list[int] = []

    def forward(self, images):
        self.sizes.append(len(images))
        if len(images) > (self.fits_attack if images.requires_grad else self.fits):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has ...")
        return torch.cat([self.network(image[None]) for image in images])


def request(name, params=None, **fields):
    return BenchmarkRequest(name=name, params=params or {}, key=name, **fields)


@pytest.mark.parametrize("fits", [31, 16, 7, 1])
def test_a_batch_that_does_not_fit_is_computed_in_parts_with_the_same_numbers(make_subject, tiny_net, fits):
    wanted = [request("clean", {"keep_logits": True}), request("c-generated", {"kinds": ["fog"], "severities": [3]})]
    whole = evaluate(make_subject(model=Small(tiny_net, 1000).eval()), wanted)
    parts = evaluate(make_subject(model=Small(tiny_net, fits).eval()), wanted)
    for one, other in zip(whole, parts, strict=True):
        assert other.error is None
        assert one.outcome.metrics == other.outcome.metrics
        assert all(np.array_equal(one.outcome.arrays[name], other.outcome.arrays[name]) for name in one.outcome.arrays)
        assert "images_at_once" not in one.outcome.notes
        assert other.outcome.notes["images_at_once"]["forward"] <= fits


def test_what_fits_is_remembered_for_later_batches_and_benchmarks(make_subject, tiny_net):
    network = Small(tiny_net, 10).eval()
    evaluate(make_subject(model=network), [request("clean"), request("ood-generated", {"repeats": 2})])
    failed = [size for size in network.sizes if size > 10]
    assert failed == [32, 16]
    assert network.sizes[:2] == failed
    assert network.sizes[2:6] == [8, 8, 8, 8]


def test_an_attack_is_computed_in_parts_with_the_same_numbers(make_subject, tiny_net):
    (whole,) = evaluate(make_subject(model=Small(tiny_net, 1000).eval()), [request(*ATTACK)])
    network = Small(tiny_net, 1000, fits_attack=5).eval()
    (clean, parts, later) = evaluate(
        make_subject(model=network), [request("clean"), request(*ATTACK), request("clean")]
    )
    assert parts.outcome.metrics == whole.outcome.metrics
    assert np.array_equal(parts.outcome.arrays["survived"], whole.outcome.arrays["survived"])
    assert parts.outcome.notes["largest_change"] == whole.outcome.notes["largest_change"]
    assert [row["loss"] for row in parts.outcome.rows] == pytest.approx([row["loss"] for row in whole.outcome.rows])
    assert parts.outcome.notes["images_at_once"] == {"attack": 4}
    assert parts.outcome.forward_passes == whole.outcome.forward_passes
    for untouched in (clean, later):
        assert "images_at_once" not in untouched.outcome.notes


def test_where_not_one_image_fits_the_job_ends_with_the_fix(make_subject, tiny_net):
    for wanted in (request("clean"), request(*ATTACK)):
        with pytest.raises(
            torch.OutOfMemoryError, match=r"one image at a time .*\(CUDA out of memory. Tried .* GiB.\); free"
        ):
            evaluate(make_subject(model=Small(tiny_net, 0).eval()), [wanted])


def test_workers_with_different_memory_agree_on_what_they_report(make_subject, threads, tiny_net):
    alone = evaluate(make_subject(model=Small(tiny_net, 1000).eval()), [request("clean")])

    def work(worker):
        network = Small(tiny_net, 20 if worker.rank else 9).eval()
        return evaluate(make_subject(model=network, workers=worker), [request("clean")])

    for (report,) in threads(2).run(work):
        assert report.outcome.metrics == alone[0].outcome.metrics
        assert report.outcome.notes["images_at_once"] == {"forward": 8}


def test_a_worker_without_memory_for_one_image_ends_the_others_too(make_subject, threads, tiny_net):
    def work(worker):
        network = Small(tiny_net, 0 if worker.rank else 100).eval()
        with pytest.raises(torch.OutOfMemoryError if worker.rank else WorkersLost):
            evaluate(make_subject(model=network, workers=worker), [request("clean")])

    threads(2).run(work)


def test_parts_are_of_nearly_equal_size_and_cover_the_batch():
    parts = Parts()
    parts.limit = 63
    cut = parts.compute(250, lambda part: (part.start, part.stop))
    assert [start for start, _ in cut] == [0, 62, 125, 187]
    assert [stop for _, stop in cut] == [62, 125, 187, 250]
    assert parts.compute(0, lambda part: part) == []


def test_the_failed_pass_is_freed_before_the_next_try():
    kept: list[object] = []

    class Held:
        def __del__(self) -> None:
            kept.append("freed")

    def compute(part: slice) -> int:
        held = Held()
        if part.stop - part.start > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert kept, "the tensors of the failed pass are still there"
        return id(held)

    assert len(Parts().compute(4, compute)) == 2


def test_the_remarks_name_what_was_cut():
    remarks = computing_remarks({"images_at_once": {"forward": 125, "attack": 16}, "evaluated_in": "bf16"})
    assert remarks[0] == "evaluated in bf16"
    assert "forward passes of at most 125 images at once" in remarks[1]
    assert "attacks of at most 16 images at once" in remarks[2]


def test_an_error_of_another_kind_is_not_a_lack_of_memory(make_subject):
    class Broken(nn.Module):
        def forward(self, images):
            raise RuntimeError("a bug")

    (report,) = evaluate(dataclasses.replace(make_subject(), model=Broken().eval()), [request("clean")])
    assert report.error == "RuntimeError: a bug"

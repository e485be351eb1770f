"""Batches of an evaluation: the same borders, order and bits for any number of threads, errors as they are, bounded memory."""

from __future__ import annotations

import dataclasses
import threading
import time
from contextlib import closing

import numpy as np
import pytest
import torch
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.errors import EvalError
from eval.inference import transfer
from eval.inference.batches import BATCHES_AHEAD, cut, on_device, own_batches
from eval.inference.image_sets import ImageSet, of_array
from eval.inference.predict import predict_sets
from tests.fakes.late_device import LateDevice


class EagerDevice(LateDevice):
    """Copies late, but when somebody waits for one; whoever reads memory that is overwritten reads wrong values."""

    def receive(self, memory, copied):
        super().receive(memory, copied)
        copied.synchronize()


class Sizes(nn.Module):
    """Notes the size of each batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seen: list[int] = []

    def forward(self, images):
        self.seen.append(len(images))
        return self.network(images)


def sets_of(subject):
    """Bytes, float images, and sequences of seven frames of which a batch holds whole ones."""
    floats = subject.images[:75].astype(np.float32) / 255
    frames = np.repeat(subject.images[:13], 7, axis=0)

    def sequences(start, stop):
        assert start % 7 == stop % 7 == 0, "a part cuts a sequence"
        return frames[start:stop]

    return [
        of_array(subject.images, subject.labels, name="bytes"),
        of_array(floats, name="floats"),
        ImageSet(fields={"name": "frames"}, labels=np.repeat(subject.labels[:13], 7), load=sequences, group=7),
    ]


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("images", "copies"))]


@pytest.fixture(params=["cpu", "device"])
def device(request, monkeypatch):
    """Batches as on a CPU, or through pinned buffers and copies."""
    made: list[EagerDevice] = []
    if request.param == "device":
        monkeypatch.setattr(transfer, "engine_for", lambda device: made.append(EagerDevice()) or made[-1])
    return made


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_neither_borders_nor_bits(make_subject, tiny_net, threads, monkeypatch):
    alone, ahead = Sizes(tiny_net).eval(), Sizes(tiny_net).eval()
    subject = make_subject(model=ahead, threads=threads, batch_size=50)
    found = predict_sets(subject, sets_of(subject))
    monkeypatch.undo()
    expected = predict_sets(dataclasses.replace(subject, model=alone, threads=0), sets_of(subject))
    assert ahead.seen == alone.seen == [50, 50, 20, 50, 25, 49, 42]
    for one, other in zip(expected, found, strict=True):
        for name, values in one.arrays("x").items():
            assert np.array_equal(values, other.arrays("x")[name], equal_nan=True), name
    assert own_threads() == []


def test_without_threads_everything_is_loaded_by_the_caller(make_subject):
    subject = make_subject()
    loaders = set()

    def load(start, stop):
        loaders.add(threading.current_thread())
        return subject.images[start:stop]

    images = ImageSet(fields={}, labels=subject.labels, load=load)
    predict_sets(subject, [images])
    assert loaders == {threading.current_thread()}
    loaders.clear()
    predict_sets(dataclasses.replace(subject, threads=2), [images])
    assert threading.current_thread() not in loaders


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("threads", [0, 3])
def test_an_error_while_loading_reaches_the_caller_as_it_is(make_subject, threads):
    class Unreadable(EvalError):
        pass

    def load(start, stop):
        if start >= 64:
            raise Unreadable("image 70 is truncated; unpack it again")
        return np.zeros((stop - start, 8, 8, 3), dtype=np.uint8)

    subject = make_subject(threads=threads)
    with pytest.raises(Unreadable, match="image 70 is truncated; unpack it again"):
        predict_sets(subject, [ImageSet(fields={}, labels=subject.labels, load=load)])
    assert own_threads() == []


@pytest.mark.parametrize("threads", [0, 3])
def test_a_benchmark_whose_files_cannot_be_read_is_reported_and_the_others_run(make_subject, threads, monkeypatch):
    from eval.benchmarks.protocols import generated

    def broken(self, indices):
        raise EvalError("the generator failed")

    monkeypatch.setattr(generated.CorruptedSet, "at", broken)
    wanted = [
        BenchmarkRequest(name="c-generated", params={"kinds": ["fog"], "max_images": 60}, key="c"),
        BenchmarkRequest(name="clean", params={}, key="clean"),
    ]
    refused, clean = evaluate(make_subject(threads=threads), wanted)
    assert refused.error == "the generator failed"
    assert clean.error is None


@pytest.mark.usefixtures("device")
def test_closing_early_ends_the_threads(make_subject):
    subject = make_subject(threads=3)
    images = of_array(subject.images, subject.labels)
    batches = own_batches(subject, [(len(images), 1)])
    with closing(on_device(subject, [images], batches)) as arrivals:
        next(arrivals)
    assert own_threads() == []


@pytest.mark.parametrize("threads", [1, 4])
def test_only_a_few_batches_are_made_ahead(make_subject, threads):
    subject = make_subject(threads=threads, batch_size=2)
    started: list[int] = []

    def load(start, stop):
        started.append(start)
        return subject.images[start:stop]

    images = ImageSet(fields={}, labels=subject.labels, load=load)
    batches = own_batches(subject, [(len(images), 1)])
    with closing(on_device(subject, [images], batches)) as arrivals:
        for number, _ in enumerate(arrivals, start=1):
            time.sleep(0.002)
            assert len(started) <= number + BATCHES_AHEAD
    assert len(started) == 60


def test_buffers_do_not_grow_with_the_number_of_batches(make_subject, device):
    subject = make_subject(threads=2, batch_size=4)
    predict_sets(subject, [of_array(subject.images, subject.labels)] * 3)
    for each in device:
        assert len(each.host_sizes) <= BATCHES_AHEAD + 2
        assert len(each.device_sizes) <= 2


def test_buffers_without_room_halve_the_passes(make_subject, monkeypatch):
    """Passes that fill the memory leave no room for the buffer of the next batch."""

    class Full(EagerDevice):
        has_failed = False

        def device_bytes(self, size):
            if self.device_sizes and not self.has_failed:
                self.has_failed = True
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().device_bytes(size)

    subject = make_subject(threads=2)
    images = of_array(subject.images, subject.labels)
    (expected,) = predict_sets(dataclasses.replace(subject, threads=0), [images])
    assert subject.evaluation.forward_parts.limit is None

    full = Full()
    monkeypatch.setattr(transfer, "engine_for", lambda device: full)
    (found,) = predict_sets(subject, [images])
    assert full.has_failed
    assert subject.evaluation.forward_parts.limit == 16
    assert np.array_equal(found.labels, expected.labels)
    assert np.array_equal(found.top_classes, expected.top_classes)
    assert np.allclose(found.max_logit, expected.max_logit, atol=1e-5)
    assert own_threads() == []


def test_a_device_that_fails_ends_the_evaluation_with_its_error(make_subject, monkeypatch):
    broken = EagerDevice()
    broken.fails = RuntimeError("an illegal memory access was encountered")
    monkeypatch.setattr(transfer, "engine_for", lambda device: broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        predict_sets(make_subject(threads=2), [of_array(make_subject().images, make_subject().labels)])
    assert own_threads() == []


def test_batches_are_cut_at_borders_that_depend_on_the_sets_alone():
    batches = cut([(70, 1), (62, 31)], 32)
    assert [(each.which, each.start, each.stop) for each in batches] == [
        (0, 0, 32),
        (0, 32, 64),
        (0, 64, 70),
        (1, 0, 31),
        (1, 31, 62),
    ]
    assert [len(each) for each in cut([(10, 5)], 3)] == [5, 5]

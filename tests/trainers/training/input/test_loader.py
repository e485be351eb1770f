import threading
import time
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from augment.kernels.counters import SampleKeys, uniforms
from augment.treatment import Images, Treatment
from eval.inference import transfer
from tests.fakes.late_device import LateDevice
from trainers.training.input.images import ResidentImages
from trainers.training.input.loader import Batch, Loader
from trainers.training.input.order import Order

CPU = torch.device("cpu")
NUM_IMAGES = 203


class Views(Treatment):
    """Three views as floats, and two further images per sample: every stage of the host."""

    num_views = 3
    num_extra_per_sample = 2

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.threads: set[str] = set()

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> Images:
        self.epochs.append(keys.epoch)
        self.threads.add(threading.current_thread().name)
        shift = uniforms(keys, 3, stream="views").T.reshape(3, len(keys), 1, 1, 1)
        return (images / np.float32(510) + shift / 2).astype(np.float32)

    def extra(self, keys: SampleKeys) -> NDArray[np.uint8]:
        rows = np.repeat(keys.indices, 2) % 256
        return np.broadcast_to(rows.reshape(-1, 1, 1, 1), (2 * len(keys), 4, 4, 3)).astype(np.uint8)


def a_loader(treatment: Treatment | None = None, *, threads: int, ahead: int = 3, rank: int = 0) -> Loader:
    """204 images of 8 px in batches of 64 and shards of 16; the last batch has 11."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (NUM_IMAGES, 8, 8, 3), dtype=np.uint8)
    return Loader(
        source=ResidentImages(images, np.arange(NUM_IMAGES), crop_padding=2, flip=True),
        treatment=treatment or Treatment(),
        order=Order(samples=np.arange(NUM_IMAGES), batch_size=64, num_shards=4, seed=7),
        rank=rank,
        world_size=2,
        threads=threads,
        device=CPU,
        batches_ahead=ahead,
    )


def contents(loader: Loader, epochs: int = 2) -> list[tuple[object, ...]]:
    """What the batches of some epochs contain, as bytes."""

    def of(batch: Batch) -> tuple[object, ...]:
        shards = [
            (
                shard.number,
                *(
                    None if part is None else (part.shape, part.dtype, part.numpy().tobytes())
                    for part in (shard.images, shard.labels, shard.extra)
                ),
            )
            for shard in batch.shards
        ]
        return batch.step, batch.num_samples, *shards

    return [of(batch) for epoch in range(epochs) for batch in loader.epoch(epoch)]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> LateDevice:
    device = LateDevice(is_prompt=True)
    monkeypatch.setattr(transfer, "engine_for", lambda _: device)
    return device


@pytest.mark.parametrize("make", [Treatment, Views])
@pytest.mark.parametrize("rank", [0, 1])
def test_batches_are_the_same_with_and_without_threads(make: Callable[[], Treatment], rank: int) -> None:
    with a_loader(make(), threads=0, rank=rank) as plain, a_loader(make(), threads=3, rank=rank) as threaded:
        assert contents(plain) == contents(threaded)


@pytest.mark.parametrize("make", [Treatment, Views])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_are_the_same_through_the_ring(
    make: Callable[[], Treatment], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_loader(make(), threads=0) as plain:
        expected = contents(plain)
    monkeypatch.setattr(transfer, "engine_for", lambda _: LateDevice(is_prompt=True))
    with a_loader(make(), threads=threads) as loader:
        assert contents(loader) == expected


def test_a_worker_without_samples_in_the_last_batch_gets_an_empty_one(device: LateDevice) -> None:
    order = Order(samples=np.arange(17), batch_size=16, num_shards=4, seed=7)
    images = np.zeros((17, 4, 4, 1), dtype=np.uint8)
    with Loader(
        source=ResidentImages(images, np.arange(17), crop_padding=0, flip=False),
        treatment=Treatment(),
        order=order,
        rank=1,
        world_size=2,
        threads=2,
        device=CPU,
    ) as loader:
        sizes = [(batch.num_samples, [len(shard.labels) for shard in batch.shards]) for batch in loader.epoch(0)]
    assert sizes == [(16, [4, 4]), (1, [])]


@pytest.mark.parametrize("is_on_device", [False, True])
def test_nothing_is_prepared_past_the_end_of_an_epoch(is_on_device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_on_device:
        monkeypatch.setattr(transfer, "engine_for", lambda _: LateDevice(is_prompt=True))
    treatment = Views()
    with a_loader(treatment, threads=2) as loader:
        for epoch in range(3):
            with closing(loader.epoch(epoch)) as batches:
                for _ in batches:
                    time.sleep(0.01)
            time.sleep(0.05)
            assert set(treatment.epochs) == set(range(epoch + 1))


def test_buffers_do_not_grow_from_epoch_to_epoch(device: LateDevice) -> None:
    with a_loader(Views(), threads=2, ahead=2) as loader:
        contents(loader, epochs=4)
        sizes = list(device.host_sizes)
        contents(loader, epochs=4)
    # Two shards of 16 samples: three views of 8 x 8 x 3 floats, labels, and 32 images of 4 x 4 x 3, each rounded up to 512 bytes.
    largest = 2 * (3 * 16 * 8 * 8 * 3 * 4 + 512 + 1536)
    assert device.host_sizes == sizes
    assert max(sizes) == largest
    assert sizes.count(largest) <= 4
    assert device.device_sizes == [largest] * 2


def test_the_thread_that_trains_prepares_nothing(device: LateDevice) -> None:
    treatment = Views()
    with a_loader(treatment, threads=2) as loader:
        contents(loader)
    assert all(name.startswith("images") for name in treatment.threads)
    assert device.senders == {"copies"}


def test_labels_that_a_treatment_keeps_stay(device: LateDevice) -> None:
    with a_loader(threads=2) as loader:
        kept = [(shard.labels, shard.labels.tolist()) for batch in loader.epoch(0) for shard in batch.shards]
    assert all(labels.tolist() == values for labels, values in kept)


def test_a_corrupt_image_is_reported_where_its_batch_would_have_come(device: LateDevice) -> None:
    class Broken(Treatment):
        def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> Images:
            if keys.epoch == 1:
                raise OSError("the disk is gone")
            return images

    with a_loader(Broken(), threads=2) as loader:
        assert len(contents(loader, epochs=1)) == 4
        with pytest.raises(OSError, match="the disk is gone"):
            next(loader.epoch(1))

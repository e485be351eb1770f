import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from eval.inference.prefetch import Part, Work, prepared
from eval.inference.ring import HostRing
from eval.inference.transfer import DeviceFeed, float_images
from tests.fakes.late_device import LateDevice

CPU = torch.device("cpu")
SIZES = (40, 40, 7, 64, 1, 40, 40, 40, 40, 13)
"""Several sizes, larger ones after smaller ones, partial batches in between and at the end."""


def pixels(batch: int, start: int, stop: int) -> NDArray[np.uint8]:
    """What sample `row` of batch `batch` looks like."""
    rows = np.arange(start, stop).reshape(-1, 1, 1, 1)
    return np.broadcast_to((batch * 31 + rows) % 256, (stop - start, 3, 2, 3)).astype(np.uint8)


def images_and_labels(batch: int, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return pixels(batch, start, stop), batch * 1000 + np.arange(start, stop)


def works(
    sizes: tuple[int, ...] = SIZES, *, chunk: int = 16, made: list[int] | None = None, fails_at: int | None = None
) -> Iterator[Work[int]]:
    """One group a batch, in parts of up to `chunk` rows."""

    def make(batch: int, start: int, stop: int) -> Callable[[], tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        def run() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
            if batch == fails_at:
                raise OSError("image 7 cannot be read")
            if made is not None:
                made.append(batch)
            return images_and_labels(batch, start, stop)

        return run

    for batch, size in enumerate(sizes):
        cuts = [(start, min(start + chunk, size)) for start in range(0, size, chunk)]
        yield Work((size,), tuple(Part(0, start, stop, make(batch, start, stop)) for start, stop in cuts), batch)


def threads_of_feeds() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("images", "copies"))]


def received(device: LateDevice, feed: DeviceFeed, *, sizes: tuple[int, ...] = SIZES) -> list[tuple[torch.Tensor, ...]]:
    """What the device reads when all it does is as late as it may be."""
    read: list[tuple[torch.Tensor, ...]] = []
    with closing(feed.run(works(sizes))) as batches:
        for number, batch in enumerate(batches):
            assert batch.tag == number
            (group,) = batch.groups
            device.compute(lambda group=group: read.append(tuple(tensor.clone() for tensor in group)))
    device.finish()
    return read


def is_right(read: list[tuple[torch.Tensor, ...]], sizes: tuple[int, ...] = SIZES) -> bool:
    wanted = [images_and_labels(batch, 0, size) for batch, size in enumerate(sizes)]
    return len(read) == len(wanted) and all(
        np.array_equal(images.numpy(), true[0]) and np.array_equal(labels.numpy(), true[1])
        for (images, labels), true in zip(read, wanted, strict=True)
    )


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_a_device_that_is_always_late_reads_every_batch_whole_and_in_order(threads: int, ahead: int) -> None:
    device = LateDevice()
    with DeviceFeed(CPU, threads=threads, ahead=ahead, engine=device) as feed:
        assert is_right(received(device, feed))
    assert threads_of_feeds() == []


@pytest.mark.parametrize("broken", ["ignores_reads", "forgets_copies"])
def test_a_device_that_keeps_no_order_reads_wrong_pixels(broken: str) -> None:
    """The other tests would see a buffer that is used too early."""
    device = LateDevice(**{broken: True})
    with DeviceFeed(CPU, threads=2, ahead=1, engine=device) as feed:
        assert not is_right(received(device, feed, sizes=(40,) * 12), sizes=(40,) * 12)


def test_buffers_are_as_many_as_stated_and_do_not_grow_from_epoch_to_epoch() -> None:
    device = LateDevice()
    sizes = (40,) * 9 + (11,)
    with DeviceFeed(CPU, threads=2, ahead=2, engine=device) as feed:
        for _ in range(5):
            assert is_right(received(device, feed, sizes=sizes), sizes)
    assert len(device.host_sizes) == 4
    assert len(device.device_sizes) == 2
    # Images and labels, each from a multiple of 512 bytes on.
    assert {*device.host_sizes, *device.device_sizes} == {1024 + 512}


def test_buffers_are_freed_at_the_end_and_by_larger_ones() -> None:
    device = LateDevice()
    with DeviceFeed(CPU, threads=2, ahead=1, engine=device) as feed:
        for size in (10, 20, 40, 80):
            assert is_right(received(device, feed, sizes=(size,) * 7), (size,) * 7)
            assert device.num_buffers == 3 + 2
    assert device.num_buffers == 0


def test_a_consumer_that_stops_stops_the_threads_after_a_few_batches() -> None:
    device, made = LateDevice(), list[int]()
    with (
        DeviceFeed(CPU, threads=2, ahead=2, engine=device) as feed,
        closing(feed.run(works((16,) * 50, made=made))) as batches,
    ):
        next(batches)
        settled, since = 0, time.monotonic()
        while time.monotonic() - since < 0.3:
            if len(made) != settled:
                settled, since = len(made), time.monotonic()
            time.sleep(0.01)
        # One with the consumer, one on the device, one that waits for a buffer of the device, two ahead.
        assert settled == 5


@pytest.mark.parametrize("engine", [None, LateDevice()])
def test_an_error_in_a_thread_reaches_the_consumer_after_the_batches_before(engine: LateDevice | None) -> None:
    with DeviceFeed(CPU, threads=2, ahead=3, engine=engine) as feed:
        batches = feed.run(works(fails_at=4))
        assert [next(batches).tag for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(OSError, match="image 7 cannot be read"):
            next(batches)
        assert [batch.tag for batch in feed.run(works())] == list(range(len(SIZES)))


def test_an_error_of_the_device_reaches_the_consumer_and_nobody_waits_forever() -> None:
    device = LateDevice()
    device.fails = RuntimeError("the device is lost")
    with DeviceFeed(CPU, threads=2, ahead=1, engine=device) as feed:
        for _ in range(6):
            with pytest.raises(RuntimeError, match="the device is lost"), closing(feed.run(works())) as batches:
                next(batches)
        device.fails = None
        assert is_right(received(device, feed))


@pytest.mark.parametrize("taken", [1, 2, 5])
def test_a_feed_that_is_closed_early_can_be_used_again(taken: int) -> None:
    device = LateDevice()
    with DeviceFeed(CPU, threads=2, ahead=2, engine=device) as feed:
        for _ in range(8):
            with closing(feed.run(works())) as batches:
                for _ in range(taken):
                    next(batches)
            assert "copies" not in threads_of_feeds()
        assert is_right(received(device, feed))
    assert threads_of_feeds() == []


def test_the_consumers_thread_neither_makes_nor_copies() -> None:
    device, makers = LateDevice(), set[str]()

    def make() -> tuple[NDArray[np.uint8]]:
        makers.add(threading.current_thread().name)
        return (pixels(0, 0, 4),)

    with DeviceFeed(CPU, threads=1, engine=device) as feed:
        assert sum(1 for _ in feed.run(Work((4,), (Part(0, 0, 4, make),), step) for step in range(5))) == 5
    assert device.senders == {"copies"}
    assert all(name.startswith("images") for name in makers)


def test_on_a_cpu_a_batch_of_one_part_is_what_the_part_returned() -> None:
    made = [np.zeros((4, 2, 2, 3), dtype=np.uint8) for _ in range(3)]
    with DeviceFeed(CPU, threads=1) as feed:
        batches = feed.run(Work((4,), (Part(0, 0, 4, lambda array=array: (array,)),), None) for array in made)
        pointers = [batch.groups[0][0].data_ptr() for batch in batches]
    assert pointers == [array.ctypes.data for array in made]


def test_on_a_cpu_arrays_that_are_read_only_are_copied() -> None:
    array = np.zeros((4, 2, 2, 3), dtype=np.uint8)
    array.flags.writeable = False
    with DeviceFeed(CPU, threads=0) as feed:
        (batch,) = feed.run([Work((4,), (Part(0, 0, 4, lambda: (array,)),), None)])
    assert batch.groups[0][0].data_ptr() != array.ctypes.data


@pytest.mark.parametrize("engine", [None, LateDevice()])
def test_views_and_further_images_are_joined_along_their_rows(engine: LateDevice | None) -> None:
    def part(group: int, start: int, stop: int) -> Part:
        rows = np.arange(start, stop)
        views = np.stack([rows + 100 * view for view in range(3)]).reshape(3, -1, 1, 1, 1).astype(np.float32) + group
        return Part(group, start, stop, lambda: (views, rows, np.repeat(rows, 2).reshape(-1, 1, 1, 1).astype(np.uint8)))

    work = Work((5, 3), (part(0, 0, 2), part(0, 2, 5), part(1, 0, 3)), "both")
    with DeviceFeed(CPU, threads=2, engine=engine) as feed, closing(feed.run([work])) as batches:
        (first, second) = next(batches).groups
        if engine is not None:
            engine.finish()
        assert first[0][:, :, 0, 0, 0].tolist() == [[view * 100.0 + row for row in range(5)] for view in range(3)]
        assert first[1].tolist() == [0, 1, 2, 3, 4]
        assert first[2].flatten().tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        assert second[0][:, :, 0, 0, 0].tolist() == [[view * 100.0 + row + 1 for row in range(3)] for view in range(3)]
        assert [tensor.dtype for tensor in second] == [torch.float32, torch.int64, torch.uint8]


def test_parts_that_do_not_fit_together_are_refused() -> None:
    parts = tuple(
        Part(0, 2 * number, 2 * number + 2, lambda dtype=dtype: (np.zeros((2, 1, 1, 1), dtype),))
        for number, dtype in enumerate((np.uint8, np.float32))
    )
    with DeviceFeed(CPU, threads=0) as feed, pytest.raises(ValueError, match="same shape and type for every sample"):
        next(feed.run([Work((4,), parts, None)]))


def test_a_ring_with_too_few_slots_is_refused() -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(ValueError, match="must have 5 slots for 3 batches ahead, but has 4"),
    ):
        next(prepared(works(), pool=pool, ahead=3, ring=HostRing(4, LateDevice().host_bytes)))


def test_pixels_become_channels_first_floats_in_unit_range() -> None:
    array = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    images = float_images(torch.from_numpy(array))
    assert images.shape == (2, 5, 3, 4)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images[1, 2, 0, 3].item() == pytest.approx(array[1, 0, 3, 2] / 255)


def test_views_of_floats_come_one_after_the_other_and_are_copied_where_they_must_stay() -> None:
    views = torch.zeros((3, 2, 4, 4, 1))
    images = float_images(views)
    assert images.shape == (6, 1, 4, 4)
    assert images.data_ptr() != views.data_ptr()
    assert float_images(views, copy=False).data_ptr() == views.data_ptr()

"""Batches arrive as they were made, however late the device is and however often its buffers go round."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from eval.inference.prefetch import Part, Work
from eval.inference.transfer import DeviceFeed, float_images

PERIOD = 251
"""A prime, so that no row of bytes looks like its neighbour."""

NUM_BATCHES = {"cpu": 60, "cuda": 600}
SIDE = {"cpu": 8, "cuda": 96}


def made(number: int, start: int, stop: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return rows of a batch whose every byte follows from its place."""
    rows = np.arange(start, stop, dtype=np.int64)
    pixels = np.arange(side * side * 3, dtype=np.int64)
    images = (number * 31 + rows[:, None] * 7 + pixels[None]) % PERIOD
    return images.astype(np.uint8).reshape(-1, side, side, 3), rows + number


def expected(number: int, size: int, side: int, device: torch.device) -> torch.Tensor:
    """Return the same bytes, made on the device."""
    rows, pixels = torch.arange(size, device=device), torch.arange(side * side * 3, device=device)
    images = (number * 31 + rows[:, None] * 7 + pixels[None]) % PERIOD
    return images.to(torch.uint8).reshape(size, side, side, 3)


def works(count: int, side: int, parts: int) -> Iterator[Work[int]]:
    for number in range(count):
        size = 1 + (number * 37) % 64  # another size each time: buffers are used in part
        borders = [size * part // parts for part in range(parts + 1)]
        yield Work(
            sizes=(size,),
            parts=tuple(
                Part(0, start, stop, partial(made, number, start, stop, side))
                for start, stop in pairwise(borders)
                if stop > start
            ),
            tag=number,
        )


def load_of(device: torch.device) -> torch.Tensor:
    return torch.rand(2048 if device.type == "cuda" else 32, 2048 if device.type == "cuda" else 32, device=device)


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_no_batch_is_overwritten_while_it_is_read(device: torch.device, threads: int) -> None:
    side, count = SIDE[device.type], NUM_BATCHES[device.type]
    busy, wrong = load_of(device), []
    with DeviceFeed(device, threads=threads) as feed, closing(feed.run(works(count, side, parts=3))) as batches:
        for batch in batches:
            ((images, labels),) = batch.groups
            # The device falls behind the host, at times by a lot; what it then reads must still be this batch.
            for _ in range((batch.tag * 13) % 7):
                busy = busy @ busy
                busy = busy / busy.abs().max()
            same = (images == expected(batch.tag, len(images), side, device)).all()
            right = (labels == torch.arange(len(images), device=device) + batch.tag).all()
            wrong.append(~(same & right))

    assert batch.tag == count - 1
    assert int(torch.stack(wrong).sum()) == 0


def test_a_feed_that_is_left_early_can_be_used_again(device: torch.device) -> None:
    side = SIDE[device.type]
    with DeviceFeed(device, threads=2) as feed:
        for stop_at in (0, 1, 5):
            with closing(feed.run(works(20, side, parts=2))) as batches:
                for batch in batches:
                    ((images, _),) = batch.groups
                    assert torch.equal(images, expected(batch.tag, len(images), side, device))
                    if batch.tag == stop_at:
                        break


def test_images_are_those_of_a_direct_copy(device: torch.device) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    work = Work(sizes=(9,), parts=(Part(0, 0, 9, lambda: (pixels,)),), tag=0)
    with DeviceFeed(device, threads=1) as feed, closing(feed.run([work])) as batches:
        ((arrived,),) = next(batches).groups
        images = float_images(arrived)

    direct = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device).float() / 255
    assert torch.equal(images, direct)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_an_error_of_a_thread_comes_where_its_batch_would_have(device: torch.device) -> None:
    def fail() -> tuple[NDArray[np.uint8], ...]:
        raise ValueError("no such file")

    good, bad = next(works(1, 8, parts=1)), Work(sizes=(1,), parts=(Part(0, 0, 1, fail),), tag=1)
    with DeviceFeed(device, threads=2) as feed, closing(feed.run([good, bad])) as batches:
        assert next(batches).tag == 0
        with pytest.raises(ValueError, match="no such file"):
            next(batches)

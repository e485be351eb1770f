"""Random numbers are Philox 4x32-10, addressed by (seed, stream, epoch, index, slot)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from augment.kernels.compiled import kernel
from augment.kernels.counters import (
    SampleKeys,
    StepKeys,
    integers,
    normals,
    permutation,
    philox,
    step_uniforms,
    stream_id,
    uniform_at,
    uniforms,
)


@kernel()
def _words(counter, key):  # type: ignore[no-untyped-def]
    return philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])


# Known answers of the Random123 distribution, file kat_vectors, lines "philox4x32 10".
KNOWN_ANSWERS = [
    (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_published_known_answers(
    counter: tuple[int, ...], key: tuple[int, ...], answer: tuple[int, ...]
) -> None:
    assert tuple(_words(np.array(counter, dtype=np.uint64), np.array(key, dtype=np.uint64))) == answer


def _philox_in_python(counter: list[int], key: list[int]) -> list[int]:
    """Return Philox 4x32-10 in whole-number arithmetic, from the paper's definition."""
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * counter[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * counter[2], 1 << 32)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B9) % (1 << 32), (key[1] + 0xBB67AE85) % (1 << 32)]
    return counter


def test_a_uniform_is_the_top_53_bits_of_its_two_words() -> None:
    seed, epoch, index = 0x0123456789ABCDEF, 7, 41
    drawn = uniforms(SampleKeys(seed, epoch, np.array([index])), 5, stream="check")[0]
    for slot, value in enumerate(drawn):
        counter = [slot // 2, index, epoch, stream_id("check")]
        words = _philox_in_python(counter, [seed & 0xFFFFFFFF, seed >> 32])
        first, second = words[2 * (slot % 2)], words[2 * (slot % 2) + 1]
        assert value == (((first << 32) | second) >> 11) / 2**53


def test_a_sample_draws_the_same_in_any_batch_and_order() -> None:
    together = uniforms(SampleKeys(3, 5, np.array([9, 2, 7])), 6, stream="a")
    alone = uniforms(SampleKeys(3, 5, np.array([7])), 6, stream="a")
    assert np.array_equal(together[2], alone[0])


def test_streams_epochs_seeds_and_indices_do_not_share_draws() -> None:
    keys = SampleKeys(1, 1, np.arange(100))
    blocks = [
        uniforms(keys, 8, stream="a"),
        uniforms(keys, 8, stream="b"),
        uniforms(SampleKeys(1, 2, np.arange(100)), 8, stream="a"),
        uniforms(SampleKeys(2, 1, np.arange(100)), 8, stream="a"),
    ]
    values = np.concatenate(blocks).ravel()
    assert len(np.unique(values)) == values.size


def test_uniforms_and_normals_have_their_distributions() -> None:
    keys = SampleKeys(11, 0, np.arange(20_000))
    assert stats.kstest(uniforms(keys, 1, stream="u")[:, 0], "uniform").pvalue > 1e-3
    assert stats.kstest(normals(keys, 1, stream="n")[:, 0], "norm").pvalue > 1e-3


def test_integers_cover_their_range_evenly() -> None:
    drawn = integers(SampleKeys(0, 0, np.arange(50_000)), 1, 5, stream="i")[:, 0]
    assert stats.chisquare(np.bincount(drawn, minlength=5)).pvalue > 1e-3


def test_steps_and_shards_draw_apart() -> None:
    drawn = [step_uniforms(StepKeys(0, step, shard), 2, stream="s") for step in range(4) for shard in range(4)]
    assert len(np.unique(np.array(drawn))) == 32


def test_a_permutation_holds_every_index_once() -> None:
    assert sorted(permutation(1, 2, 100, stream="p")) == list(range(100))


def test_a_seed_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 2\*\*64 - 1, but got -1"):
        uniforms(SampleKeys(-1, 0, np.zeros(1, dtype=np.int64)), 1, stream="x")


def test_no_keys_draw_nothing() -> None:
    assert uniforms(SampleKeys(0, 0, np.zeros(0, dtype=np.int64)), 3, stream="x").shape == (0, 3)


@pytest.mark.parametrize("slot", [0, 1, 2, 5])
def test_one_draw_inside_a_kernel_is_that_of_the_block(slot: int) -> None:
    block = uniforms(SampleKeys(3, 2, np.array([7])), 6, stream="x")

    assert uniform_at(slot, 7, 2, stream_id("x"), 3, 0) == block[0, slot]

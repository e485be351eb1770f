"""Counter-based random numbers: every draw is a pure function of its keys.

The generator is Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). A draw is
addressed by (seed, stream, epoch, index, slot), so it does not depend on batch size, order, threads, workers or resume.

Philox takes a 64-bit key and a 128-bit counter:

    key     = seed (low word, high word)
    counter = (slot, index, epoch, stream)

One call yields four 32-bit words, that is two doubles; slots 2i and 2i + 1 share a call.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment.kernels.compiled import kernel


@dataclass(frozen=True, slots=True)
class SampleKeys:
    """The identity of each sample of a batch.

    Attributes:
        seed: Seed of the cell.
        epoch: Epoch, from 0.
        indices: Index of each sample in its dataset, (N,) int64, below 2**32.
    """

    seed: int
    epoch: int
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, slots=True)
class StepKeys:
    """The identity of one logical shard of one optimiser step."""

    seed: int
    step: int
    shard: int


def stream_id(name: str) -> int:
    """Return the 32-bit stream number of a name, so that different uses of one sample never share draws."""
    return zlib.crc32(name.encode())


def uniforms(keys: SampleKeys, slots: int, *, stream: str) -> NDArray[np.float64]:
    """Return uniform draws in [0, 1) with 53 random bits, (N, slots)."""
    block: NDArray[np.float64] = _uniform_block(
        *_seed_words(keys.seed), stream_id(stream), np.uint32(keys.epoch), _indices(keys), slots
    )
    return block


def normals(keys: SampleKeys, slots: int, *, stream: str) -> NDArray[np.float64]:
    """Return standard normal draws, (N, slots), by the Box-Muller transform of two uniforms each."""
    block: NDArray[np.float64] = _normal_block(
        *_seed_words(keys.seed), stream_id(stream), np.uint32(keys.epoch), _indices(keys), slots
    )
    return block


def integers(keys: SampleKeys, slots: int, high: int, *, stream: str) -> NDArray[np.int64]:
    """Return uniform integers in [0, high), (N, slots)."""
    return np.minimum((uniforms(keys, slots, stream=stream) * high).astype(np.int64), high - 1)


def step_uniforms(keys: StepKeys, slots: int, *, stream: str) -> NDArray[np.float64]:
    """Return uniform draws in [0, 1) that belong to one shard of one step, (slots,)."""
    as_sample = SampleKeys(keys.seed, keys.step, np.array([keys.shard], dtype=np.int64))
    row: NDArray[np.float64] = uniforms(as_sample, slots, stream=stream)[0]
    return row


def permutation(seed: int, epoch: int, size: int, *, stream: str) -> NDArray[np.int64]:
    """Return a uniform random permutation of range(size): indices sorted by their draws."""
    keys = SampleKeys(seed, epoch, np.arange(size, dtype=np.int64))
    return np.argsort(uniforms(keys, 1, stream=stream)[:, 0], kind="stable").astype(np.int64)


def _seed_words(seed: int) -> tuple[np.uint32, np.uint32]:
    if not 0 <= seed < 2**64:
        raise ValueError(f"a seed must be between 0 and 2**64 - 1, but got {seed}")
    return np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)


def _indices(keys: SampleKeys) -> NDArray[np.uint32]:
    return np.ascontiguousarray(keys.indices).astype(np.uint32)


@kernel(inline="always")
def philox(slot, index, epoch, stream, key0, key1):  # type: ignore[no-untyped-def]
    """Return four 32-bit words (as uint64) of Philox 4x32-10 for one counter and key, whose six words are below 2**32."""
    # a product of two 32-bit words has 64 bits, so all words are uint64
    mask = np.uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = np.uint64(slot), np.uint64(index), np.uint64(epoch), np.uint64(stream)
    k0, k1 = np.uint64(key0), np.uint64(key1)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (
            ((p1 >> np.uint64(32)) ^ c1 ^ k0) & mask,
            p1 & mask,
            ((p0 >> np.uint64(32)) ^ c3 ^ k1) & mask,
            p0 & mask,
        )
        k0 = (k0 + np.uint64(0x9E3779B9)) & mask
        k1 = (k1 + np.uint64(0xBB67AE85)) & mask
    return c0, c1, c2, c3


@kernel(inline="always")
def _to_unit(high, low):  # type: ignore[no-untyped-def]
    """Return a double in [0, 1) from the top 53 of the 64 bits of two words."""
    return np.float64(((high << np.uint64(32)) | low) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel()
def uniform_at(slot, index, epoch, stream, key0, key1):  # type: ignore[no-untyped-def]
    """Return one uniform double in [0, 1) with 53 random bits; for use inside other kernels, arguments as for `philox`."""
    w0, w1, w2, w3 = philox(np.uint64(slot) >> np.uint64(1), index, epoch, stream, key0, key1)
    if np.uint64(slot) & np.uint64(1):
        w0, w1 = w2, w3
    return _to_unit(w0, w1)


@kernel()
def normal_at(slot, index, epoch, stream, key0, key1):  # type: ignore[no-untyped-def]
    """Return one standard normal double, arguments as for `philox`; each slot takes a whole call of it."""
    w0, w1, w2, w3 = philox(slot, index, epoch, stream, key0, key1)
    u, v = _to_unit(w0, w1), _to_unit(w2, w3)
    return np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * np.pi * v)


@kernel()
def _uniform_block(key0, key1, stream, epoch, indices, slots):  # type: ignore[no-untyped-def]
    """Return `uniforms`, (N, slots) float64, for indices (N,) uint32; the other words are those of `philox`."""
    out = np.empty((indices.shape[0], slots), dtype=np.float64)
    for row in range(indices.shape[0]):
        for call in range((slots + 1) // 2):  # one call of Philox serves two slots
            w0, w1, w2, w3 = philox(call, indices[row], epoch, stream, key0, key1)
            out[row, 2 * call] = _to_unit(w0, w1)
            if 2 * call + 1 < slots:
                out[row, 2 * call + 1] = _to_unit(w2, w3)
    return out


@kernel()
def _normal_block(key0, key1, stream, epoch, indices, slots):  # type: ignore[no-untyped-def]
    """Return `normals`, (N, slots) float64; arguments as for `_uniform_block`."""
    out = np.empty((indices.shape[0], slots), dtype=np.float64)
    for row in range(indices.shape[0]):
        for slot in range(slots):
            out[row, slot] = normal_at(slot, indices[row], epoch, stream, key0, key1)
    return out


def _warm_up() -> None:
    keys = SampleKeys(0, 0, np.zeros(1, dtype=np.int64))
    uniforms(keys, 1, stream="warm")
    normals(keys, 1, stream="warm")


WARM_UP = (_warm_up,)

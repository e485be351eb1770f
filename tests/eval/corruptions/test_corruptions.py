"""Every corruption of every family keeps the promises of a generator."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eval.corruptions.c.registry import BENCHMARK_KINDS, CORRUPTIONS, EXTRA_KINDS
from eval.corruptions.families import FAMILIES
from eval.corruptions.generate import corrupt

ALL = [(family.name, kind) for family in FAMILIES.values() for kind in family.kinds]
each_kind = pytest.mark.parametrize(("family", "kind"), ALL, ids=[f"{family}-{kind}" for family, kind in ALL])


def photographs(count: int, height: int, width: int, channels: int) -> np.ndarray:
    """Smooth images with texture, from sines of mixed frequencies."""
    rows, columns = np.mgrid[:height, :width]
    images = [
        128
        + 70 * np.sin(rows / (3 + n % 4) + n + c)[..., None]
        + 50 * np.cos(columns / (4 + c) + 2 * n)[..., None]
        + 7 * np.sin(rows * columns + n)[..., None]
        for n in range(count)
        for c in range(channels)
    ]
    stacked = np.concatenate(images, axis=2).reshape(height, width, count, channels)
    return np.clip(np.moveaxis(stacked, 2, 0), 0, 255).astype(np.uint8)


def make(family: str, kind: str, images: np.ndarray, severity: int | None = None, **changes: object) -> np.ndarray:
    options = {"fingerprint": "test", "indices": np.arange(len(images)), "seed": 0, **changes}
    return corrupt(images, kind, severity or FAMILIES[family].severities[-1], family=family, **options)


def test_the_benchmark_has_fifteen_kinds_in_the_published_order_and_four_extras() -> None:
    assert len(BENCHMARK_KINDS) == 15
    assert BENCHMARK_KINDS[:3] == ("gaussian_noise", "shot_noise", "impulse_noise")
    assert BENCHMARK_KINDS[-1] == "jpeg_compression"
    assert EXTRA_KINDS == ("speckle_noise", "gaussian_blur", "spatter", "saturate")


@each_kind
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_stay_and_the_input_is_left_alone(family: str, kind: str, channels: int) -> None:
    images = photographs(3, 20, 26, channels)
    before = images.copy()
    images.flags.writeable = False
    for severity in FAMILIES[family].severities[::2]:
        harder = make(family, kind, images, severity)
        assert harder.shape == images.shape
        assert harder.dtype == np.uint8
        assert not np.shares_memory(harder, images)
    assert np.array_equal(images, before)


@each_kind
def test_images_change(family: str, kind: str) -> None:
    images = photographs(2, 32, 32, 3)
    assert np.any(make(family, kind, images) != images)


@each_kind
def test_any_batch_and_order_gives_the_same_bytes(family: str, kind: str) -> None:
    images = photographs(7, 24, 24, 3)
    whole = make(family, kind, images)
    order = np.array([5, 0, 6, 2, 1, 4, 3])
    shuffled = make(family, kind, images[order], indices=order)
    single = make(family, kind, images[4:5], indices=np.array([4]))
    assert np.array_equal(shuffled, whole[order])
    assert np.array_equal(single[0], whole[4])


@each_kind
def test_random_kinds_depend_on_index_seed_and_fingerprint_and_others_do_not(family: str, kind: str) -> None:
    image = photographs(1, 32, 32, 3)
    variants = [
        make(family, kind, image, indices=np.array([9])),
        make(family, kind, image, indices=np.array([10])),
        make(family, kind, image, indices=np.array([9]), seed=1),
        make(family, kind, image, indices=np.array([9]), fingerprint="other"),
    ]
    distinct = {hashlib.sha256(variant.tobytes()).hexdigest() for variant in variants}
    if FAMILIES[family].kinds[kind].is_random:
        assert len(distinct) > 1
    else:
        assert len(distinct) == 1


@each_kind
@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_images_survive(family: str, kind: str, level: int) -> None:
    harder = make(family, kind, np.full((2, 16, 16, 3), level, dtype=np.uint8))
    assert harder.shape == (2, 16, 16, 3)


@each_kind
def test_the_smallest_and_oddest_sides_are_accepted(family: str, kind: str) -> None:
    for height, width in ((8, 8), (8, 13), (17, 9)):
        assert make(family, kind, photographs(1, height, width, 3)).shape == (1, height, width, 3)


@pytest.mark.parametrize("kind", ["gaussian_noise", "glass_blur", "snow", "fog", "elastic_transform", "pixelate"])
@settings(max_examples=12, deadline=None)
@given(
    images=hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 3), st.integers(8, 20), st.integers(8, 20), st.sampled_from([1, 3])),
    ),
    severity=st.integers(1, 5),
    cut=st.integers(0, 3),
)
def test_arbitrary_images_can_be_split_anywhere(kind: str, images: np.ndarray, severity: int, cut: int) -> None:
    indices = np.arange(len(images)) * 1_000_003
    whole = corrupt(images, kind, severity, fingerprint="f", indices=indices)
    parts = [
        corrupt(images[rows], kind, severity, fingerprint="f", indices=indices[rows])
        for rows in (slice(0, cut), slice(cut, None))
    ]
    assert np.array_equal(np.concatenate(parts), whole)


def test_no_images_give_no_images() -> None:
    assert make("c", "fog", np.empty((0, 16, 16, 3), dtype=np.uint8)).shape == (0, 16, 16, 3)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown corruption 'fogg' of 'c' \\(did you mean 'fog'"):
        make("c", "fogg", photographs(1, 8, 8, 3))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"images": np.zeros((1, 8, 8, 3), dtype=np.float32)}, "must be a uint8 array, but got float32"),
        ({"images": np.zeros((8, 8, 3), dtype=np.uint8)}, "must have the shape"),
        ({"images": np.zeros((1, 7, 8, 3), dtype=np.uint8)}, "at least 8 x 8 px"),
        ({"images": np.zeros((1, 8, 8, 4), dtype=np.uint8)}, "C = 1 or 3"),
        ({"indices": np.arange(2)}, "indices must be 1 integers"),
        ({"indices": np.array([-1])}, "must be in"),
        ({"severity": 6}, "must be one of 1, 2, 3, 4, 5, but got 6"),
        ({"fingerprint": ""}, "a fingerprint is needed"),
        ({"seed": -1}, "a seed must be between"),
        ({"family": "d"}, "unknown family"),
    ],
)
def test_bad_input_is_refused_with_rule_and_value(changes: dict[str, object], rule: str) -> None:
    arguments = {
        "images": np.zeros((1, 8, 8, 3), dtype=np.uint8),
        "severity": 1,
        "fingerprint": "f",
        "indices": np.zeros(1, dtype=np.int64),
        **changes,
    }
    with pytest.raises(ValueError, match=rule):
        corrupt(arguments.pop("images"), "fog", arguments.pop("severity"), **arguments)


def test_the_registry_is_complete() -> None:
    assert len(CORRUPTIONS) == 19
    assert {corruption.group for corruption in CORRUPTIONS.values()} == {"noise", "blur", "weather", "digital"}

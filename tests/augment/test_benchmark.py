"""The benchmark of the treatments: its peer does the published thing, and the harness reports what design asks for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.harness import Case, Report, interquartile_range, measure
from benchmarks.pixmix_peer import derived_peer, published_peer, structured_images


def test_the_derived_peer_gives_mixed_images_in_range() -> None:
    peer = derived_peer(32)
    images = [Image.fromarray(original) for original in structured_images(40, 32, seed=0)]
    original = Image.fromarray(structured_images(1, 64, seed=1)[0])
    mixed = [peer.sample(image, original, beta=3.0, severity=3.0, crop=False).numpy() for image in images]
    clean = [np.asarray(image).transpose(2, 0, 1) / 255.0 for image in images]
    same = [np.abs(ours - own).max() < 1e-6 for ours, own in zip(mixed, clean, strict=True)]
    assert {sample.shape for sample in mixed} == {(3, 32, 32)}
    assert all(0.0 <= sample.min() <= sample.max() <= 1.0 for sample in mixed)
    assert 0 < sum(same) < 16


def test_a_reference_without_the_published_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"must be a checkout with pixmix_utils\.py"):
        published_peer(tmp_path, 32)


def _busy(count: int) -> object:
    return sum(range(count))


def test_a_measurement_gives_ratio_target_and_spread() -> None:
    fast_and_slow = Case(
        name="sums", ours=lambda: _busy(2_000), peer=lambda: _busy(200_000), peer_name="a longer sum", target=5.0
    )
    per_unit = Case(
        name="per unit",
        ours=lambda: _busy(100_000),
        peer=lambda: _busy(100_000),
        peer_name="itself",
        ours_units=100,
        target=0.5,
        at_most=True,
    )
    found = measure([fast_and_slow, per_unit], rounds=5, min_round_s=0.01)
    assert found[0].ratio > 5.0
    assert found[0].is_met
    assert found[1].ratio < 0.5
    assert found[1].is_met
    document = json.loads(json.dumps(Report(benchmark="test", measurements=found).as_json()))
    assert set(document) >= {"benchmark", "cases", "environment"}
    assert set(document["cases"][0]) >= {"name", "ratio", "target", "median_s", "iqr_s", "peer"}
    assert "sums" in Report(benchmark="test", measurements=found).as_text()


def test_fewer_than_five_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 rounds, but got 4"):
        measure([], rounds=4)


def test_the_interquartile_range_is_that_of_the_middle_half() -> None:
    assert interquartile_range([1, 2, 3, 4, 5]) == 2
    assert interquartile_range([7]) == 0

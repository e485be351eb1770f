"""AUROC per class of outliers, on recorded predictions whose answer can be counted, and where nothing is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.evidence_classes import ALL, GARMENTS, OUTLIERS, by_class, lines_of, main
from eval.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray


def predictions(confidence: list[float]) -> Predictions:
    top = np.array(confidence, dtype=np.float32)
    zeros = np.zeros(len(top), dtype=np.float32)
    return Predictions(
        labels=np.zeros(len(top), dtype=np.int32),
        top_classes=np.zeros((len(top), 1), dtype=np.uint8),
        top_probabilities=top[:, None],
        true_probability=top,
        max_logit=zeros,
        mean_logit=zeros,
        logsumexp=zeros,
    )


def recorded(confidence: list[float]) -> dict[str, NDArray[np.generic]]:
    inside = predictions([0.8, 0.6]).arrays("in-distribution")
    return {**inside, **predictions(confidence).arrays(f"outliers/{OUTLIERS}")}


def test_each_class_is_told_from_all_test_images() -> None:
    confidence = [0.9, 0.7, *[0.5] * 8]  # above both digits, between them, and eight below both
    found = by_class(recorded(confidence), np.arange(10), "msp")
    assert found == {**dict.fromkeys(GARMENTS, 1.0), "t-shirt": 0.0, "trouser": 0.5, ALL: pytest.approx(0.85)}


def test_a_record_of_other_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a prediction for each of 10 outliers, but got 3"):
        by_class(recorded([0.1, 0.2, 0.3]), np.arange(10), "msp")


def test_differences_are_paired_by_seed_and_in_percent() -> None:
    base = {seed: dict.fromkeys((*GARMENTS, ALL), value) for seed, value in ((1, 0.90), (2, 0.92), (3, 0.5))}
    ours = {seed: dict.fromkeys((*GARMENTS, ALL), value) for seed, value in ((1, 0.91), (2, 0.95))}
    lines = lines_of({"Baseline": base, "PixMix": ours})
    assert lines[0] == "| AUROC | Baseline | PixMix |"
    assert lines[2] == "| t-shirt | 77.3 | +2.0 [-10.7, +14.7] |"  # 1 and 3 points: half-width 12.706 * 1.414 / 1.414
    assert len(lines) == 2 + len(GARMENTS) + 1


def test_nothing_recorded_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.datasets.load.load_split", lambda *_: type("Split", (), {"labels": np.arange(10)}))
    assert main(["mnist-auroc", "--storage", str(tmp_path), "--data-root", str(tmp_path)]) == 1
    assert "run python -m benchmarks.evidence mnist-auroc first" in capsys.readouterr().err

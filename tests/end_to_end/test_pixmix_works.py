"""PixMix does its work on the demo's data: over five seeds it lowers corruption error and raises anomaly AUROC."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(900)]

SWEEP = """
title: PixMix against the baseline on the digits
base:
  dataset: digits
  model: wrn-10-1
  recipe: digits
  mixing_set: fractals
  mixing_set_params: {num_images: 512}
axes:
  cells:
    - {row: Baseline, method: baseline}
    - {row: PixMix, method: pixmix}
seeds: [0, 1, 2, 3, 4]
workers: 2
benchmarks:
  c-generated: {severities: [3]}
table:
  columns: [clean/error, c-generated/error, ood-generated/auroc]
"""


def differences(table: dict[str, Any], column: str) -> list[float]:
    """PixMix minus baseline, seed by seed."""
    place = [each["key"] for each in table["columns"]].index(column)
    by_row = {row: entries[place]["values"] for row, entries in zip(table["rows"], table["entries"], strict=True)}
    return [by_row["PixMix"][seed] - by_row["Baseline"][seed] for seed in by_row["Baseline"]]


def test_pixmix_lowers_corruption_error_and_raises_anomaly_auroc(
    dreamgrid: Callable[..., Any], sweep_file: Callable[[str, str], Path]
) -> None:
    from scipy.stats import ttest_1samp

    path = str(sweep_file("pixmix-works", SWEEP))
    ran = dreamgrid("run", path, "--json", timeout=850)
    assert ran.code == 0, ran.err
    table = ran.document["table"]

    corruption = differences(table, "c-generated/error")
    anomaly = differences(table, "ood-generated/auroc")

    assert len(corruption) == len(anomaly) == 5
    assert statistics.fmean(corruption) < 0
    assert ttest_1samp(corruption, 0, alternative="less").pvalue < 0.05
    assert statistics.fmean(anomaly) > 0
    assert ttest_1samp(anomaly, 0, alternative="greater").pvalue < 0.05

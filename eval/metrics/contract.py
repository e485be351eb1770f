"""What a metric is: a pure function over predictions, with what a table must know of it.

A metric that gives `compute` is computed from the predictions that are kept of an evaluation; one of an installed package, under
the entry points `dreamgrid.metrics`, must. The others are computed by the benchmarks that name them in `metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

SafetyAxis = Literal["accuracy", "corruption", "consistency", "adversaries", "calibration", "anomaly"]
Unit = Literal["fraction", "ratio", "ranks"]
"""fraction: a share in [0, 1]; ratio: relative to a baseline network; ranks: a rank distance. All but ranks print as percent."""
Kept = Literal["images", "outliers", "sequences"]
"""The kept predictions that a metric is a function of.

images: `compute(predictions)`, the `eval.predictions.Predictions` of one set of labelled images.
outliers: `compute(outliers, inside)`, those of an outlier set and of the test images that it is compared with.
sequences: `compute(top_classes, reference)`, ranked classes (S, T, R) of sequences of frames, and whether a frame is compared
    with the "previous" or the "first" one.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """A metric, described.

    Attributes:
        name: Second part of a table column: lower-case letters, digits and hyphens.
        label: Column label in tables.
        unit: How the value is to be read.
        lower_is_better: Direction.
        description: What it says, in one sentence.
        source: Where the formula comes from.
        axis: The safety axis that it is of, or None for that of the benchmark whose images it is computed on.
        formula: The formula in TeX, with the notation of the page of metrics; "" where the description says it all.
        normalisation: What it is divided by, or "none".
        min_samples: Predictions of one set below which it is undefined.
        of: What `compute` takes.
        compute: Kept predictions of one set -> the value on it; a benchmark's value is the mean over its sets. None for what is
            what benchmarks compute themselves.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    label: str
    unit: Unit
    lower_is_better: bool
    description: str
    source: str
    axis: SafetyAxis | None = None
    formula: str = ""
    normalisation: str = "none"
    min_samples: int = 1
    of: Kept = "images"
    compute: Callable[..., float] | None = None
    code: Mapping[str, str] | None = None

    @property
    def is_percent(self) -> bool:
        """Whether tables print it times 100."""
        return self.unit != "ranks"

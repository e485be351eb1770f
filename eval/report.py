"""What evaluating a checkpoint yields: metric values with their sample counts, fine rows, and compact predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eval.metrics.scores import detail_parts

OWN_FILES: Final = "-own-files"
"""What is added to a benchmark's name in columns where its files are not shown to be the published ones."""

SMALL_SET: Final = 100
"""A number from a set of fewer images is marked: one image more or less moves it by over a point."""


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric's value (a fraction, never percent) and the number of samples behind it (0: not known)."""

    value: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkOutcome:
    """What one benchmark says of one checkpoint.

    Attributes:
        metrics: Metric name (a key of `METRICS`) -> value.
        rows: Fine values, one flat mapping of plain values each (corruption, severity, error, ...); an artifact table.
        arrays: Compact predictions from which new metrics can be computed without a forward pass.
        notes: What a reader must know: limits on images, substitutes, small sets, why a metric is `missing`, byte digests of
            generated data. They say what was done, never what was wanted.
        forward_passes: Images put through the network, forward only.
    """

    metrics: Mapping[str, MetricValue]
    rows: tuple[Mapping[str, Any], ...] = ()
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    forward_passes: int = 0


LEFT_OUT: Final = "left_out"
"""Note: set -> what of it could not be decoded and was left out."""

REFUSED_SETS: Final = "refused_sets"
"""Note: set -> why it is undefined, so that means are those of the other sets."""


PRECISION_NOTE: Final = "evaluated_in"
"""Note: the precision in which the network was evaluated; records of earlier versions lack it."""

_USUAL_PRECISION: Final = "fp32"

AT_ONCE: Final = "images_at_once"
"""Note: "forward", "attack" -> most images of a batch that were computed at once, where memory did not suffice for all."""


def small_sets_note(sizes: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return the note that names the sets of fewer than `SMALL_SET` images with their sizes, or nothing where there is none.

    Args:
        sizes: Set (the value of the benchmark's detail field) -> images, or sequences of images.
    """
    small = {name: size for name, size in sizes.items() if size < SMALL_SET}
    return {"small_sets": small} if small else {}


def is_small(outcome: BenchmarkOutcome, metric: str, detail: str | None = None) -> bool:
    """Return whether a number comes from fewer than `SMALL_SET` images, or is a mean in which such a set counts.

    Args:
        outcome: Where the number is from.
        metric: Its metric.
        detail: The fine row that it is of, a variant included ("svhn:energy"), or None for the whole benchmark.
    """
    # a metric of an installed package, computed later, is from the same images as any other
    value = outcome.metrics.get(metric) or next(iter(outcome.metrics.values()), None)
    small = outcome.notes.get("small_sets", {})
    counts = (
        bool(small) if detail is None else detail_parts(detail)[0] in {*small} or (detail == "mean" and bool(small))
    )
    return counts or (value is not None and 0 < value.n < SMALL_SET)


def computing_remarks(notes: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of how the network was run: its precision, and batches that did not fit into memory."""
    precision = notes.get(PRECISION_NOTE, _USUAL_PRECISION)
    remarks = [f"evaluated in {precision}"] if precision != _USUAL_PRECISION else []
    for what, limit in notes.get(AT_ONCE, {}).items():
        named = {"forward": "forward passes", "attack": "attacks"}.get(what, what)
        remarks.append(f"memory did not suffice for whole batches: {named} of at most {limit} images at once")
    return remarks


def size_remarks(notes: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of the sets behind an outcome: which are small, and how many images were compared."""
    remarks = []
    if "small_sets" in notes:
        sizes = ", ".join(f"{name} ({size})" for name, size in notes["small_sets"].items())
        remarks.append(f"sets of fewer than {SMALL_SET} images: {sizes}")
    for name, taken in notes.get("taken", {}).items():
        remarks.append(
            f"{name}: {taken['outliers']} of {taken['of_outliers']} outliers against {taken['test_images']} of "
            f"{taken['of_test_images']} test images (one to five), mean of {taken['subsets']} random subsets"
        )
    return remarks


def reads_own_files(notes: Mapping[str, Any]) -> bool:
    """Return whether the notes of an outcome name files under a published name that are not shown to be the published ones."""
    return any(each.get("are") == "own" for each in notes.get("files", {}).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricReport:
    """One benchmark's outcome with the identity it is recorded under.

    Attributes:
        benchmark: Name of the benchmark.
        benchmark_key: Hash of the benchmark's parameters, data identity and semantics.
        semantics: Semantics version of the benchmark.
        outcome: What was measured, or None when it failed.
        error: Why it was refused or failed, or None.
        wall_s: Seconds it took.
    """

    benchmark: str
    benchmark_key: str
    semantics: int
    outcome: BenchmarkOutcome | None
    error: str | None = None
    wall_s: float = 0.0

    @property
    def shown_benchmark(self) -> str:
        """Name of the benchmark in columns: what was evaluated on own files bears another than on published ones."""
        is_own = self.outcome is not None and reads_own_files(self.outcome.notes)
        return self.benchmark + (OWN_FILES if is_own else "")

"""What judging a checkpoint yields: metric values with their sample counts, fine rows, and compact predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from augment.fast_dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric's value (a fraction, never percent) and the number of samples behind it."""

    value: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkOutcome:
    """What one benchmark says of one checkpoint.

    Attributes:
        metrics: Metric name (a key of `METRICS`) -> value.
        rows: Fine values, one flat mapping of plain values each (corruption, severity, error, ...); an artifact table.
        arrays: Compact predictions from which new metrics can be computed without a forward pass.
        notes: What a reader must know: limits on pictures, substitutes, byte digests of generated data.
        forward_passes: Pictures put through the network, forward only.
    """

    metrics: Mapping[str, MetricValue]
    rows: tuple[Mapping[str, Any], ...] = ()
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    forward_passes: int = 0


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

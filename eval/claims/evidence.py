"""What a claim is evaluated by: values of rows in measures, with what is known of their spread; printed or our own.

Values are turned so that lower is better, which spares every test the question of direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from eval.tables.column import Column
from eval.tables.published.tables import PublishedTable
from eval.tables.verdicts import tolerance_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The values of one row in one measure.

    Attributes:
        values: Seed -> value, lower is better (values of which higher is better are negated).
        rounding: Half of the last printed digit, 0 for our own values.
        floor: Declared floor for the spread between seeds, used where there is one seed only.
        is_printed: Whether it is a published number: compared as printed, without a test.
        is_percent: Whether the values are rates, which people read in percent.
    """

    values: Mapping[int, float]
    rounding: float = 0.0
    floor: float = 0.0
    is_printed: bool = False
    is_percent: bool = False

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return math.fsum(self.values.values()) / len(self.values)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a value cannot be had.

    Attributes:
        is_absent: Whether the table does not have the measure at all.
        is_row_absent: Whether the table does not have the row at all.
    """

    reason: str
    is_absent: bool = False
    is_row_absent: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """What a claim is about: for each part the alternative columns; the mean of the parts.

    Attributes:
        parts: Alternatives of each part, preferred first; one part unless it is a mean.
    """

    name: str
    parts: tuple[tuple[Column, ...], ...]


class Evidence(Protocol):
    """Where values come from: a published table, or what is recorded of a sweep."""

    @property
    def rows(self) -> tuple[str, ...]:
        """Labels of the rows."""

    def sample(self, row: str, measure: Measure) -> Sample | Missing:
        """Return a row's values in a measure."""

    def seconds(self, row: str) -> Mapping[int, float] | Missing:
        """Return a row's device-seconds per training image by seed."""


def averaged(samples: Sequence[Sample]) -> Sample:
    """Return the mean of several measures, seed by seed over the seeds that all have.

    Raises:
        ValueError: If there are no samples.
    """
    if not samples:
        raise ValueError("a mean needs at least one sample")
    seeds = set(samples[0].values).intersection(*(set(sample.values) for sample in samples[1:]))
    return Sample(
        values={seed: math.fsum(sample.values[seed] for sample in samples) / len(samples) for seed in sorted(seeds)},
        rounding=math.fsum(sample.rounding for sample in samples) / len(samples),
        floor=max(sample.floor for sample in samples),
        is_printed=any(sample.is_printed for sample in samples),
        is_percent=all(sample.is_percent for sample in samples),
    )


def turned(column: Column, values: Mapping[int, float]) -> dict[int, float]:
    """Return values so that lower is better."""
    sign = 1.0 if column.spec.lower_is_better else -1.0
    return {seed: sign * value for seed, value in values.items()}


def joined(measure: Measure, part: Callable[[Sequence[Column]], Sample | Missing]) -> Sample | Missing:
    """Return the mean of a measure's parts, or why one of them is missing.

    Args:
        part: Gives the values of one part by its alternative columns.
    """
    parts: list[Sample] = []
    for alternatives in measure.parts:
        found = part(alternatives)
        if isinstance(found, Missing):
            return found
        parts.append(found)
    return averaged(parts)


def floor_of(column: Column) -> float:
    """Return the declared floor for the spread of a column between seeds, 0 where none is declared."""
    try:
        return tolerance_for(column).tolerance
    except KeyError:
        return 0.0


@dataclass(frozen=True, slots=True)
class PrintedEvidence:
    """The numbers of a published table, and of those beside it."""

    tables: tuple[PublishedTable, ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """Labels of the rows of the table itself."""
        return self.tables[0].rows

    def sample(self, row: str, measure: Measure) -> Sample | Missing:
        """Return a printed number; one that its source contradicts counts as missing."""
        return joined(measure, partial(self._part, row))

    def seconds(self, row: str) -> Missing:
        """Papers print no times."""
        return Missing("the papers print no times")

    def _part(self, row: str, alternatives: Sequence[Column]) -> Sample | Missing:
        columns = [column for column in alternatives if any(column in table.columns for table in self.tables)]
        if not columns:
            return Missing(f"the table has no column {alternatives[0]}", is_absent=True)
        for table in self.tables:
            value = table.lookup(row, columns[0])
            if value is not None and value.doubt is not None:
                return Missing(f"doubtful source: {value.doubt}")
            if value is not None:
                return Sample(
                    values=turned(columns[0], {0: value.value}),
                    rounding=value.half_step,
                    floor=floor_of(columns[0]),
                    is_printed=True,
                    is_percent=columns[0].spec.is_percent,
                )
        return Missing(f"no number is printed for {row} in {columns[0]}")

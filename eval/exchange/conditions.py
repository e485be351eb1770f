"""Under which conditions exported numbers were measured, as part of their names: "corruptions_acc (severity 3)".

A suite's own name of a number means something: published files, all images, all corruptions and severities. What we measured
otherwise goes out under that name followed by how, so that nobody takes one for the other, and comes back as what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from eval.benchmarks.registry import BENCHMARKS, benchmark_for
from eval.corruptions.c.registry import BENCHMARK_KINDS
from eval.corruptions.contract import SEVERITIES
from eval.report import REFUSED_SETS, BenchmarkOutcome, reads_own_files
from eval.tables.column import Column

GENERATED: Final = "generated"
PARTIAL: Final = "part of the images"
MEAN_OVER_SEVERITIES: Final = "mean over severities"
_OWN_FILES: Final = "own files"
REFUSED: Final = "without refused sets"
_TOLD: Final = frozenset({GENERATED, PARTIAL, MEAN_OVER_SEVERITIES})
"""Conditions under which a number has a column here: another benchmark, a mark, or what the column is."""
_CONDITION: Final = re.compile(
    rf" \(({GENERATED}|{PARTIAL}|{MEAN_OVER_SEVERITIES}|{_OWN_FILES}|{REFUSED}|"
    r"score [\w-]+|severit(?:y|ies) [0-9, ]+|corruptions? [\w, ]+|[0-9]+ corruptions)\)$"
)
_SCORE: Final = "score "
USUAL_SCORE: Final = "msp"
_NAMED: Final = 4
"""Corruptions up to which a condition names them all."""


def conditions_of(benchmark: str, outcome: BenchmarkOutcome) -> tuple[str, ...]:
    """Return under which conditions numbers were measured that a suite's own name of them does not tell.

    They are of generated data, own files, a part of the images, of the outlier sets, of the corruptions or of the severities, or
    of another anomaly score than the usual one.
    """
    notes = outcome.notes
    borne = {
        GENERATED: benchmark_for(benchmark).origin == "generated",
        _OWN_FILES: reads_own_files(notes),
        PARTIAL: bool(notes.get("limited") or notes.get(PARTIAL)),
        REFUSED: REFUSED_SETS in notes,
    }
    score = notes.get("variant", USUAL_SCORE)
    return (
        *(name for name, is_borne in borne.items() if is_borne),
        *([f"{_SCORE}{score}"] if score != USUAL_SCORE else []),
        *_part_of_corruptions(outcome),
    )


def _part_of_corruptions(outcome: BenchmarkOutcome) -> list[str]:
    """Return which of the 15 corruptions and five severities an outcome is the mean over, where not all."""
    rows = [row for row in outcome.rows if row.get("severity") is not None]
    kinds = list(dict.fromkeys(str(row["corruption"]) for row in rows))
    severities = sorted({int(row["severity"]) for row in rows})
    found = []
    if kinds and {*kinds} != {*BENCHMARK_KINDS}:
        named = ", ".join(kinds) if len(kinds) <= _NAMED else ""
        found.append(f"corruption{'s' * (len(kinds) > 1)} {named}" if named else f"{len(kinds)} corruptions")
    if severities and tuple(severities) != SEVERITIES:
        found.append(f"severit{'ies' if len(severities) > 1 else 'y'} {', '.join(map(str, severities))}")
    return found


def with_conditions(name: str, conditions: Iterable[str]) -> str:
    """Return a suite's name of a number followed by its conditions, so that nobody takes it for the suite's own number."""
    return name + "".join(f" ({each})" for each in conditions)


def split_conditions(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the name and the conditions that `with_conditions` wrote as one."""
    found: list[str] = []
    while (match := _CONDITION.search(name)) is not None:
        found.insert(0, match[1])
        name = name[: match.start()]
    return name, tuple(found)


def why_left_out(conditions: Iterable[str]) -> str:
    """Return why a number under some conditions has no column here, or "" where it has one."""
    others = [each for each in conditions if each not in _TOLD and not each.startswith(_SCORE)]
    return f"{'; '.join(others)}: the column here is not of that" if others else ""


def under_conditions(column: Column, conditions: Iterable[str]) -> Column:
    """Return the column of a number under some conditions: that of generated data, else itself."""
    return replace(column, benchmark=f"{column.benchmark}-generated") if GENERATED in conditions else column


def with_generated(column: Column) -> tuple[Column, ...]:
    """Return a column and that of generated data, where there is one."""
    generated = under_conditions(column, [GENERATED])
    return (column, generated) if generated.benchmark in BENCHMARKS else (column,)

"""What a reader who knows nothing of the product needs: what the rows and columns are, in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from augment.compound import method_for
from eval.metrics.contract import SafetyAxis
from eval.tables.grid import Table
from eval.tables.shades import FULL_AT, column_noise
from orchestration.cells.resolved import ResolvedSweep

QUESTIONS: Final[Mapping[SafetyAxis, str]] = {
    "accuracy": "How often is the classifier wrong on ordinary test images?",
    "corruption": "How often is it wrong when images are noisy, blurred, foggy or badly compressed?",
    "consistency": "How often does its answer change while an image changes only a little from frame to frame?",
    "adversaries": "How often is it wrong when an attacker changes pixels, invisibly, to fool it?",
    "calibration": "When it says that it is 80 % sure, is it right 80 % of the time?",
    "anomaly": "Does it notice images that show nothing it was trained on?",
}
"""Safety axis -> the question that its columns answer."""


def introduction(table: Table) -> str:
    """Return what the table compares, for a reader who has never seen one."""
    seeds = sorted({entry.summary.n for row in table.entries for entry in row if entry is not None and entry.summary.n})
    repeated = (
        ""
        if not seeds
        else " Each was trained once, so differences may be chance."
        if seeds == [1]
        else f" Each was trained {seeds[0] if len(seeds) == 1 else f'{seeds[0]} to {seeds[-1]}'} times from other random"
        " numbers (seeds); a number is the mean over them, and ± is their sample standard deviation."
    )
    return (
        "Image classifiers were trained in several ways, and then measured in several ways: besides how often they are"
        " wrong, how they behave on damaged, attacked and unfamiliar images, and whether their confidence can be trusted."
        f"{repeated} Numbers are in percent where nothing else is said."
    )


def shade_rule(baseline: str | None) -> str:
    """Return the sentence that says what colours mean."""
    against = baseline or "the median of the entries that it is compared with"
    return (
        f"Blue is better than {against}, orange is worse. No colour: the difference is within the noise between seeds. Colour"
        f" grows with the difference and is full at {FULL_AT:g} times the noise."
    )


def described_columns(table: Table) -> list[dict[str, Any]]:
    """Return what each metric of each benchmark of the table says, with the noise between seeds of its column."""
    found: dict[str, dict[str, Any]] = {}
    for j, spec in enumerate(table.columns):
        column = spec.column.of_row(None) if table.rank_along == "row" else spec.column
        noise = column_noise(table, j) if table.rank_along == "column" else None
        found.setdefault(
            str(column),
            {
                "label": column.label,
                "says": column.spec.description,
                "axis": column.axis,
                "question": QUESTIONS[column.axis],
                "lower_is_better": spec.lower_is_better,
                "is_percent": spec.is_percent,
                "noise": noise,
            },
        )
    return list(found.values())


def described_rows(ours: ResolvedSweep) -> list[dict[str, str]]:
    """Return what each row of the sweep is: its method, in a sentence."""
    found: dict[str, dict[str, str]] = {}
    for each in ours.points:
        method = method_for(each.cell.config.method)
        found.setdefault(each.row, {"row": each.row, "method": method.title, "what": method.what})
    return list(found.values())

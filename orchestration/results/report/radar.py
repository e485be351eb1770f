"""The axes of the radar, on an absolute scale: the rim is a perfect score, the centre the worst possible one."""

from __future__ import annotations

from typing import Any, Final

from eval.tables.grid import Table

RULE: Final = (
    "The scale is the same for every table: the rim is a perfect score (no error, no calibration error, AUROC 100 %), the centre"
    " the worst possible one; each ring is 25 percentage points. A spoke is the mean over the columns of its axis."
)


def radar_values(table: Table) -> dict[str, Any] | None:
    """Return {"axes", "rows": row -> score in [0, 1] or None by axis, "left_out"}, or None where there are too few axes to draw.

    The score of a rate is 1 minus it where lower is better, else itself; rates above 1 (relative to a baseline network) score 0.
    Rank distances have no worst value, and are left out.
    """
    if table.rank_along != "column":
        return None
    columns = [(j, spec) for j, spec in enumerate(table.columns) if spec.is_percent]
    axes = list(dict.fromkeys(spec.column.axis for _, spec in columns))
    rows: dict[str, list[float | None]] = {}
    for i, label in enumerate(table.rows):
        scores: list[float | None] = []
        for axis in axes:
            found = [
                (1.0 - entry.summary.mean if spec.lower_is_better else entry.summary.mean)
                for j, spec in columns
                if spec.column.axis == axis and (entry := table.entries[i][j]) is not None
            ]
            wanted = sum(spec.column.axis == axis for _, spec in columns)
            scores.append(min(max(sum(found) / wanted, 0.0), 1.0) if len(found) == wanted else None)
        if any(score is not None for score in scores):
            rows[label] = scores
    if len(axes) < 3 or not rows:
        return None
    left_out = [f"{spec.group} {spec.label}" for spec in table.columns if not spec.is_percent]
    return {"axes": axes, "rows": rows, "left_out": left_out}

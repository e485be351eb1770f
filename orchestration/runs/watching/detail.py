"""What the screen says of one cell: its settings, its times, its last error and where its log is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clusters.temporary.owners import describe
from eval.tables.column import Column, value_text
from orchestration.cells.cell import PlannedCell
from orchestration.errors import command
from orchestration.planning.costs.units import duration
from orchestration.runs.eta import stages_of
from orchestration.runs.watching.snapshot import Heard, doing_text
from orchestration.store.contract import AttemptRecord, CellResult


def detail_lines(
    cell: PlannedCell, result: CellResult | None, attempts: Iterable[AttemptRecord], heard: Iterable[Heard]
) -> list[str]:
    """Return everything that helps to understand a cell, line by line.

    Args:
        attempts: Failed attempts at it, oldest first.
        heard: The drivers on the storage.
    """
    lines = [
        f"cell {cell.cell_id}: {cell.cell.row or '(supporting)'}, seed {cell.cell.seed}",
        f"still to do: {', '.join(stages_of(cell)) or 'nothing'}",
        *_running_lines(cell, heard),
        *_recorded_lines(result),
        "",
        *_setting_lines(cell),
        "",
    ]
    for attempt in attempts:
        took = duration(max(0.0, attempt.ended_at - attempt.started_at))
        lines += [
            f"attempt {attempt.attempt} failed after {took}: {attempt.error_class}: {attempt.message}",
            *_trace(attempt),
        ]
    show = command("cells logs", cell.cell_id)
    return [*lines, f"more of it: {show}"]


def _running_lines(cell: PlannedCell, heard: Iterable[Heard]) -> list[str]:
    lines = []
    for each in heard:
        for running in each.report.cells if not each.is_gone else ():
            if running.train_key == cell.train_key:
                since, by = duration(running.running_s), describe(each.report.owner)
                lines.append(f"running for {since} ({doing_text(running)}), by {by}")
                if each.report.log_file:
                    lines.append(f"log of Ray on that machine: {each.report.log_file}")
    return lines


def _recorded_lines(result: CellResult | None) -> list[str]:
    if result is None:
        return ["no complete checkpoint is recorded"]
    summary = result.training.summary
    lines = [
        f"trained in {duration(summary.wall_s)}, {duration(summary.device_s)} of device time",
        f"checkpoint {summary.checkpoint_uri}",
    ]
    if summary.epochs:
        last = summary.epochs[-1]
        lines.append(
            f"last epoch {last.epoch + 1}: loss {last.loss:.4f}, training accuracy {100 * last.accuracy:.1f} %"
        )
    for report in result.reports.values():
        metrics = report.outcome.metrics.items() if report.outcome is not None else ()
        columns = [(Column.of(f"{report.shown_benchmark}/{name}"), value.value) for name, value in metrics]
        values = ", ".join(f"{column.metric} {value_text(column, value)}" for column, value in columns)
        lines.append(f"{report.shown_benchmark} in {duration(report.wall_s)}: {values}")
    return lines


def _setting_lines(cell: PlannedCell) -> list[str]:
    config = cell.config
    named: Mapping[str, Any] = {
        "method": config.method,
        "dataset": config.dataset,
        "model": config.model,
        **config.method_params,
        "recipe": cell.cell.recipe or "-",
        "epochs": config.recipe.epochs,
        "batch size": config.recipe.batch_size,
    }
    return [f"{name}: {value}" for name, value in named.items()]


def _trace(attempt: AttemptRecord) -> list[str]:
    """Return the end of the first trace that a rank left."""
    for rank in attempt.context.get("ranks", ()):
        trace = str(rank.get("trace") or "").strip().splitlines()
        if trace:
            return [f"    {line}" for line in trace[-12:]]
    return []

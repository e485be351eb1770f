"""`cells`: look at single cells, and forget some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from augment.lookup.parameters import nearest
from augment.lookup.wording import count
from eval.tables.column import Column, value_text
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.cells.evaluated_in import evaluated_in
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo_damage, emit
from orchestration.cli.verbs.cells.cell_ids import CellId, find_cell
from orchestration.cli.verbs.cells.gc import collect
from orchestration.cli.verbs.cells.register_model import register_model
from orchestration.cli.weight_options import WeightOptions
from orchestration.errors import InputError, Mistake, command
from orchestration.planning.checkpoints import forget
from orchestration.planning.costs.actual import cell_ledger, ledger_text
from orchestration.planning.costs.units import duration
from orchestration.planning.lookup import whole_results
from orchestration.planning.plan import make_plan
from orchestration.planning.sweep_records import record_sweep
from orchestration.store.contract import CellResult, CorruptRecordError, ResultsStore
from orchestration.store.provenance import origin_lines, precision_of
from trainers.models.weights.assumption import assumption_lines


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    verbs = {
        "show": show_cell,
        "list": list_cells,
        "logs": show_logs,
        "invalidate": invalidate,
        "gc": collect,
        "adopt": adopt_checkpoint,
        "register": register_model,
    }
    options.add_group(app, "cells", "Inspect, invalidate, adopt or register single cells.", verbs)


def list_cells(places: options.StorageOptions, as_json: options.Json = False) -> int:
    """List all recorded cells."""
    store = places.existing_store()
    keys = store.train_keys()
    damaged: list[CorruptRecordError] = []
    results = whole_results(keys, store, damaged.append)
    not_whole = {error.train_key for error in damaged}
    for error in damaged:
        echo_damage(error)
    rows = [{"id": key[:12], "train_key": key, "trained": key in results, **_what(results.get(key))} for key in keys]
    for row in rows:
        if not row["trained"]:
            key = str(row["train_key"])
            reason = "not whole" if key in not_whole else "invalidated" if store.era(key) else "not trained"
            row["reports"] = f"not valid: {reason}"
    header = ["cell", "method", "dataset", "model", "seed", "reports"]
    table = [[str(row["id"]), *(str(row.get(name, "")) for name in header[1:])] for row in rows]
    emit(rows, lambda: columns(table, header=header), as_json=as_json)
    return EXIT_DONE


def show_cell(cell: CellId, places: options.StorageOptions, as_json: options.Json = False) -> int:
    """Show the record of a cell: configuration, training, results, failed attempts, provenance."""
    store = places.existing_store()
    key = find_cell(cell, store)
    document = cell_document(key, store)
    emit(document, lambda: _cell_text(document), as_json=as_json)
    return EXIT_DONE


def show_logs(cell: CellId, places: options.StorageOptions, as_json: options.Json = False) -> int:
    """Show the log of a cell: its epochs, and its failed attempts with their reasons."""
    store = places.existing_store()
    document = cell_document(find_cell(cell, store), store)
    logs = {
        "id": document["id"],
        "attempts": document["attempts"],
        "epochs": document.get("training", {}).get("epochs", []),
    }
    emit(logs, lambda: _logs_text(logs), as_json=as_json)
    return EXIT_DONE


def invalidate(
    cells: Annotated[list[str], typer.Argument(metavar="CELL...", help="Cell ids, or unique prefixes of train keys.")],
    reason: Annotated[str, typer.Option("--reason", help="Reason, stored with the record.")],
    places: options.StorageOptions,
    as_json: options.Json = False,
) -> int:
    """Delete the results, failures and checkpoints of cells, so that the next run computes them again."""
    settings, store = places.settings, places.existing_store()
    keys = [find_cell(cell, store) for cell in cells]
    removed = forget(keys, store=store, checkpoints=settings.checkpoints, reason=reason)
    document = {"invalidated": [key[:12] for key in keys], "removed_bytes": removed}
    emit(document, lambda: f"{count(len(keys), 'cell')} forgotten, {removed / 2**20:.1f} MiB freed", as_json=as_json)
    return EXIT_DONE


def adopt_checkpoint(
    sweep: options.SweepName,
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A DreamGrid checkpoint, or a PyTorch file of weights.")
    ],
    row: Annotated[str, typer.Option("--row", help="Row of the sweep that it belongs to.")],
    size: options.SizeOptions,
    places: options.PlaceOptions,
    weights: WeightOptions,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the cell.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Adopt it even if its own record contradicts the row; tables mark the row.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Adopt a checkpoint as the training of a cell; `run` then only evaluates it."""
    from orchestration.evaluation.adopting import adopt
    from orchestration.evaluation.checkpoints import Reading

    choice = options.SweepOptions(sweep=sweep, smoke=size.smoke, small=size.small, seeds=str(seed))
    opened = options.open_sweep(choice, places)
    plan = make_plan(opened.resolved, store=opened.store)
    cell = _cell_of_row(plan, row, seed)
    record_sweep(opened.resolved, opened.store)
    reading = Reading(normalize=weights.normalize, state_dict=weights.state_dict)
    made = adopt(checkpoint, cell, settings=opened.settings, store=opened.store, reading=reading, is_forced=force)
    document = {
        "cell": cell.cell_id,
        "checkpoint_sha256": made.sha256,
        "assumed": made.assumed,
        "against": made.against,
    }
    lines = [
        f"cell {cell.cell_id} ({row}, seed {seed}) holds {checkpoint}; "
        f"evaluate it: {command('run', options=('--seeds', str(seed)))}",
        *(f"adopted although {reason}" for reason in made.against),
        *assumption_lines(made.assumed),
    ]
    emit(document, lambda: "\n".join(lines), as_json=as_json)
    return EXIT_DONE


def _cell_of_row(plan: Plan, row: str, seed: int) -> PlannedCell:
    found = [cell for cell in plan.cells if cell.cell.row == row and cell.cell.seed == seed]
    if len(found) == 1:
        return found[0]
    rows = list(dict.fromkeys(cell.cell.row for cell in plan.cells if cell.cell.row))
    raise InputError("cell", [Mistake(where="--row", text=f"unknown row '{row}'{nearest(row, rows)}")])


def _logs_text(logs: dict[str, Any]) -> str:
    epochs = [
        [
            str(row["epoch"] + 1),
            f"{row['loss']:.4f}",
            f"{100 * row['accuracy']:.1f} %",
            f"{row['lr']:.2g}",
            f"{row['images_per_s']:.0f}",
        ]
        for row in logs["epochs"]
    ]
    attempts = [f"attempt {each['attempt']}: {each['error_class']}: {each['message']}" for each in logs["attempts"]]
    table = columns(epochs, header=["epoch", "loss", "accuracy", "lr", "images/s"], right=(0, 1, 2, 3, 4))
    return "\n".join([f"cell {logs['id']}", *attempts, table if epochs else "no epoch is recorded"])


def cell_document(key: str, store: ResultsStore) -> dict[str, Any]:
    """Return everything that is recorded of a cell as plain values."""
    result = store.result(key)
    document: dict[str, Any] = {
        "id": key[:12],
        "train_key": key,
        "trained": result is not None,
        "held_by": store.holders([key]).get(key),
        "attempts": [msgspec.structs.asdict(attempt) for attempt in store.attempts(key)],
    }
    if result is None:
        return document

    training = result.training
    return {
        **document,
        "cost": cell_ledger(result),
        "checkpoint": {"sha256": training.summary.checkpoint_sha256, "uri": training.summary.checkpoint_uri},
        "training": {
            "epochs": [asdict(row) for row in training.summary.epochs],
            "resumed_from_step": training.summary.resumed_from_step,
            "wall_s": training.summary.wall_s,
            "device_s": training.summary.device_s,
            "precision": precision_of(training),
            "environment": dict(training.summary.environment),
        },
        "provenance": msgspec.structs.asdict(training.provenance),
        "reports": [
            {
                "benchmark": report.shown_benchmark,
                "key": benchmark_key,
                "semantics": report.semantics,
                "precision": evaluated_in(report.outcome.notes, training.provenance.config),
                "wall_s": report.wall_s,
                "metrics": {name: asdict(value) for name, value in report.outcome.metrics.items()},
                "notes": dict(report.outcome.notes),
                "rows": [dict(row) for row in report.outcome.rows],
            }
            for benchmark_key, report in result.reports.items()
            if report.outcome is not None
        ],
    }


def _what(result: CellResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    config = result.training.provenance.config
    names = {name: config.get(name, "") for name in ("method", "dataset", "model", "seed")}
    return {**names, "reports": ", ".join(sorted(report.shown_benchmark for report in result.reports.values()))}


def _cell_text(document: dict[str, Any]) -> str:
    lines = [f"cell {document['id']} ({document['train_key']})"]
    if document["held_by"]:
        lines.append(f"held by {document['held_by']}")
    for attempt in document["attempts"]:
        lines.append(f"attempt {attempt['attempt']}: {attempt['error_class']}: {attempt['message']}")
    if not document["trained"]:
        return "\n".join([*lines, "no complete checkpoint is recorded"])
    training = document["training"]
    last = training["epochs"][-1] if training["epochs"] else None
    lines.append(f"checkpoint {document['checkpoint']['uri']}")
    origin = training["environment"]
    lines += [f"adopted from {origin['adopted_from']}"] if "adopted_from" in origin else []
    lines += origin_lines(origin)
    precision = f", {training['precision']}" if training["precision"] else ""
    lines.append(
        f"trained in {duration(training['wall_s'])}, {duration(training['device_s'])} of device time{precision}"
    )
    if document["cost"] is not None:
        lines.append(ledger_text(document["cost"]))
    if last:
        lines.append(
            f"last epoch {last['epoch'] + 1}: loss {last['loss']:.4f}, training accuracy {100 * last['accuracy']:.1f} %"
        )
    lines.append(
        f"commit {document['provenance']['commit'] or 'unknown'}{' (dirty)' * bool(document['provenance']['dirty'])}"
    )
    lines += _config_lines(document["provenance"]["config"])
    metrics = [
        [report["benchmark"], metric, _metric_text(report, metric, value), str(value["n"]), report["precision"]]
        for report in document["reports"]
        for metric, value in report["metrics"].items()
    ]
    return "\n".join(
        [*lines, "", columns(metrics, header=["benchmark", "metric", "value", "n", "precision"], right=(2, 3))]
    )


def _metric_text(report: Mapping[str, Any], metric: str, value: Mapping[str, Any]) -> str:
    return value_text(Column.of(f"{report['benchmark']}/{metric}"), value["value"])


def _config_lines(config: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in config.items():
        shown = ", ".join(f"{key}={item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
        lines.append(f"  {name}: {shown}")
    return lines

"""`cells`: look at single cells."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, emit

if TYPE_CHECKING:
    from orchestration.store.base import CellResult, ResultsStore

CellId = Annotated[
    str, typer.Argument(metavar="CELL", help="Cell id, or any beginning of a train key that fits one cell.")
]
MIN_DIGITS = 4


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    cells = typer.Typer(help="Look at single cells.", no_args_is_help=True, rich_markup_mode=None)
    cells.command("show")(show_cell)
    cells.command("list")(list_cells)
    app.add_typer(cells, name="cells")


def list_cells(storage: options.Storage = None, as_json: options.Json = False) -> int:
    """List every cell that anything is recorded of."""
    store = options.store_of(options.settings_of(storage))
    keys = store.train_keys()
    results = store.results(keys)
    rows = [{"id": key[:12], "train_key": key, "trained": key in results, **_what(results.get(key))} for key in keys]
    header = ["cell", "method", "dataset", "model", "seed", "reports"]
    table = [[str(row["id"]), *(str(row.get(name, "")) for name in header[1:])] for row in rows]
    emit(rows, lambda: columns(table, header=header), as_json=as_json)
    return EXIT_DONE


def show_cell(cell: CellId, storage: options.Storage = None, as_json: options.Json = False) -> int:
    """Show everything that is recorded of a cell: configuration, training, results, failed attempts, provenance."""
    store = options.store_of(options.settings_of(storage))
    key = find_cell(cell, store)
    document = cell_document(key, store)
    emit(document, lambda: _cell_text(document), as_json=as_json)
    return EXIT_DONE


def find_cell(prefix: str, store: ResultsStore) -> str:
    """Return the one train key that begins so.

    Raises:
        InputError: If none does, or several do.
    """
    from orchestration.errors import InputError, Mistake

    wanted = prefix.strip().lower()
    found = [key for key in store.train_keys() if key.startswith(wanted)] if len(wanted) >= MIN_DIGITS else []
    if len(found) == 1:
        return found[0]
    if len(wanted) < MIN_DIGITS:
        text = f"give at least {MIN_DIGITS} digits of the cell id, but got '{prefix}'"
    elif found:
        text = f"'{prefix}' fits {len(found)} cells ({', '.join(key[:16] for key in found[:5])}); give more digits"
    else:
        text = f"nothing is recorded of a cell '{prefix}'; `dreamgrid cells list` shows what is"
    raise InputError("cell", [Mistake(where="", text=text)])


def cell_document(key: str, store: ResultsStore) -> dict[str, Any]:
    """Return everything that is recorded of a cell as plain values."""
    result = store.result(key)
    document: dict[str, Any] = {
        "id": key[:12],
        "train_key": key,
        "trained": result is not None,
        "held_by": store.holders([key]).get(key),
        "attempts": [asdict(attempt) for attempt in store.attempts(key)],
    }
    if result is None:
        return document
    training = result.training
    return {
        **document,
        "checkpoint": {"sha256": training.summary.checkpoint_sha256, "uri": training.summary.checkpoint_uri},
        "training": {
            "epochs": [asdict(row) for row in training.summary.epochs],
            "resumed_from_step": training.summary.resumed_from_step,
            "wall_s": training.summary.wall_s,
            "device_s": training.summary.device_s,
            "environment": dict(training.summary.environment),
        },
        "provenance": asdict(training.provenance),
        "reports": {
            report.benchmark: {
                "key": benchmark_key,
                "semantics": report.semantics,
                "wall_s": report.wall_s,
                "metrics": {name: asdict(value) for name, value in report.outcome.metrics.items()},
                "notes": dict(report.outcome.notes),
                "rows": [dict(row) for row in report.outcome.rows],
            }
            for benchmark_key, report in result.reports.items()
            if report.outcome is not None
        },
    }


def _what(result: CellResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    config = result.training.provenance.config
    names = {name: config.get(name, "") for name in ("method", "dataset", "model", "seed")}
    return {**names, "reports": ", ".join(sorted(report.benchmark for report in result.reports.values()))}


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
    lines.append(f"trained in {training['wall_s']:.1f} s, {training['device_s'] / 3600:.3f} device-hours")
    if last:
        lines.append(
            f"last epoch {last['epoch'] + 1}: loss {last['loss']:.4f}, training accuracy {last['accuracy']:.3f}"
        )
    lines.append(
        f"commit {document['provenance']['commit'] or 'unknown'}{' (dirty)' * bool(document['provenance']['dirty'])}"
    )
    lines += _config_lines(document["provenance"]["config"])
    metrics = [
        [name, metric, f"{value['value']:.4f}", str(value["n"])]
        for name, report in document["reports"].items()
        for metric, value in report["metrics"].items()
    ]
    return "\n".join([*lines, "", columns(metrics, header=["benchmark", "metric", "value", "n"], right=(2, 3))])


def _config_lines(config: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in config.items():
        shown = ", ".join(f"{key}={item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
        lines.append(f"  {name}: {shown}")
    return lines

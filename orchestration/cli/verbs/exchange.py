"""`export`, `import`: results to and from the files of torch-uncertainty, OpenOOD and RobustBench."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from eval.exchange.contract import Unit
from eval.exchange.suites import export_results
from eval.tables.column import Column, value_text
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo, echo_err, emit
from orchestration.cli.parsing import checked
from orchestration.cli.verbs.cells.cell_ids import find_cell
from orchestration.errors import InputError, Mistake, command
from orchestration.results.exchange import known_suite, recorded_outcomes, reported_outcomes
from orchestration.results.imported import ImportedCell, import_file
from orchestration.store.open import open_store
from trainers.datasets.registry import dataset_for

Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="torch-uncertainty (CSV), openood (CSV) or robustbench (JSON).",
        callback=checked(known_suite),
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"export": export, "import": import_results})


def export(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Cell id, or a report of `evaluate --json`.")],
    form: Format,
    places: options.StorageOptions,
    output: options.Output = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model in the file.")] = None,
    as_json: options.Json = False,
) -> int:
    """Write results in the file format of another suite."""
    suite = known_suite(form)
    if Path(source).is_file():
        outcomes, about = reported_outcomes(Path(source))
    else:
        store = places.existing_store()
        outcomes, about = recorded_outcomes(find_cell(source, store), store)
    text = export_results(suite, outcomes, replace(about, name=name) if name else about)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        echo_err(f"written to {output}")
    if as_json:
        emit(
            {"format": suite, "name": name or about.name, "benchmarks": list(outcomes), "text": text}, str, as_json=True
        )
    elif output is None:
        echo(text)
    return EXIT_DONE


def _known_unit(unit: str | None) -> Unit | None:
    if unit is None or unit in ("percent", "fraction"):
        return unit  # type: ignore[return-value]
    raise InputError("options", [Mistake(where="--unit", text=f"must be percent or fraction, but is '{unit}'")])


def import_results(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Result file of the other suite.")],
    form: Format,
    places: options.StorageOptions,
    name: Annotated[str, typer.Option("--name", help="Name of the cell: `imported: NAME` in a sweep shows it.")],
    dataset: Annotated[str, typer.Option("--dataset", help="Training dataset of the network.")],
    model: Annotated[str | None, typer.Option("--model", help="Architecture of the network [as in the file].")] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit",
            help="percent or fraction, if the file does not use the unit of its suite.",
            callback=checked(_known_unit),
        ),
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Import results from a file of another suite, one cell per network. Tables mark them as imported."""
    suite, known_unit = known_suite(form), _known_unit(unit)
    store = open_store(places.settings.storage)
    cells = import_file(
        path, suite, name=name, dataset=dataset_for(dataset).name, model=model, unit=known_unit, store=store
    )
    documents = [_imported_document(each) for each in cells]
    only = documents[0] if len(documents) == 1 else {}
    follows = (
        f"next, show it: write `- {{row: Theirs, imported: {cells[0].name}}}` below axes.cells of a sweep file "
        f"({command('new', 'my-sweep.yaml')} writes a file to start from), then {command('table', 'my-sweep.yaml')}"
    )
    text = "\n\n".join([*(_imported_text(each, suite) for each in cells), follows])
    emit({**only, "cells": documents}, lambda: text, as_json=as_json)
    return EXIT_DONE


def _imported_document(cell: ImportedCell) -> dict[str, Any]:
    return {
        "name": cell.name,
        "cell": cell.key[:12],
        "train_key": cell.key,
        "new": cell.is_new,
        "numbers": [
            {"column": str(each.column), "value": each.value, "spread": each.spread, "original": each.original}
            for each in cell.network.numbers
        ],
        "means": dict(cell.means),
        "left_out": [{"original": each.original, "reason": each.reason} for each in cell.network.left_out],
    }


def _imported_text(cell: ImportedCell, suite: str) -> str:
    rows = [
        [
            each.original,
            str(each.column),
            value_text(each.column, each.value),
            "" if each.spread is None else value_text(each.column, each.spread),
        ]
        for each in cell.network.numbers
    ]
    means = [(Column.of(text), value) for text, value in cell.means.items()]
    rows += [["mean of these sets", str(column), value_text(column, value), ""] for column, value in means]
    has_spread = any(row[3] for row in rows)
    rows = rows if has_spread else [row[:3] for row in rows]
    header = ["there", "here", "value", *(["spread"] if has_spread else [])]
    table = columns(rows, header=header, right=tuple(range(2, len(header))))
    left_out = [f"left out: {each.original} ({each.reason})" for each in cell.network.left_out]
    state = "recorded" if cell.is_new else "was recorded before"
    return "\n".join([table, *left_out, f"cell {cell.key[:12]} ({cell.name}, imported from {suite}) {state}"])

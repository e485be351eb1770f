"""`export`, `import`: results to and from the files of torch-uncertainty, OpenOOD and RobustBench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, emit, show, tell

Format = Annotated[str, typer.Option("--format", help="torch-uncertainty (CSV), openood (CSV) or robustbench (JSON).")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("export")(export)
    app.command("import")(import_results)


def export(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Cell id, or a report that `evaluate --json` printed.")
    ],
    form: Format,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write instead of stdout.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model in the file.")] = None,
    storage: options.Storage = None,
    as_json: options.Json = False,
) -> int:
    """Write a checkpoint's results as a file of another suite."""
    from dataclasses import replace

    from eval.exchange import export_results
    from orchestration.cli.cell_verbs import find_cell
    from orchestration.exchange import known_suite, recorded_outcomes, reported_outcomes

    suite = known_suite(form)
    if Path(source).is_file():
        outcomes, about = reported_outcomes(Path(source))
    else:
        store = options.store_of(options.settings_of(storage))
        outcomes, about = recorded_outcomes(find_cell(source, store), store)
    text = export_results(suite, outcomes, replace(about, name=name) if name else about)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        tell(f"written to {output}")
    if as_json:
        emit(
            {"format": suite, "name": name or about.name, "benchmarks": list(outcomes), "text": text}, str, as_json=True
        )
    elif output is None:
        show(text)
    return EXIT_DONE


def import_results(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File of another suite.")],
    form: Format,
    name: Annotated[str, typer.Option("--name", help="How the cell is labelled.")],
    dataset: Annotated[str, typer.Option("--dataset", help="What its network was trained on.")],
    model: Annotated[str, typer.Option("--model", help="Which network it is.")] = "unknown",
    storage: options.Storage = None,
    as_json: options.Json = False,
) -> int:
    """Bring the numbers of another suite's file in, as a cell that stays labelled as imported."""
    from orchestration.exchange import import_file, known_suite
    from trainers.datasets.registry import dataset_for

    suite = known_suite(form)
    store = options.store_of(options.settings_of(storage))
    key, found, is_new = import_file(
        path, suite, name=name, dataset=dataset_for(dataset).name, model=model, store=store
    )
    document = {
        "cell": key[:12],
        "train_key": key,
        "new": is_new,
        "numbers": [{"column": each.column, "value": each.value, "original": each.original} for each in found],
    }
    rows = [[each.original, each.column, f"{each.value:.4f}"] for each in found]
    table = columns(rows, header=["there", "here", "value"], right=(2,))
    state = "recorded" if is_new else "was recorded before"
    emit(document, lambda: f"{table}\ncell {key[:12]} ({name}, imported from {suite}) {state}", as_json=as_json)
    return EXIT_DONE

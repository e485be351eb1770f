"""`evaluate`: the safety suite on any checkpoint, also one that was not trained here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from augment.lookup.parameters import nearest
from eval.benchmarks.contract import BenchmarkRequest
from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision
from eval.report import MetricReport
from orchestration.cli import options
from orchestration.cli.benchmark_options import BenchmarkOptions
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, columns, drawing_stream, echo_err, emit
from orchestration.cli.verbs.cells.cell_ids import find_cell
from orchestration.cli.weight_options import WeightOptions
from orchestration.errors import EnvironmentRefused, InputError, Mistake
from orchestration.evaluation.kept import kept_document
from orchestration.evaluation.progress import shown_progress, weights_of
from orchestration.planning.missing_data import refuse_where_none_can_run
from orchestration.results.evaluation_lines import EVALUATION_HEAD, evaluation_notes, evaluation_rows
from orchestration.settings import Settings
from orchestration.store.contract import CellResult
from orchestration.sweeps.overrides import parse_overrides
from trainers.models.weights.assumption import assumption_lines

if TYPE_CHECKING:
    from orchestration.evaluation.checkpoints import LoadedNetwork, Reading
    from orchestration.evaluation.evaluate import Evaluation


def register(app: typer.Typer) -> None:
    """Add the verb of this file."""
    options.add_verbs(app, {"evaluate": evaluate})


def evaluate(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="CHECKPOINT",
            help="A checkpoint of ours, a PyTorch file of weights, or torchvision:NAME; with --from-predictions, files or "
            "folders of --save, or cell ids.",
        ),
    ],
    selection: BenchmarkOptions,
    weights: WeightOptions,
    places: options.PlaceOptions,
    from_predictions: Annotated[
        bool, typer.Option("--from-predictions", help="Compute metrics from kept predictions, without the network.")
    ] = False,
    model: Annotated[str | None, typer.Option("--model", help="Network, if the file does not name it.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Dataset of the network, if the file does not name it.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--on-the-fly", help="Cache generated images, or generate them on the fly.")
    ] = True,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            help="Folder for the report and the predictions, made if missing; those of an earlier one are replaced.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Run the safety suite on any checkpoint, also on third-party weights. Records nothing."""
    settings = places.settings
    evaluated_in = selection.evaluated_in
    if from_predictions:
        return _evaluate_kept(sources, places, selection.assignments or [], evaluated_in, as_json=as_json)
    # The modules that evaluate a network import torch, which the help and kept predictions do without.
    from orchestration.evaluation.checkpoints import Reading, tried
    from orchestration.evaluation.evaluate import document_of
    from orchestration.evaluation.in_process import evaluate_in_process

    checkpoint = _only(sources)
    reading = Reading(normalize=weights.normalize, state_dict=weights.state_dict)
    network = _opened(checkpoint, model, dataset, selection.benchmarks, reading)
    requests, notes = _requests(selection, network, evaluated_in or DEFAULT_PRECISION, settings)
    if save is not None:
        _check_writable(save)
    assumed = tried(network, settings)
    weights_by_name = weights_of(requests, network.dataset, settings.data_root)
    with shown_progress(weights_by_name, drawing_stream()) as on_progress:
        evaluated = evaluate_in_process(
            network,
            requests,
            checkpoint=checkpoint,
            architecture=model or "",
            notes=notes,
            assumed=assumed,
            settings=settings,
            on_progress=on_progress,
            keep_generated=keep,
        )
    document = document_of(evaluated)
    if save is not None:
        _save(evaluated, document, save)
    emit(document, lambda: evaluation_text(document), as_json=as_json)
    return EXIT_CELLS_FAILED if evaluated.num_failed else EXIT_DONE


def _requests(
    selection: BenchmarkOptions, network: LoadedNetwork, precision: EvaluationPrecision, settings: Settings
) -> tuple[tuple[BenchmarkRequest, ...], tuple[str, ...]]:
    """Return what is to run on a network, and notes on what is not as published."""
    from orchestration.evaluation.evaluate import make_requests
    from orchestration.evaluation.in_process import chosen_benchmarks

    benchmarks = selection.benchmarks
    chosen, notes = chosen_benchmarks(
        selection.suite,
        None if benchmarks is None else {name: {} for name in _names(benchmarks)},
        _names(selection.axes),
        network.dataset,
        settings,
    )
    given = _with_options(chosen, selection.assignments or [], selection.max_images)
    requests = make_requests(given, network.assumed, dataset=network.dataset, precision=precision)
    if benchmarks is not None:
        refuse_where_none_can_run(requests, network.dataset, settings.data_root)
    return requests, notes


def _evaluate_kept(
    sources: list[str],
    places: options.PlaceOptions,
    assignments: list[str],
    precision: EvaluationPrecision | None,
    *,
    as_json: bool,
) -> int:
    """Compute metrics from kept predictions and print them; return the exit code."""
    document = _kept_document(sources, places, assignments, precision)
    emit(document, lambda: evaluation_text(document), as_json=as_json)
    return EXIT_CELLS_FAILED if document["missing"] else EXIT_DONE


def _only(sources: list[str]) -> str:
    if len(sources) != 1:
        text = f"name one checkpoint, but got {len(sources)}; only --from-predictions takes several"
        raise InputError("options", [Mistake(where="CHECKPOINT", text=text)])
    return sources[0]


def _kept_document(
    sources: list[str], places: options.PlaceOptions, assignments: list[str], precision: EvaluationPrecision | None
) -> dict[str, Any]:
    """Return what kept predictions come to; the storage is opened for ids of cells only."""

    def result_of(cell: str) -> CellResult | None:
        store = places.existing_store()
        return store.result(find_cell(cell, store))

    parsed = parse_overrides(assignments)
    if precision is not None:
        text = "no network is run here, so the precision of the kept predictions stays; leave the option out"
        raise InputError("options", [Mistake(where="--precision", text=text)])
    if parsed.settings:
        text = "nothing is trained here: only benchmarks.<name>.<parameter> can be set"
        raise InputError("options", [Mistake(where=f"--set {path}", text=text) for path in parsed.settings])
    data_root = places.settings.data_root
    return kept_document(sources, result_of=result_of, params=parsed.benchmarks, data_root=data_root)


def _opened(
    checkpoint: str, model: str | None, dataset: str | None, benchmarks: str | None, reading: Reading
) -> LoadedNetwork:
    """Open the network; unknown benchmarks are reported together with what is wrong with it."""
    from orchestration.evaluation.evaluate import make_requests, open_network

    wrong: tuple[Mistake, ...] = ()
    try:
        make_requests({name: {} for name in _names(benchmarks)})
    except InputError as error:
        wrong = error.mistakes
    try:
        network = open_network(checkpoint, model=model, dataset=dataset, reading=reading)
    except InputError as error:
        raise InputError(error.subject, [*error.mistakes, *wrong]) from error
    if wrong:
        raise InputError("benchmarks", wrong)
    return network


def _names(listed: str | None) -> list[str]:
    return [name.strip() for name in listed.split(",")] if listed else []


def _with_options(
    chosen: Mapping[str, Mapping[str, object]], assignments: list[str], max_images: int | None
) -> dict[str, Mapping[str, object]]:
    parsed = parse_overrides(assignments)
    given = parsed.benchmarks
    mistakes = [
        Mistake(where=f"--set benchmarks.{name}", text=f"is not among what is run{nearest(name, list(chosen))}")
        for name in given
        if name not in chosen
    ]
    mistakes += [
        Mistake(where=f"--set {path}", text="nothing is trained here: only benchmarks.<name>.<parameter> can be set")
        for path in parsed.settings
    ]
    if mistakes:
        raise InputError("options", mistakes)
    limit: dict[str, object] = {} if max_images is None else {"max_images": max_images}
    return {name: {**params, **limit, **given.get(name, {})} for name, params in chosen.items()}


def evaluation_text(document: Mapping[str, Any]) -> str:
    """Return the report of all axes for people: values in percent where they are rates, with what must be known of them."""
    assumed = document.get("assumed")
    lines = [
        f"{document['checkpoint']} on {document['dataset']}: {', '.join(document['axes'])}",
        *(assumption_lines(assumed) if assumed else ()),
        columns(evaluation_rows(document), header=EVALUATION_HEAD, right=(2, 4)),
        f"forward passes: {document['forward_passes']} images, {document['forward_passes_estimated']} by the cost model",
        *evaluation_notes(document),
    ]
    return "\n".join(lines)


def _check_writable(folder: Path) -> None:
    """Check, before hours of evaluation, that files can be written to a folder, which is made where it is missing.

    Raises:
        EnvironmentRefused: If they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise EnvironmentRefused(
            f"the folder of --save must be one that can be written, but '{folder}' is not: {error.strerror or error}; "
            "name another folder"
        ) from error


def _save(evaluated: Evaluation, document: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(document, indent=2, allow_nan=False), encoding="utf-8")
    for report in evaluated.reports:
        _save_arrays(report, folder)
    echo_err(f"report and predictions are in {folder}")


def _save_arrays(report: MetricReport, folder: Path) -> None:
    if report.outcome is not None and report.outcome.arrays:
        arrays: dict[str, Any] = dict(report.outcome.arrays)
        np.savez_compressed(folder / f"{report.benchmark}.npz", **arrays)

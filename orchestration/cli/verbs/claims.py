"""`claims`: the papers' sentences, evaluated by what is recorded of sweeps."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final

import typer

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo_damage, echo_err, emit
from orchestration.errors import command
from orchestration.planning.sweep_records import recorded_otherwise
from orchestration.results.claims import EvaluatedClaim, evaluate_claims, verdict_document

NO_EVIDENCE: Final = "not checkable"


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"claims": claims})


def claims(
    sweeps: Annotated[
        list[str], typer.Argument(metavar="SWEEP...", help="Built-in sweeps (see `sweeps`) or paths of YAML files.")
    ],
    changes: options.ChangeOptions,
    places: options.PlaceOptions,
    details: Annotated[bool, typer.Option("--details", help="Show each comparison with its numbers.")] = False,
    as_json: options.Json = False,
) -> int:
    """Test the claims of the papers on recorded results, and on the numbers that they print. Runs nothing."""
    catalogue = builtin_catalogue(places.settings.data_root)
    names = list(dict.fromkeys(sweeps))
    loaded = [changes.load(name, catalogue) for name in names]
    store = places.read_store()
    evaluated = evaluate_claims(loaded, store=store)
    documents = [verdict_document(each) for each in evaluated]
    emit(documents, lambda: claims_text(documents, details=details), as_json=as_json)
    for line in _advice(evaluated, names, changes):
        echo_err(line)
    if any(each.ours.truth == NO_EVIDENCE for each in evaluated):
        for each in loaded:
            for line in recorded_otherwise(each, store, echo_damage):
                echo_err(f"{each.label}: {line}")
    return EXIT_DONE


def claims_text(documents: list[dict[str, Any]], *, details: bool) -> str:
    """Return evaluated claims as text: one line each, what is open or wrong below, then the counts."""
    if not documents:
        return "no claim of the papers speaks of this"
    rows = [
        [
            each["claim"],
            each["sweep"],
            ", ".join(each["datasets"]),
            each["published_numbers"] or "-",
            each["verdict"],
            each["says"],
        ]
        for each in documents
    ]
    header = ["claim", "sweep", "dataset", "papers' numbers", "ours", "the papers say"]
    lines = [columns(rows, header=header), ""]
    for each in documents:
        if each["reason"]:
            # What is not checkable is so for a reason that says it itself; what failed is not told by its comparisons alone.
            verdict = "" if each["verdict"] == NO_EVIDENCE else f"{each['verdict']}: "
            lines.append(f"{each['claim']} on {each['sweep']}: {verdict}{each['reason']}")
        if details:
            lines += [f"    {text}" for text in each["comparisons"]]
            lines += [f"    left out: {name} (not measured)" for name in each["left_out"]]
    counts = Counter(each["verdict"] for each in documents)
    return "\n".join([*lines, "", ", ".join(f"{number} {verdict}" for verdict, number in counts.items())])


def _advice(evaluated: tuple[EvaluatedClaim, ...], names: list[str], changes: options.ChangeOptions) -> list[str]:
    if changes.size != "full" and evaluated:
        return ["in this size the claims are evaluated on other data and networks than the papers'"]
    if settings := list(dict.fromkeys(text for each in evaluated for text in each.settings)):
        return [f"the claims are evaluated on other trainings or evaluations than the papers': {', '.join(settings)}"]
    if evaluated and all(each.ours.truth == NO_EVIDENCE for each in evaluated):
        return [f"nothing to evaluate yet; compute it with: {command('run', name)}" for name in names]
    if not evaluated:
        return [f"next, compare a table with the published one: {command('table', 'table-3', options=('--compare',))}"]
    if any(each.ours.truth == NO_EVIDENCE for each in evaluated):
        return [f"next, record what is missing: {command('run', name)}" for name in names]
    return [f"next, see the numbers: {command('table', name, options=('--compare',))}" for name in names]

"""`claims`: the papers' sentences, evaluated by what is recorded of sweeps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, emit, tell, tell_damage
from orchestration.errors import command

if TYPE_CHECKING:
    from orchestration.results.claims import EvaluatedClaim

NO_EVIDENCE = "not checkable"


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("claims")(claims)


def claims(
    sweeps: Annotated[
        list[str], typer.Argument(metavar="SWEEP...", help="Built-in sweeps (see `sweeps`) or paths of YAML files.")
    ],
    smoke: options.Smoke = False,
    small: options.Small = False,
    assignments: options.Set = None,
    seeds: options.Seeds = None,
    details: Annotated[bool, typer.Option("--details", help="Show every comparison with its numbers.")] = False,
    storage: options.Storage = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Evaluate what the papers say in words, by their printed numbers and by what is recorded. Runs nothing."""
    from orchestration.cells.catalogue import builtin_catalogue
    from orchestration.planning.sweep_records import recorded_otherwise
    from orchestration.results.claims import evaluate_claims, verdict_document

    settings = options.settings_of(storage, data_root)
    catalogue = builtin_catalogue(settings.data_root)
    chosen = [options.chosen(name, smoke, small, assignments, seeds) for name in dict.fromkeys(sweeps)]
    loaded = [choice.load(catalogue) for choice in chosen]
    store = options.existing_store(settings)
    evaluated = evaluate_claims(loaded, store=store)
    documents = [verdict_document(each) for each in evaluated]
    emit(documents, lambda: claims_text(documents, details=details), as_json=as_json)
    for line in _advice(evaluated, chosen):
        tell(line)
    if any(each.ours.truth == NO_EVIDENCE for each in evaluated):
        for each in loaded:
            for line in recorded_otherwise(each, store, tell_damage):
                tell(f"{each.label}: {line}")
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
            lines.append(f"{each['claim']} on {each['sweep']}: {each['verdict']}: {each['reason']}")
        if details:
            lines += [f"    {text}" for text in each["comparisons"]]
            lines += [f"    left out: {name} (not measured)" for name in each["left_out"]]
    counts = Counter(each["verdict"] for each in documents)
    return "\n".join([*lines, "", ", ".join(f"{number} {verdict}" for verdict, number in counts.items())])


def _advice(evaluated: tuple[EvaluatedClaim, ...], chosen: list[options.SweepChoice]) -> list[str]:
    if chosen and chosen[0].size != "full" and evaluated:
        return ["in this size the claims are evaluated on other data and networks than the papers'"]
    if evaluated and all(each.ours.truth == NO_EVIDENCE for each in evaluated):
        return [f"nothing to evaluate yet; compute it with: {command('run', choice.name)}" for choice in chosen]
    return []

"""Results out, in other suites' formats: recorded cells and reports. `orchestration.results.imported` brings their files in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from augment.lookup.parameters import nearest
from eval.exchange.contract import About
from eval.exchange.suites import SUITES
from eval.inference.precision import DEFAULT_PRECISION
from eval.report import PRECISION_NOTE, BenchmarkOutcome, reads_own_files
from orchestration.cells.keys import IMPORTED
from orchestration.errors import InputError, Mistake
from orchestration.results.evaluation_document import outcomes_of, read_document
from orchestration.store.contract import ResultsStore
from orchestration.store.provenance import origin_marks


def known_suite(name: str) -> str:
    """Return the name of a suite that results are exchanged with.

    Raises:
        InputError: If it is unknown.
    """
    if name not in SUITES:
        text = f"unknown suite '{name}'{nearest(name, list(SUITES))}"
        raise InputError("options", [Mistake(where="--format", text=text)])
    return name


def recorded_outcomes(train_key: str, store: ResultsStore) -> tuple[dict[str, BenchmarkOutcome], About]:
    """Return what is recorded of a cell, by benchmark, and how to call it.

    Raises:
        InputError: If nothing is, or one benchmark is recorded with different parameters.
    """
    result = store.result(train_key)
    if result is None or not result.reports:
        text = f"no result is recorded of cell {train_key[:12]}; run its sweep, or `dreamgrid evaluate --json`"
        raise InputError("export", [Mistake(where="", text=text)])
    outcomes: dict[str, BenchmarkOutcome] = {}
    for report in result.reports.values():
        if report.outcome is None:
            continue
        if report.benchmark in outcomes:
            text = (
                f"cell {train_key[:12]} holds several results of '{report.benchmark}' with different parameters, and the format "
                "has room for one; evaluate its checkpoint and export that report"
            )
            raise InputError("export", [Mistake(where="", text=text)])
        outcomes[report.benchmark] = report.outcome
    config = result.training.provenance.config
    name = (
        str(config.get("label") or "") or f"{config.get('method', '')} seed {config.get('seed', '')} ({train_key[:12]})"
    )
    origins = [IMPORTED] if result.is_imported else sorted(origin_marks(result.training.summary.environment))
    name += (f" ({', '.join(origins)})" if origins else "") + _marks(outcomes)
    return outcomes, About(name=name, dataset=str(config.get("dataset", "")), architecture=str(config.get("model", "")))


def reported_outcomes(path: Path) -> tuple[dict[str, BenchmarkOutcome], About]:
    """Return what a report of `dreamgrid evaluate --json` holds, by benchmark, and how to call it.

    Raises:
        InputError: If the file cannot be read or is no such report.
    """
    try:
        document = read_document(path)
        outcomes = outcomes_of(document)
    except (OSError, ValueError) as error:
        text = f"must be a report of `dreamgrid evaluate --json`: {error}"
        raise InputError("export", [Mistake(where=str(path), text=text)]) from error
    about = About(
        name=document["checkpoint"] + _marks(outcomes),
        dataset=document["dataset"],
        architecture=document.get("architecture", ""),
    )
    return outcomes, about


def _marks(outcomes: Mapping[str, BenchmarkOutcome]) -> str:
    """Return what the name of an exported row says of its numbers.

    That is: benchmarks on files that are not shown to be the published ones, on a part of the images, and in another precision
    than the usual one. The names of the numbers say the first two again: formats have no room for a name, or readers drop it.
    """
    own = [name for name, outcome in outcomes.items() if reads_own_files(outcome.notes)]
    partial = [name for name, outcome in outcomes.items() if outcome.notes.get("limited")]
    marks = {"own files": own, "part of the images": partial}
    for name, outcome in outcomes.items():
        if (precision := outcome.notes.get(PRECISION_NOTE, DEFAULT_PRECISION)) != DEFAULT_PRECISION:
            marks.setdefault(f"evaluated in {precision}", []).append(name)
    return "".join(f" ({mark}: {', '.join(names)})" for mark, names in marks.items() if names)

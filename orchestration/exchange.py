"""Results in other suites' formats: recorded cells and reports out, files of other suites in as labelled cells.

An imported cell has no weights. Its record says from which file and suite its numbers come, and no benchmark of ours takes them
for its own: their keys are hashes of the file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration.errors import InputError, Mistake, nearest

if TYPE_CHECKING:
    from eval.exchange import About, Imported
    from eval.report import BenchmarkOutcome, MetricReport
    from orchestration.store.base import CellResult, ResultsStore

IMPORTED: Final = "imported"


def known_suite(name: str) -> str:
    """Return the name of a suite that results are exchanged with.

    Raises:
        InputError: If it is unknown.
    """
    from eval.exchange import SUITES

    if name not in SUITES:
        text = f"unknown suite '{name}'{nearest(name, SUITES)}"
        raise InputError("options", [Mistake(where="--format", text=text)])
    return name


def recorded_outcomes(train_key: str, store: ResultsStore) -> tuple[dict[str, BenchmarkOutcome], About]:
    """Return what is recorded of a cell, by benchmark, and how to call it.

    Raises:
        InputError: If nothing is, or one benchmark is recorded with different parameters.
    """
    from eval.exchange import About

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
    name += _on_own_files(outcomes)
    return outcomes, About(name=name, dataset=str(config.get("dataset", "")), architecture=str(config.get("model", "")))


def reported_outcomes(path: Path) -> tuple[dict[str, BenchmarkOutcome], About]:
    """Return what a report of `dreamgrid evaluate --json` holds, by benchmark, and how to call it.

    Raises:
        InputError: If the file cannot be read or is no such report.
    """
    from eval.exchange import About
    from orchestration.judgement import outcomes_of

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        outcomes = outcomes_of(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"must be a report of `dreamgrid evaluate --json`: {error}"
        raise InputError("export", [Mistake(where=str(path), text=text)]) from error
    about = About(
        name=document["checkpoint"] + _on_own_files(outcomes),
        dataset=document["dataset"],
        architecture=document.get("architecture", ""),
    )
    return outcomes, about


def _on_own_files(outcomes: Mapping[str, BenchmarkOutcome]) -> str:
    """Return what the name of an exported row says of benchmarks on files that are not shown to be the published ones."""
    from eval.report import reads_own_files

    own = [name for name, outcome in outcomes.items() if reads_own_files(outcome.notes)]
    return f" (own files: {', '.join(own)})" if own else ""


def import_file(
    path: Path, suite: str, *, name: str, dataset: str, model: str, store: ResultsStore
) -> tuple[str, tuple[Imported, ...], bool]:
    """Record the numbers of another suite's file as a labelled cell; return its key, the numbers, and whether it is new.

    The same file under the same name is the same cell.

    Args:
        path: The file.
        suite: The suite that wrote it.
        name: How the cell is labelled.
        dataset: What the network was trained on.
        model: Which network it is.
        store: Where to record.

    Raises:
        InputError: If the file cannot be read.
        EvalError: If it is no file of that suite, or a number is outside its range.
    """
    from eval.exchange import import_results
    from orchestration.keys import digest

    try:
        data = path.read_bytes()
        found = import_results(suite, data.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("import", [Mistake(where=str(path), text=f"must be a readable text file: {error}")]) from error
    sha256 = hashlib.sha256(data).hexdigest()
    label = {
        "method": f"{name} ({IMPORTED})",
        "label": name,
        "suite": suite,
        "dataset": dataset,
        "model": model,
        "file_sha256": sha256,
    }
    key = digest({"imported": label})
    is_new = store.record_training(_training(key, path, label))
    for report in _reports(found, label):
        store.record_report(key, sha256, report)
    return key, found, is_new


def is_imported(result: CellResult) -> bool:
    """Return whether a cell's numbers come from another suite's file."""
    return result.training.summary.checkpoint_uri.startswith(f"{IMPORTED}:")


def _training(key: str, path: Path, label: Mapping[str, str]) -> Any:
    from orchestration.engine.provenance import code_version, library_versions
    from orchestration.store.base import Provenance, TrainingRecord
    from trainers.job import TrainSummary

    commit, is_dirty = code_version()
    summary = TrainSummary(
        checkpoint_sha256=label["file_sha256"],
        checkpoint_uri=f"{IMPORTED}:{label['suite']}:{path.name}",
        epochs=(),
        resumed_from_step=None,
        wall_s=0.0,
        device_s=0.0,
        environment={"imported_from": path.name, "suite": label["suite"], "finished_at": time.time()},
    )
    provenance = Provenance(
        commit=commit,
        dirty=is_dirty,
        config=dict(label),
        config_hash=key,
        data_identity="",
        versions=library_versions(),
        driver={},
        recorded_at=time.time(),
    )
    return TrainingRecord(train_key=key, summary=summary, provenance=provenance)


def _reports(found: tuple[Imported, ...], label: Mapping[str, str]) -> list[MetricReport]:
    from eval.report import MetricReport
    from orchestration.keys import digest

    by_benchmark: dict[str, list[Imported]] = {}
    for each in found:
        by_benchmark.setdefault(each.column.split("/")[0], []).append(each)
    return [
        MetricReport(
            benchmark=benchmark,
            benchmark_key=digest({"imported": dict(label), "benchmark": benchmark}),
            semantics=0,
            outcome=_outcome(numbers, label),
        )
        for benchmark, numbers in by_benchmark.items()
    ]


def _outcome(numbers: list[Imported], label: Mapping[str, str]) -> BenchmarkOutcome:
    """Return numbers as an outcome: whole-benchmark ones as metrics, those of single sets as fine rows; their n is not known."""
    from eval.benchmarks import parse_column
    from eval.report import BenchmarkOutcome, MetricValue

    metrics: dict[str, MetricValue] = {}
    rows: dict[str, dict[str, Any]] = {}
    for each in numbers:
        column = parse_column(each.column)
        if column.detail is None:
            metrics[column.metric] = MetricValue(each.value, 0)
        else:
            rows.setdefault(column.detail, {"set": column.detail})[column.metric] = each.value
    for metric in {name for row in rows.values() for name in row if name != "set"} - set(metrics):
        values = [row[metric] for row in rows.values() if metric in row]
        metrics[metric] = MetricValue(sum(values) / len(values), 0)
    notes = {
        "imported": {"suite": label["suite"], "file_sha256": label["file_sha256"]},
        "originals": {each.column: each.original for each in numbers},
    }
    return BenchmarkOutcome(metrics=metrics, rows=tuple(rows.values()), notes=notes)

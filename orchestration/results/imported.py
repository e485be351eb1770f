"""Files of other suites as cells of the store: labelled, without weights, found by their name and dataset.

A cell is one network of one file. Its record says from which file and suite its numbers come. Its key is a hash of the name that
the user gives it and of its dataset, so that a row of a sweep (`imported: NAME`) finds it without reading the store; no benchmark
of ours takes its numbers for its own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from augment.files.given import MIB, read_given
from eval.exchange.conditions import PARTIAL
from eval.exchange.contract import Imported, Network, Unit
from eval.exchange.suites import SUITES, read_results, same_name
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from eval.tables.labels import label_problem
from orchestration.cells.keys import IMPORTED, imported_key, report_key
from orchestration.errors import InputError, Mistake, command
from orchestration.store.contract import CellResult, Provenance, Results, TrainingRecord
from orchestration.store.provenance import code_version, library_versions
from trainers.job import TrainSummary

LARGEST_BYTES: Final = 16 * MIB
"""Of a file of results: some thousand networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCell:
    """A network of a file, as it was recorded.

    Attributes:
        means: Column -> mean over the sets of the file, where the file has a number for each set only.
    """

    key: str
    name: str
    network: Network
    means: Mapping[str, float]
    is_new: bool


def import_file(
    path: Path,
    suite: str,
    *,
    name: str,
    dataset: str,
    store: Results,
    model: str | None = None,
    unit: Unit | None = None,
) -> tuple[ImportedCell, ...]:
    """Record what another suite's file says, a cell for each network that it is about.

    The same file under the same name is the same cell.

    Args:
        name: How the cell is called; where the file is about several networks, "NAME THEIRS" for each.
        model: Which network it is; None for what the file says.
        unit: How the file writes rates; None for what the suite writes.

    Raises:
        InputError: If the file cannot be read, says another dataset or network, or another file has that name. Nothing is
            recorded then.
        EvalError: If it is no file of that suite, or a number is outside its range or in an uncertain unit.
    """
    try:
        data = read_given(path, LARGEST_BYTES)
        networks = read_results(suite, data.decode("utf-8-sig"), unit=unit)
    except UnicodeDecodeError as error:
        text = f"must be text in UTF-8, but byte {error.start + 1} is not; save it as uncompressed 'CSV UTF-8'"
        raise InputError("import", [Mistake(where=str(path), text=text)]) from error
    except OSError as error:
        raise InputError("import", [Mistake(where=str(path), text=f"must be a readable text file: {error}")]) from error
    labels = {
        imported_key(label["label"], dataset): (label, network)
        for network in networks
        for label in [_label(network, suite, name, dataset, model, unit, data, is_one_of_many=len(networks) > 1)]
    }
    mistakes = [f"--name: {problem}" for label, _ in labels.values() if (problem := label_problem(label["label"]))]
    mistakes += [text for network in networks for text in _contradictions(network, dataset, model)]
    mistakes += [text for key, (label, _) in labels.items() for text in _taken(key, label, store)]
    if mistakes:
        raise InputError("import", [Mistake(where=str(path), text=text) for text in dict.fromkeys(mistakes)])
    return tuple(_record(key, path, label, network, store) for key, (label, network) in labels.items())


def imported_outcomes(result: CellResult) -> list[BenchmarkOutcome]:
    """Return the outcomes of an imported cell."""
    return [report.outcome for report in result.reports.values() if report.outcome is not None]


def imported_notes(rows: Iterable[tuple[str, CellResult]]) -> tuple[str, ...]:
    """Return one line below a table per imported row: from which file and suite, over which sets, what is defined otherwise."""
    notes = []
    for row, result in rows:
        suite = SUITES.get(str(result.training.provenance.config.get("suite")))
        if suite is None:
            continue
        sets = dict.fromkeys(
            str(line["set"]) for each in imported_outcomes(result) for line in each.rows if "set" in line
        )
        means = f"; means over {', '.join(sets)}" if sets else ""
        differs = f"; defined differently there: {suite.differs}" if suite.differs else ""
        file = result.training.summary.environment.get("imported_from", "")
        notes.append(f"{row}: imported from the {suite.title} file {file}{means}{differs}.")
    return tuple(notes)


def _label(
    network: Network,
    suite: str,
    name: str,
    dataset: str,
    model: str | None,
    unit: Unit | None,
    data: bytes,
    *,
    is_one_of_many: bool,
) -> dict[str, str]:
    own = f"{name} {network.name}" if is_one_of_many else name
    return {
        "method": f"{own} ({IMPORTED})",
        "label": own,
        "suite": suite,
        "dataset": dataset,
        "model": model or network.architecture or "unknown",
        "file_sha256": hashlib.sha256(data).hexdigest(),
        **({"unit": unit} if unit else {}),
    }


def _contradictions(network: Network, dataset: str, model: str | None) -> list[str]:
    """Return what the file says of a network that the options deny."""
    who = f" of {network.name!r}" if network.name else ""
    found = []
    if network.dataset and not same_name(dataset, network.dataset):
        found.append(f"the file says that the dataset{who} is {network.dataset!r}, and --dataset says '{dataset}'")
    if model and network.architecture and not same_name(model, network.architecture):
        found.append(
            f"the file says that the network{who} is {network.architecture!r}, and --model says '{model}'; leave --model out"
        )
    own = [number.original for number in network.numbers if same_name(dataset, number.column.detail or "")]
    if own:
        found.append(
            f"{own[0]!r} makes '{dataset}' an outlier set of the file, so the network was trained on another dataset"
        )
    return found


def _taken(key: str, label: Mapping[str, str], store: Results) -> list[str]:
    """Return why a name cannot be given to a network: it belongs to what another file (or another reading of it) says."""
    result = store.result(key)
    before = {} if result is None else dict(result.training.provenance.config)
    different = [
        name for name in ("file_sha256", "suite", "model", "unit") if before and before.get(name) != label.get(name)
    ]
    if not different:
        return []
    what = ", ".join(f"{name} {str(before.get(name))[:12]}" for name in different)
    return [
        f"'{label['label']}' on '{label['dataset']}' is already the name of cell {key[:12]}, imported with {what}; give another "
        f"--name, or remove that one with `{command('cells invalidate', key[:12], options=('--reason', 'why'))}`"
    ]


def _record(key: str, path: Path, label: Mapping[str, str], network: Network, store: Results) -> ImportedCell:
    is_new = store.record_training(_training(key, path, label))
    reports = _reports(key, network, label)
    for report in reports:
        store.record_report(key, label["file_sha256"], report)
    given = {str(each.column) for each in network.numbers}
    metrics = {
        f"{report.benchmark}/{name}": value.value
        for report in reports
        if report.outcome is not None
        for name, value in report.outcome.metrics.items()
    }
    means = {column: value for column, value in metrics.items() if column not in given}
    return ImportedCell(key=key, name=label["label"], network=network, means=means, is_new=is_new)


def _training(key: str, path: Path, label: Mapping[str, str]) -> TrainingRecord:
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


def _reports(key: str, network: Network, label: Mapping[str, str]) -> list[MetricReport]:
    by_benchmark: dict[str, list[Imported]] = {}
    for each in network.numbers:
        by_benchmark.setdefault(each.column.benchmark, []).append(each)
    return [
        MetricReport(
            benchmark=benchmark,
            benchmark_key=report_key(key, benchmark),
            semantics=0,
            outcome=_outcome(numbers, network, label),
        )
        for benchmark, numbers in by_benchmark.items()
    ]


def _outcome(numbers: Sequence[Imported], network: Network, label: Mapping[str, str]) -> BenchmarkOutcome:
    """Return numbers as an outcome: whole-benchmark ones as metrics, those of single sets as fine rows; their n is not known."""
    metrics: dict[str, MetricValue] = {}
    rows: dict[str, dict[str, Any]] = {}
    for each in numbers:
        column = each.column
        if column.detail is None:
            metrics[column.metric] = MetricValue(each.value, 0)
        else:
            rows.setdefault(column.detail, {"set": column.detail})[column.metric] = each.value
    of_sets = dict.fromkeys(name for row in rows.values() for name in row if name != "set")  # in the order of the file
    for metric in [name for name in of_sets if name not in metrics]:
        values = [row[metric] for row in rows.values() if metric in row]
        metrics[metric] = MetricValue(sum(values) / len(values), 0)
    notes = {
        "imported": {"suite": label["suite"], "file_sha256": label["file_sha256"]},
        "originals": {str(each.column): each.original for each in numbers},
        "spreads": {str(each.column): each.spread for each in numbers if each.spread is not None},
        "left_out": {each.original: each.reason for each in network.left_out},
    }
    partial = [str(each.column) for each in numbers if each.is_partial]
    notes |= {PARTIAL: partial} if partial else {}
    return BenchmarkOutcome(metrics=metrics, rows=tuple(rows.values()), notes=notes)

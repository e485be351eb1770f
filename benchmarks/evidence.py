"""Evidence that the science is right: methods move the axes that they are known to move, tested in pairs over seeds.

    python -m benchmarks.evidence [--quick] [--json] [--data-root DIR] [--storage DIR] [NAME ...]

Trains every cell of `evidence-<name>.yaml` in this process (no Ray), evaluates and records it as `dreamgrid run` does; prints
the table and one verdict for each expectation: a one-sided paired t test over the seeds against the baseline. What is recorded
is not computed again, so a run that was cut off goes on. `mnist-auroc` asks one question only and runs when it is named.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import harness

if TYPE_CHECKING:
    from eval.report import MetricReport
    from eval.tables.grid import Table
    from orchestration.cells.cell import PlannedCell
    from orchestration.settings import Settings
    from orchestration.store.contract import ResultsStore
    from trainers.job import EpochRow, TrainSummary

HERE: Final = Path(__file__).resolve().parent
NAMES: Final = ("fashion-mnist", "mnist", "mnist-auroc")
UNNAMED: Final = ("fashion-mnist", "mnist")
"""What runs where no name is given."""
LEVEL: Final = 0.05
SENSIBLE_ERROR: Final[Mapping[str, float]] = {"fashion-mnist": 0.35, "mnist": 0.15, "mnist-auroc": 0.15}
"""Clean error that no method may exceed after this short training; guessing has 0.9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A row is expected to lie below (or above) the baseline in a column; `price` marks a cost instead of a gain."""

    row: str
    column: str
    lower: bool
    price: bool = False


# Outlier Exposure is trained on the set of "ood/auroc", so that only drawn outliers, which it has never seen, say anything of it.
METHODS_MOVE: Final = (
    Expectation(row="PixMix", column="c-generated/error", lower=True),
    Expectation(row="PixMix", column="c-generated/rms", lower=True),
    Expectation(row="PixMix", column="ood-generated/auroc", lower=False),
    Expectation(row="PixMix", column="ood/auroc", lower=False),
    Expectation(row="AugMix", column="c-generated/error", lower=True),
    Expectation(row="Outlier Exposure", column="ood-generated/auroc", lower=False),
    Expectation(row="Adversarial", column="pgd/error", lower=True),
    Expectation(row="Adversarial", column="clean/error", lower=False, price=True),
)
GARMENTS_STAND_OUT: Final = (
    Expectation(row="PixMix", column="ood/auroc/fashion-mnist:msp", lower=False),
    Expectation(row="PixMix", column="ood/auroc/fashion-mnist:xent", lower=False),
    Expectation(row="PixMix", column="ood-generated/auroc", lower=False),
)
EXPECTATIONS: Final[Mapping[str, tuple[Expectation, ...]]] = {
    "fashion-mnist": METHODS_MOVE,
    "mnist": METHODS_MOVE,
    "mnist-auroc": GARMENTS_STAND_OUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the seeds say of an expectation.

    Attributes:
        expectation: What was expected.
        difference: Mean difference to the baseline.
        interval: Its 95 % t interval, or None for one seed.
        p_value: One-sided p-value of the paired t test, or None for one seed.
        agreeing: Seeds that differ in the expected sense.
        n: Seeds.
    """

    expectation: Expectation
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None
    agreeing: int
    n: int

    @property
    def verdict(self) -> str:
        """Say "shown" below the level, "in the expected sense" where all seeds agree, else "not shown"."""
        if self.p_value is not None and self.p_value < LEVEL:
            return "shown"
        return "in the expected sense" if self.agreeing == self.n else "NOT shown"


class _Recording:
    """A `JobSink` that records as the driver of a sweep does, and shows each epoch."""

    def __init__(self, cell: PlannedCell, store: ResultsStore) -> None:
        self._cell = cell
        self._store = store

    def epoch(self, train_key: str, row: EpochRow) -> None:
        """Print nothing: the end of the cell is enough."""

    def progress(self, train_key: str, stage: str, done: int, total: int) -> None:
        """Say nothing."""

    def trained(self, train_key: str, summary: TrainSummary) -> None:
        """Record the training."""
        from orchestration.store.contract import TrainingRecord
        from orchestration.store.provenance import provenance_of

        record = TrainingRecord(train_key=train_key, summary=summary, provenance=provenance_of(self._cell))
        self._store.record_training(record)

    def benchmark(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> None:
        """Record a report, or say why there is none."""
        if report.error is None:
            self._store.record_report(train_key, checkpoint_sha256, report)
        else:
            sys.stderr.write(f"{train_key[:12]} {report.benchmark}: {report.error}\n")


def complete(
    name: str, *, settings: Settings, store: ResultsStore, quick: bool, seeds: tuple[int, ...] | None = None
) -> Table:
    """Train and evaluate what is missing of one evidence sweep, with its seeds or those given; return its table."""
    from orchestration.cells.catalogue import builtin_catalogue
    from orchestration.cells.load import load_sweep
    from orchestration.errors import InputError, Mistake
    from orchestration.planning.plan import make_plan
    from orchestration.results.table import recorded_tables
    from orchestration.sweeps.model import Overrides

    catalogue = builtin_catalogue(settings.data_root)
    resolved = load_sweep(
        str(HERE / f"evidence-{name}.yaml"),
        size="smoke" if quick else "full",
        overrides=Overrides(seeds=seeds),
        catalogue=catalogue,
    )
    plan = make_plan(resolved, store=store)
    if plan.missing_data:
        raise InputError(f"evidence on {name}", [Mistake(where="", text=line) for line in plan.missing_data])
    by_seed = sorted(plan.to_run, key=lambda cell: cell.cell.seed)
    for number, cell in enumerate(by_seed, start=1):
        started = time.monotonic()
        _run(cell, settings, store)
        seconds = time.monotonic() - started
        label = cell.cell.row or cell.config.method
        sys.stderr.write(f"{name}: {label}, seed {cell.cell.seed}: {seconds:.0f} s ({number} of {len(by_seed)})\n")
    (table,) = recorded_tables(resolved, store)
    return table


def _run(cell: PlannedCell, settings: Settings, store: ResultsStore) -> None:
    import torch

    from trainers.job import JobPaths, JobRequest
    from trainers.training.group import OneWorker
    from trainers.worker.run_job import run_job

    request = JobRequest(
        train_key=cell.train_key,
        config=cell.config,
        benchmarks=cell.missing,
        dataset_identity=cell.dataset_identity,
        threads=1,
        eras={key: store.era(key) for key in (cell.train_key, *cell.parents)},
        paths=JobPaths(
            checkpoints=settings.checkpoints, data_root=str(settings.data_root), cache_dir=str(settings.cache_dir)
        ),
    )
    run_job(request, group=OneWorker(torch.device("cpu")), sink=_Recording(cell, store))


def findings(table: Table, expectations: Sequence[Expectation]) -> list[Finding]:
    """Test the expectations that a table has values for."""
    values = values_of(table)
    found = []
    for each in expectations:
        ours, base = values.get((each.row, each.column), {}), values.get(("Baseline", each.column), {})
        seeds = sorted(ours.keys() & base.keys())
        if seeds:
            found.append(evaluate(each, [ours[seed] - base[seed] for seed in seeds]))
    return found


def evaluate(expectation: Expectation, differences: Sequence[float]) -> Finding:
    """Test differences to the baseline, one per seed, against zero in the expected sense."""
    from eval.tables.statistics import one_sided_p, summarise

    summary = summarise(differences)
    sign = -1.0 if expectation.lower else 1.0
    gains = [sign * difference for difference in differences]
    return Finding(
        expectation=expectation,
        difference=summary.mean,
        interval=None if summary.low is None or summary.high is None else (summary.low, summary.high),
        p_value=one_sided_p(gains, 0.0, above=True),
        agreeing=sum(gain > 0 for gain in gains),
        n=len(gains),
    )


def values_of(table: Table) -> dict[tuple[str, str], Mapping[int, float]]:
    """Return (row, column) -> seed -> value."""
    return {
        (row, column.key): entry.values
        for row, entries in zip(table.rows, table.entries, strict=True)
        for column, entry in zip(table.columns, entries, strict=True)
        if entry is not None
    }


def untrained(table: Table, name: str) -> list[str]:
    """Return one line for each row whose clean error says that it did not train."""
    return [
        f"{row} did not train: clean error {max(seeds.values()):.3f} above {SENSIBLE_ERROR[name]}"
        for (row, column), seeds in values_of(table).items()
        if column == "clean/error" and max(seeds.values()) > SENSIBLE_ERROR[name]
    ]


def sentence(finding: Finding) -> str:
    """Return a verdict in one line."""
    each = finding.expectation
    wanted = ("lower" if each.lower else "higher") + (" (its price)" if each.price else "")
    p_value = "-" if finding.p_value is None else f"{finding.p_value:.4f}"
    interval = "" if finding.interval is None else " [{:+.4f}, {:+.4f}]".format(*finding.interval)
    return (
        f"{each.row}: {each.column} {wanted} than the baseline: {finding.difference:+.4f}{interval}, p = {p_value}, "
        f"{finding.agreeing} of {finding.n} seeds: {finding.verdict}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the evidence sweeps and print their tables and verdicts; return 1 if an expectation is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(UNNAMED), metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="the smoke size: every path, no evidence")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--data-root", type=Path, default=None, help="folder of datasets (DREAMGRID_DATA)")
    parser.add_argument("--storage", default=None, help="where results are kept (DREAMGRID_STORAGE)")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"evidence is gathered on {', '.join(NAMES)}, but got {unknown[0]!r}")
    documents = _gather(options)
    if options.json:
        sys.stdout.write(json.dumps({"evidence": documents, "environment": harness.environment()}, indent=1) + "\n")
    return int(not options.quick and any(document["failed"] for document in documents))


def _gather(options: argparse.Namespace) -> list[dict[str, Any]]:
    from eval.tables.formats.registry import render
    from orchestration.settings import read_settings
    from orchestration.store.open import open_store

    settings = read_settings(storage=options.storage, data_root=options.data_root)
    store = open_store(settings.storage)
    documents = []
    for name in options.names:
        table = complete(name, settings=settings, store=store, quick=options.quick)
        found, idle = findings(table, EXPECTATIONS[name]), [] if options.quick else untrained(table, name)
        failed = [sentence(each) for each in found if each.verdict == "NOT shown"] + idle
        documents.append({"name": name, "verdicts": [sentence(each) for each in found], "failed": failed})
        if not options.json:
            lines = [sentence(each) for each in found] + idle
            sys.stdout.write(render(table, "markdown") + "\n" + "\n".join(f"- {line}" for line in lines) + "\n\n")
            sys.stdout.flush()
    return documents


if __name__ == "__main__":
    sys.exit(main())

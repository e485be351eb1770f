"""What a cell's run must look like, as a pure function of what is in the results store. Replaying it changes nothing."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from eval.exchange.conditions import PARTIAL
from eval.report import BenchmarkOutcome
from eval.tables.column import Column, column_marks
from eval.tables.grid import MARKS
from orchestration.planning.column_values import value_in
from orchestration.store.contract import AttemptRecord, CellResult
from orchestration.store.provenance import origin_lines, origin_marks
from orchestration.tracking.content.params import clean_name
from orchestration.tracking.content.tracked_values import TrackedCell
from orchestration.tracking.contract import Point, RunStatus, TrackedData, TrackedModel, TrackedRun
from orchestration.tracking.secrets import is_secret_name, scrubbed, without_secrets
from trainers.job import MACHINE_USE, EpochRow, TrainSummary, use_in

FINE_TABLE: Final = "fine.json"
RECORD: Final = "record.json"
_LONGEST_TAG: Final = 1000
_NOT_IN_MODELS: Final = re.compile(r"[/:.%\"']")
"""Characters that the name of a logged model must not have."""
_LONGEST_MODEL: Final = 250
MARKS_TAG: Final = "marks"
PASSING_TAGS: Final = frozenset({"attempts", "failure", "failure.message", "not_finite", "origin", "assumed"})
"""Tags that a run has for as long as they are true; a tracking server keeps what it was told, until it is told otherwise."""
EVALUATION_S: Final = "cost/evaluation_s"
_SECONDS_PER_HOUR: Final = 3600.0
_MEGABYTES_PER_MIB: Final = 2**20 / 1e6
_GPU: Final = "system/gpu_0"
"""MLflow's page of system metrics shows what is called so; of several GPUs the values are means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run as it should be.

    Attributes:
        end_ms: When it ended, or None while it goes on.
        points: Every value of every metric, with the time it was measured at.
        single: Names of the metrics that have one value: results and costs, not curves.
        artifacts: Path -> text.
        model: Its classifier, or None where there is none to load.
        data: What it is trained and evaluated on.
    """

    status: RunStatus
    start_ms: int
    end_ms: int | None
    points: tuple[Point, ...]
    tags: Mapping[str, str]
    artifacts: Mapping[str, str]
    single: frozenset[str] = frozenset()
    model: TrackedModel | None = None
    data: tuple[TrackedData, ...] = ()

    def digest(self, labels: Mapping[str, str]) -> str:
        """Return the identity of all of it, so that a projection that is up to date is recognised.

        Args:
            labels: More tags of the run: name, row and kind may change while the records stay.
        """
        tags = {**labels, **self.tags}
        others = [self.model and self.model.name, *(asdict(each) for each in self.data)]
        plain = json.dumps([self.status, self.start_ms, self.end_ms, self.points, tags, dict(self.artifacts), others])
        return hashlib.sha256(plain.encode()).hexdigest()[:16]


def run_state(
    cell: TrackedCell, result: CellResult | None, attempts: Sequence[AttemptRecord], *, live: bool
) -> RunState | None:
    """Return how the run of a cell must look, or None when nothing was recorded of the cell."""
    if result is None:
        return _failed_state(attempts, live=live) if attempts else None
    provenance, summary = result.training.provenance, result.training.summary
    at_ms = round(provenance.recorded_at * 1000)
    is_complete = all(key in result.reports for key in cell.wanted)
    shown = {name: result.reports[key] for key, name in cell.wanted.items() if key in result.reports}
    values = cell_values(cell, result)
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    measured_on = {name: (each.name, each.digest) for each in cell.data for name in each.benchmarks}
    points = [
        Point(name, value, at_ms, 0, data=measured_on.get(name.partition("/")[0])) for name, value in finite.items()
    ]
    status: RunStatus = "FINISHED" if is_complete else "RUNNING" if live else "FAILED" if attempts else "KILLED"
    tags = _provenance_tags(result) | _failure_tags(attempts if not is_complete else ())
    tags |= {"result": "complete" if is_complete else "partial"}
    tags["not_finite"] = ", ".join(name for name in values if name not in finite)
    tags[MARKS_TAG] = marks_text([(cell, result)])
    fine = _fine_table(shown)
    return RunState(
        status=status,
        start_ms=round((provenance.recorded_at - summary.wall_s) * 1000),
        end_ms=None if status == "RUNNING" else at_ms + round(1000 * values[EVALUATION_S]),
        points=(*epoch_points(summary.epochs), *_machine_points(summary), *points),
        tags={name: _tag(value) for name, value in tags.items() if value},
        artifacts={RECORD: _record(result, cell.wanted)} | ({FINE_TABLE: fine} if fine else {}),
        single=frozenset(finite),
        model=_model(cell, result),
        data=cell.data,
    )


def _model(cell: TrackedCell, result: CellResult) -> TrackedModel | None:
    """Return the classifier that a cell's checkpoint contains; imported results have none."""
    summary, provenance = result.training.summary, result.training.provenance
    if cell.image is None or result.is_imported or not summary.checkpoint_uri:
        return None
    known = {name: cell.tags[name] for name in ("cell_key", "cell_id", "sweep", "row") if name in cell.tags}
    return TrackedModel(
        name=_NOT_IN_MODELS.sub("_", cell.name)[:_LONGEST_MODEL],
        train_key=cell.key,
        checkpoint_uri=summary.checkpoint_uri,
        sha256=summary.checkpoint_sha256,
        hashes=(summary.checkpoint_sha256, *sorted(summary.weights - {summary.checkpoint_sha256})),
        image=cell.image,
        num_classes=cell.num_classes,
        tags={**known, "checkpoint_sha256": summary.checkpoint_sha256, "checkpoint_uri": summary.checkpoint_uri},
        params=cell.params,
        torch=str(summary.environment.get("torch") or provenance.versions.get("torch", "")),
    )


def linked(points: Iterable[Point], single: frozenset[str], model_id: str) -> list[Point]:
    """Return points of which the results are also those of a logged model."""
    return [point._replace(model_id=model_id) if point.key in single else point for point in points]


def points_now(run: TrackedRun, points: Sequence[Point], single: frozenset[str]) -> list[Point]:
    """Return the points to write. Of two values with one step and time MLflow shows the larger: a result that replaces another
    (of other benchmark settings, or a rounded one) is therefore written with the time of now."""
    now = round(time.time() * 1000)
    replaced = {
        point.key for point in points if point.key in single and run.metrics.get(point.key, point.value) != point.value
    }
    return [point._replace(time_ms=now) if point.key in replaced else point for point in points]


def cell_values(cell: TrackedCell, result: CellResult) -> dict[str, float]:
    """Return the results and costs of a cell by the names of their metrics: what has one value, not a curve."""
    shown = [(name, result.reports[key]) for key, name in cell.wanted.items() if key in result.reports]
    values = {
        clean_name(f"{benchmark}/{name}"): metric.value
        for benchmark, report in shown
        if report.outcome is not None
        for name, metric in report.outcome.metrics.items()
    }
    for column, key in cell.columns:
        found = value_in(Column.of(column), result.reports.get(key))
        if found is not None and found.value is not None:
            values[clean_name(column)] = found.value
    summary = result.training.summary
    values |= {"cost/train_s": summary.wall_s, "cost/device_hours": summary.device_s / _SECONDS_PER_HOUR}
    values[EVALUATION_S] = sum(report.wall_s for _, report in shown)
    return values


def epoch_points(rows: Iterable[EpochRow]) -> tuple[Point, ...]:
    """Return the curves of training: the same points, live or replayed."""
    found = []
    for row in rows:
        values = {
            "train/loss": row.loss,
            "train/accuracy": row.accuracy,
            "train/lr": row.lr,
            "train/images_per_s": row.images_per_s,
            "train/memory_mib": row.memory_mib,
            "train/data_wait": row.data_wait_share,
            **_held_out(row),
            **_gpu_use(row),
        }
        at_ms = round(row.time * 1000)
        found += [Point(name, value, at_ms, row.epoch) for name, value in values.items() if math.isfinite(value)]
    return tuple(found)


def _machine_points(summary: TrainSummary) -> Iterator[Point]:
    """Yield what the machine of the first worker did, under the names and in the units of MLflow's own system metrics."""
    times = {row.epoch: round(row.time * 1000) for row in summary.epochs}
    for use in use_in(summary.environment):
        if use.epoch in times:
            at_ms = times[use.epoch]
            yield Point("system/cpu_utilization_percentage", 100 * use.cpu_busy, at_ms, use.epoch)
            yield Point("system/system_memory_usage_megabytes", use.memory_mib * _MEGABYTES_PER_MIB, at_ms, use.epoch)


def _held_out(row: EpochRow) -> dict[str, float]:
    """Return what a row says of images that were held out from training, where some were."""
    values = {"validation/loss": row.validation_loss, "validation/accuracy": row.validation_accuracy}
    return {name: value for name, value in values.items() if value is not None}


def _gpu_use(row: EpochRow) -> dict[str, float]:
    """Return what the GPUs did, where it is known, under the names and in the units of MLflow's own system metrics."""
    values = {
        f"{_GPU}_utilization_percentage": row.gpu_busy and 100 * row.gpu_busy,
        f"{_GPU}_memory_usage_megabytes": row.gpu_memory_mib and row.gpu_memory_mib * _MEGABYTES_PER_MIB,
        f"{_GPU}_power_usage_watts": row.gpu_power_w,
    }
    return {name: value for name, value in values.items() if value is not None}


def _failed_state(attempts: Sequence[AttemptRecord], *, live: bool) -> RunState:
    last = attempts[-1]
    stopped = last.error_class == "stopped"
    return RunState(
        status="RUNNING" if live else "KILLED" if stopped else "FAILED",
        start_ms=round(attempts[0].started_at * 1000),
        end_ms=None if live else round(last.ended_at * 1000),
        points=(),
        tags={name: _tag(value) for name, value in ({"result": "none"} | _failure_tags(attempts)).items()},
        artifacts={},
    )


def _failure_tags(attempts: Sequence[AttemptRecord]) -> dict[str, str]:
    if not attempts:
        return {}
    last = attempts[-1]
    return {"attempts": str(len(attempts)), "failure": last.error_class, "failure.message": last.message}


def _provenance_tags(result: CellResult) -> dict[str, str]:
    provenance, summary = result.training.provenance, result.training.summary
    tags = {
        "commit": provenance.commit + (" (dirty)" if provenance.dirty and provenance.commit else ""),
        "config_hash": provenance.config_hash,
        "data_identity": provenance.data_identity,
        "checkpoint_sha256": summary.checkpoint_sha256,
        "checkpoint_uri": summary.checkpoint_uri,
    }
    tags |= {f"version.{name}": str(value) for name, value in provenance.versions.items()}
    for prefix, found in (("driver", provenance.driver), ("environment", summary.environment)):
        shown = {name: value for name, value in found.items() if name != MACHINE_USE and not is_secret_name(name)}
        tags |= {f"{prefix}.{name}": _plain(value) for name, value in shown.items()}
    tags |= {"origin": ", ".join(sorted(origin_marks(summary.environment)))}
    tags |= {"assumed": "; ".join(origin_lines(summary.environment))}
    if summary.resumed_from_step is not None:
        tags["resumed_from_step"] = str(summary.resumed_from_step)
    return {clean_name(name): value for name, value in tags.items()}


def _fine_table(reports: Mapping[str, Any]) -> str:
    """Return the fine rows of all benchmarks as one table in the form that the UI pages through."""
    rows = [
        {"benchmark": name, **row} for name, report in reports.items() if report.outcome for row in report.outcome.rows
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    data = [[row.get(name) for name in columns] for row in rows]
    return json.dumps({"columns": columns, "data": without_secrets(data)}) if rows else ""


def marks_text(cells: Iterable[tuple[TrackedCell, CellResult]]) -> str:
    """Return the marks that the numbers of some cells bear in a table: "limited (clean, c-generated), imported (ood)".

    What was generated or is on own files is not among them: the names of metrics say it. "none" where no number bears a mark, so
    that a run of which that becomes true says so.
    """
    found: dict[str, dict[str, None]] = {}
    for cell, result in cells:
        for key, name in cell.wanted.items():
            outcome = result.reports[key].outcome if key in result.reports else None
            if outcome is not None:
                for mark in _marks(name, outcome) | origin_marks(result.training.summary.environment):
                    found.setdefault(mark, {})[name] = None
    named = (f"{mark} ({', '.join(found[mark])})" for mark in MARKS if mark in found)
    return ", ".join(named) or "none"


def _marks(benchmark: str, outcome: BenchmarkOutcome) -> set[str]:
    if "imported" in outcome.notes:
        return {"imported"} | ({"limited"} if outcome.notes.get(PARTIAL) else set())
    columns = (Column.of(f"{benchmark}/{metric}") for metric in outcome.metrics)
    return {mark for column in columns for mark in column_marks(outcome, column)} - {"generated"}


def _record(result: CellResult, wanted: Mapping[str, str]) -> str:
    """Return everything that is recorded of a cell as JSON; of a benchmark with several results what the sweep wants."""
    provenance, summary = result.training.provenance, result.training.summary
    record = {
        "train_key": result.train_key,
        "config": provenance.config,
        "config_hash": provenance.config_hash,
        "data_identity": provenance.data_identity,
        "versions": provenance.versions,
        "driver": provenance.driver,
        "environment": summary.environment,
        "checkpoint": {"sha256": summary.checkpoint_sha256, "uri": summary.checkpoint_uri},
        "benchmarks": {
            report.shown_benchmark: {
                "key": key,
                "semantics": report.semantics,
                "notes": report.outcome.notes if report.outcome else {},
            }
            for key, report in sorted(result.reports.items(), key=lambda pair: (pair[0] in wanted, pair[0]))
        },
    }
    return json.dumps(without_secrets(record), indent=1, sort_keys=True)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(without_secrets(value), default=str)


def _tag(value: str) -> str:
    return scrubbed(value)[:_LONGEST_TAG]

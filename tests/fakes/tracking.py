"""A tracking server that is in memory and can be switched off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from orchestration.cells.cell import PlannedCell
from orchestration.tracking.contract import (
    Point,
    RegisteredVersion,
    RunStatus,
    TrackedData,
    TrackedModel,
    TrackedRun,
    TrackingClient,
    TrackingError,
)


class FakeServer(TrackingClient):
    """A tracking server in memory.

    Attributes:
        is_away: Makes it refuse connections.
        before_call: Called before every call is answered.
        models: Id -> the run, the model and its checkpoint.
        knows_models: Whether it is of MLflow 3.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.experiment_tags: dict[str, dict[str, str]] = {}
        self.runs: dict[str, TrackedRun] = {}
        self.deleted: set[str] = set()
        self.points: dict[str, set[Point]] = {}
        self.artifacts: dict[tuple[str, str], str] = {}
        self.registered: dict[str, dict[str, str]] = {}
        self.models: dict[str, tuple[str, TrackedModel, bytes]] = {}
        self.data: dict[str, set[TrackedData]] = {}
        self.knows_models = True
        self.calls: list[tuple[str, ...]] = []
        self.is_away = False
        self.before_call: Callable[[], None] = lambda: None

    def experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        self._answer("experiment", name)
        return self.names.setdefault(name, str(len(self.names) + 1))

    def experiments(self) -> Sequence[str]:
        self._answer("experiments")
        return list(self.names.values())

    def tag_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        self._answer("tag_experiment", experiment_id)
        self.experiment_tags.setdefault(experiment_id, {}).update(tags)

    def find(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, deleted: bool = False
    ) -> Sequence[TrackedRun]:
        self._answer("find")
        found = [
            run
            for run in self.runs.values()
            if run.experiment_id in experiment_ids
            and (run.run_id in self.deleted) == deleted
            and tags.items() <= run.tags.items()
        ]
        return sorted(found, key=lambda run: (run.start_ms, run.run_id))

    def create(self, experiment_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> str:
        self._answer("create", name)
        run_id = f"run-{len(self.runs)}"
        self.runs[run_id] = TrackedRun(
            run_id=run_id, experiment_id=experiment_id, status="RUNNING", start_ms=start_ms, tags={"name": name, **tags}
        )
        return run_id

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        self._answer("log", run_id)
        run = self.runs[run_id]
        if run_id in self.deleted or any(run.params.get(name, value) != value for name, value in params.items()):
            raise TrackingError("refused", passing=False)
        self.points.setdefault(run_id, set()).update(points)
        ordered = sorted(self.points[run_id], key=lambda point: (point.step, point.time_ms, point.value))
        metrics = {point.key: point.value for point in ordered}  # as MLflow chooses the latest
        self.runs[run_id] = replace(
            run, params={**run.params, **params}, tags={**run.tags, **tags}, metrics={**run.metrics, **metrics}
        )

    def end(self, run_id: str, status: RunStatus, end_ms: int | None) -> None:
        self._answer("end", run_id, status)
        self.runs[run_id] = replace(self.runs[run_id], status=status)

    def delete(self, run_id: str) -> None:
        self._answer("delete", run_id)
        self.deleted.add(run_id)

    def restore(self, run_id: str) -> None:
        self._answer("restore", run_id)
        self.deleted.discard(run_id)

    def write_text(self, run_id: str, path: str, text: str) -> None:
        self._answer("write_text", run_id, path)
        self.artifacts[run_id, path] = text

    def log_model(self, experiment_id: str, run_id: str, model: TrackedModel, checkpoint: bytes) -> str:
        self._answer("log_model", run_id)
        if not self.knows_models:
            raise TrackingError("no such endpoint", passing=False)
        known = (name for name, (run, found, _) in self.models.items() if (run, found.sha256) == (run_id, model.sha256))
        model_id = next(known, f"m-{len(self.models)}")
        self.models[model_id] = (run_id, model, checkpoint)
        return model_id

    def log_data(self, run_id: str, data: Sequence[TrackedData]) -> None:
        self._answer("log_data", run_id)
        self.data.setdefault(run_id, set()).update(data)

    def register(
        self, name: str, model_id: str, run_id: str, tags: Mapping[str, str], description: str, aliases: Sequence[str]
    ) -> RegisteredVersion:
        self._answer("register", name)
        self.registered[name] = dict(tags)
        return RegisteredVersion(name=name, version="1", is_new=True)

    def of(self, cell: PlannedCell, sweep: str = "demo") -> TrackedRun:
        """The one active run of a cell."""
        (run,) = self.find([self.names[sweep]], {"cell_key": cell.train_key})
        return run

    def _answer(self, *call: str) -> None:
        self.before_call()
        if self.is_away:
            raise TrackingError("connection refused", passing=True)
        self.calls.append(call)

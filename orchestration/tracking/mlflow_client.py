"""MLflow behind the `TrackingClient` protocol; the only file that imports it, when a client is made."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from orchestration.tracking.addresses import ANSWER_S, databricks_profile, is_server, sqlite_file, with_driver
from orchestration.tracking.contract import Point, RunStatus, TrackedRun, TrackingError
from orchestration.tracking.models.calls import ModelCalls, metric_of
from orchestration.tracking.server.database import look, one_at_a_time
from orchestration.tracking.server.deadline import Bounded, Overdue
from orchestration.tracking.server.explain import explained, explained_endless
from orchestration.tracking.server.http_call import answer_s
from orchestration.tracking.server.repair import move_aside

QUIET: Final[Mapping[str, str]] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_TRUNCATE_LONG_VALUES": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWER_S),
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # a server may say a year
    "MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT": str(2 * ANSWER_S),
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}
"""Environment under which MLflow prints nothing, asks nobody outside and gives up soon; what a user set is kept."""
SWEEP_TAG: Final = "dreamgrid.kind"
_OF_THE_UI: Final = "mlflow."
_DATABASE_LOG: Final = "mlflow.store.db.utils"
_PAGE: Final = 1000
_MOST_PAGES: Final = 1000
"""A million runs; a server that repeats itself has more."""
_COLLISIONS: Final = 5
_MOST_PARAMS: Final = 100
_MOST_AT_ONCE: Final = 1000
"""What one call of MLflow takes: parameters, and values of all kinds."""
_START_ATTEMPTS: Final = 4
_CALL_ANSWERS: Final = 5
"""A call may take as long as so many answers: two tries, their connections, and the pause between them."""
_OVERDUE_CALLS: Final = 8
"""Calls without an end after which a process has enough threads that wait for nothing."""


class MlflowTracking(ModelCalls):
    """A tracking store behind a URI: sqlite:///file, postgresql://..., http(s)://server.

    Args:
        prefix: What the names of experiments begin with; a workspace of Databricks wants "/Users/me/".
        is_replaced: Whether another file was put in the place of one that this process had open.

    Raises:
        TrackingError: If the store cannot be opened.
    """

    def __init__(self, uri: str, *, prefix: str = "", is_replaced: bool = False) -> None:
        self._uri = uri
        self._prefix = prefix
        self._overdue = 0
        with _one_at_a_time(uri):
            self._mlflow, self._client = _start(uri, is_replaced=is_replaced)

    def experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        name = self._prefix + name
        with self._explained():
            found = self._client.get_experiment_by_name(name)
            if found is None:
                found = self._create_experiment(name, artifacts, tags)
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
            if found.tags.get(SWEEP_TAG) != "sweep":  # as a hosted server that drops tags at the creation has it
                self._client.set_experiment_tag(found.experiment_id, SWEEP_TAG, "sweep")
            return str(found.experiment_id)

    def _create_experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> Any:
        marks = {SWEEP_TAG: "sweep", **tags}
        try:
            self._client.create_experiment(name, artifact_location=artifacts, tags=marks)
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code == "INVALID_PARAMETER_VALUE" and artifacts is not None and is_server(self._uri):
                return self._create_experiment(name, None, tags)  # it stores artifacts where it wants
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._client.get_experiment_by_name(name)

    def experiments(self) -> Sequence[str]:
        with self._explained():
            found = self._client.search_experiments(filter_string=f"tags.`{SWEEP_TAG}` = 'sweep'")
            return [str(experiment.experiment_id) for experiment in found]

    def tag_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags; those of MLflow's own UI, which prepare views and descriptions, only where the server takes them."""
        for name, value in tags.items():
            try:
                with self._explained():
                    self._client.set_experiment_tag(experiment_id, name, value)
            except TrackingError as error:
                if error.passing or error.damage or not name.startswith(_OF_THE_UI):
                    raise

    def find(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, deleted: bool = False
    ) -> Sequence[TrackedRun]:
        view = 2 if deleted else 1  # ViewType.DELETED_ONLY, ACTIVE_ONLY
        wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        found: list[TrackedRun] = []
        token, seen = None, {None}
        with self._explained():
            while experiment_ids:
                page = self._client.search_runs(list(experiment_ids), wanted, view, _PAGE, page_token=token)
                found += [_tracked(run) for run in page]
                token = page.token
                if not token:
                    break
                if token in seen or len(seen) > _MOST_PAGES:
                    raise ValueError("its pages of runs have no end")
                seen.add(token)
        return sorted(found, key=lambda run: (run.start_ms, run.run_id))

    def create(self, experiment_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> str:
        with self._explained():
            run = self._client.create_run(experiment_id, start_time=start_ms, tags=dict(tags), run_name=name)
            return str(run.info.run_id)

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write points, parameters and tags of a run in one call where MLflow takes as much at once; tags are written last.

        Two writers that put the same parameter at the same moment collide in the database: the later one writes again, and
        then finds it there.
        """
        entities = self._mlflow.entities
        pairs = [entities.Param(name, value) for name, value in params.items()]
        labels = [entities.RunTag(name, value) for name, value in tags.items()]
        with self._explained():
            for attempts_left in reversed(range(_COLLISIONS)):
                metrics = [metric_of(entities, point) for point in points]
                try:
                    if len(pairs) > _MOST_PARAMS or len(metrics) + len(pairs) + len(labels) > _MOST_AT_ONCE:
                        # MLflow cuts it into batches, with the tags in the first one.
                        self._client.log_batch(run_id, metrics=metrics, params=pairs)
                        self._client.log_batch(run_id, tags=labels)
                    else:
                        self._client.log_batch(run_id, metrics=metrics, params=pairs, tags=labels)
                except self._mlflow.exceptions.MlflowException as error:
                    if not attempts_left or not _is_collision(error):
                        raise
                    points = self.without_known_links(run_id, points)
                else:
                    return

    def end(self, run_id: str, status: RunStatus, end_ms: int | None) -> None:
        with self._explained():
            if status == "RUNNING":
                self._client.update_run(run_id, status=status)
            else:
                self._client.set_terminated(run_id, status=status, end_time=end_ms)

    def delete(self, run_id: str) -> None:
        with self._explained():
            self._client.delete_run(run_id)

    def restore(self, run_id: str) -> None:
        with self._explained():
            self._client.restore_run(run_id)

    def write_text(self, run_id: str, path: str, text: str) -> None:
        with self._explained():
            self._client.log_text(run_id, text, path)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Overdue as error:
            self._overdue += 1
            raise explained_endless(error, self._uri, is_last=self._overdue >= _OVERDUE_CALLS) from error
        except Exception as error:
            raise explained(error, self._uri) from error


def _is_collision(error: Exception) -> bool:
    """Return whether a row was there already, in the words of PostgreSQL, SQLite and MySQL."""
    text = str(error)
    return any(words in text for words in ("UniqueViolation", "UNIQUE constraint failed", "Duplicate entry"))


def _start(uri: str, *, is_replaced: bool) -> tuple[Any, Any]:
    """Import MLflow quietly; return it and a client whose store answers. Several processes may find an empty store at once."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if databricks_profile(uri):  # MLflow writes artifacts as the default profile, whichever the address names
        os.environ["DATABRICKS_CONFIG_PROFILE"] = databricks_profile(uri)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")  # deprecations inside MLflow and its database layer are not ours to mend
            import mlflow.pyfunc  # takes seconds, warns, and reads the environment that was just set

            for name in ("mlflow", "alembic", "databricks"):  # importing MLflow sets levels of its own
                logging.getLogger(name).setLevel(logging.ERROR)
            logging.getLogger(_DATABASE_LOG).setLevel(logging.CRITICAL)  # what it prints with all its SQL is raised too
            address = with_driver(uri)
            if is_replaced:  # MLflow keeps connections by address, and those to the file that was here
                address += f"{'&' if '?' in address else '?'}timeout={ANSWER_S}"
            return mlflow, _answering(mlflow.MlflowClient, address)
    except Overdue as error:
        raise explained_endless(error, uri) from error
    except Exception as error:
        raise explained(error, uri) from error


def _answering(make: Callable[..., Any], uri: str) -> Any:
    """Make a client and ask it something; a database that another process is just filling with tables is asked again."""
    for attempt in range(_START_ATTEMPTS):
        try:
            client = make(tracking_uri=uri)
            if is_server(uri):
                client = Bounded(client, _CALL_ANSWERS * answer_s())
            client.search_experiments(max_results=1)
            return client
        except Exception:
            if attempt == _START_ATTEMPTS - 1 or is_server(uri):
                raise
            time.sleep(0.5 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Let one process at a time create the tables of an SQLite file; what a killed one left without an end makes room."""
    file = sqlite_file(uri)
    if file is None:
        yield
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(file):
            if look(file).kind == "half-created":
                move_aside(file)
            yield
    except OSError as error:
        raise TrackingError(
            f"an SQLite tracking store needs a folder that can be written ({error.strerror}): '{file.parent}'; "
            "name another with --tracking-uri",
            passing=False,
        ) from error


def _tracked(run: Any) -> TrackedRun:
    return TrackedRun(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        status=run.info.status,
        start_ms=run.info.start_time,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        metrics=dict(run.data.metrics),
    )

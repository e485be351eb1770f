"""What `MlflowTracking` calls MLflow for beyond runs: logged models, data sets, the registry of models."""

from __future__ import annotations

import json
import os
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from augment.heavy import numpy as np
from orchestration.settings import TRACKING_VARIABLE
from orchestration.tracking.contract import (
    Point,
    RegisteredVersion,
    TrackedData,
    TrackedModel,
    TrackingClient,
    TrackingError,
)
from orchestration.tracking.models.pointer import ARCHIVE, archive_of

LOADER: Final = "orchestration.tracking.models.loader"
"""The module that loads such a model, by the name that MLflow imports; part of every model that was ever logged."""
_CONTEXT_TAG: Final = "mlflow.data.context"
_DATA: Final = "data"
_PICKLE_MODULE: Final = "pickle_module_info.txt"
"""File in which `mlflow.pytorch` looks for the module that stands in for `pickle`."""
_EXAMPLE: Final = "input_example.json"
_WEIGHTS_TAG: Final = "weights"


class ModelCalls(TrackingClient):
    """Calls of MLflow 3 about models and data.

    Attributes:
        _mlflow: The module.
        _client: Its client.
    """

    _mlflow: Any
    _client: Any

    @abstractmethod
    def _explained(self) -> AbstractContextManager[None]:
        """Turn what MLflow raises into a `TrackingError`."""

    def log_model(self, experiment_id: str, run_id: str, model: TrackedModel, checkpoint: bytes) -> str:
        with self._explained():
            known = self._known_model(experiment_id, run_id, model)
            is_whole = known is not None and str(known.status) == "READY"
            if is_whole and (not checkpoint or known.tags.get(_WEIGHTS_TAG) == "logged"):
                return str(known.model_id)
            made = known or self._client.create_logged_model(
                experiment_id,
                name=model.name,
                source_run_id=run_id,
                tags=dict(model.tags),
                params=dict(model.params),
                model_type="classifier",
            )
            with tempfile.TemporaryDirectory() as folder:
                self._write_model(Path(folder), made.model_id, run_id, model, checkpoint)
                self._client.log_model_artifacts(made.model_id, folder)
            if checkpoint:
                self._client.set_logged_model_tags(made.model_id, {_WEIGHTS_TAG: "logged"})
            if not is_whole:
                self._client.finalize_logged_model(made.model_id, "READY")
                self._client.log_outputs(run_id, [self._mlflow.entities.LoggedModelOutput(made.model_id, 0)])
            return str(made.model_id)

    def without_known_links(self, run_id: str, points: Sequence[Point]) -> list[Point]:
        """Return points as results of the run alone where the model has one of that time: a run may have several, a model not.

        The first value of a result that was replaced meanwhile is such a one: the later one has a time of its own.
        """
        model_ids = {point.model_id for point in points} - {""}
        models = [self._client.get_logged_model(each) for each in sorted(model_ids)]
        known = {
            (model.model_id, one.key, one.timestamp, one.step)
            for model in models
            for one in model.metrics or ()
            if one.run_id == run_id
        }
        return [
            point._replace(model_id="") if (point.model_id, point.key, point.time_ms, point.step) in known else point
            for point in points
        ]

    def _known_model(self, experiment_id: str, run_id: str, model: TrackedModel) -> Any:
        wanted = {"checkpoint_sha256": model.sha256, "cell_key": model.train_key}
        text = " AND ".join(f"tags.{name} = '{value}'" for name, value in wanted.items())
        found = self._client.search_logged_models([experiment_id], text)
        return next((each for each in found if each.source_run_id == run_id), None)

    def _write_model(self, folder: Path, model_id: str, run_id: str, model: TrackedModel, checkpoint: bytes) -> None:
        """Write the files of an MLflow model with the flavours `python_function` and `pytorch`."""
        (folder / _DATA).mkdir()
        (folder / _DATA / ARCHIVE).write_bytes(archive_of(model, checkpoint))
        (folder / _DATA / _PICKLE_MODULE).write_text(LOADER, encoding="utf-8")
        # Black: the digits of an image of noise would be larger than the rest of the model.
        example = [_zeros(model.image)]
        (folder / _EXAMPLE).write_text(json.dumps(example, separators=(",", ":")), encoding="utf-8")
        needs = [f"{name}=={version}" if version else name for name, version in _requirements(model).items()]
        (folder / "requirements.txt").write_text("\n".join(needs) + "\n", encoding="utf-8")
        described = self._mlflow.models.Model(model_id=model_id, run_id=run_id, signature=self._signature(model))
        described.saved_input_example_info = {"artifact_path": _EXAMPLE, "format": "tf-serving", "type": "ndarray"}
        described.metadata = {"train_key": model.train_key, "checkpoint_sha256": model.sha256}
        self._mlflow.pyfunc.add_to_model(described, loader_module=LOADER, data=_DATA, model_config={"device": None})
        described.add_flavor("pytorch", model_data=_DATA, pytorch_version=_requirements(model)["torch"], code=None)
        described.save(str(folder / "MLmodel"))

    def _signature(self, model: TrackedModel) -> Any:
        types, number = self._mlflow.types, np.dtype("float32")

        def tensors(*shape: int) -> Any:
            return types.Schema([types.TensorSpec(number, (-1, *shape))])

        return self._mlflow.models.ModelSignature(inputs=tensors(*model.image), outputs=tensors(model.num_classes))

    def log_data(self, run_id: str, data: Sequence[TrackedData]) -> None:
        entities = self._mlflow.entities
        inputs = [
            entities.DatasetInput(
                dataset=entities.Dataset(
                    name=each.name,
                    digest=each.digest,
                    source_type="dreamgrid",
                    source=json.dumps({"source": each.source}),
                ),
                tags=[entities.InputTag(_CONTEXT_TAG, each.context)],
            )
            for each in data
        ]
        try:
            with self._explained():
                self._client.log_inputs(run_id, inputs)
        except TrackingError as error:
            # Servers of others may know no data; what else is refused, the next call meets too.
            if error.passing or error.damage:
                raise

    def register(
        self, name: str, model_id: str, run_id: str, tags: Mapping[str, str], description: str, aliases: Sequence[str]
    ) -> RegisteredVersion:
        with self._explained(), _tracking_at(str(self._client.tracking_uri)):
            self._create_name(name)
            found = self._client.search_model_versions(f"name = '{name}'")
            source = f"models:/{model_id}"
            # Servers forget the id of the model; some write the source otherwise.
            version = next((each for each in found if source == each.source or model_id == each.model_id), None)
            is_new = version is None
            if version is None:
                version = self._client.create_model_version(
                    name,
                    source,
                    run_id,
                    dict(tags),
                    description=description,
                    model_id=model_id,
                    await_creation_for=0,  # else it waits for minutes where a server never says that it is ready
                )
            else:
                for key, value in tags.items():
                    self._client.set_model_version_tag(name, version.version, key, value)
            for alias in aliases:
                self._client.set_registered_model_alias(name, alias, version.version)
            return RegisteredVersion(name=name, version=str(version.version), is_new=is_new)

    def _create_name(self, name: str) -> None:
        try:
            self._client.create_registered_model(name)
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


@contextmanager
def _tracking_at(uri: str) -> Iterator[None]:
    """Let MLflow look models up at an address: on a database it asks for that of the process, not of the client."""
    before = os.environ.get(TRACKING_VARIABLE)
    os.environ[TRACKING_VARIABLE] = uri
    try:
        yield
    finally:
        if before is None:
            del os.environ[TRACKING_VARIABLE]
        else:
            os.environ[TRACKING_VARIABLE] = before


def metric_of(entities: Any, point: Point) -> Any:
    """Return a point as MLflow takes it."""
    name, digest = point.data or (None, None)
    return entities.Metric(
        point.key,
        point.value,
        point.time_ms,
        point.step,
        model_id=point.model_id or None,
        dataset_name=name,
        dataset_digest=digest,
    )


def _zeros(shape: Sequence[int]) -> Any:
    """Return nested lists of zeros."""
    return [_zeros(shape[1:])] * shape[0] if shape else 0


def _requirements(model: TrackedModel) -> dict[str, str]:
    """Return the packages that load a model, with their versions where these are known."""
    return {"dreamgrid": _version("dreamgrid"), "torch": model.torch or _version("torch")}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""

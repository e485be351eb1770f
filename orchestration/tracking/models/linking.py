"""Which logged model a run has: made once for each checkpoint, found again by the run's tags."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from orchestration.tracking.content.state import RunState
from orchestration.tracking.contract import TrackedModel, TrackedRun, TrackingClient, TrackingError
from orchestration.tracking.models.pointer import fetched
from trainers.errors import CheckpointError

MODEL_TAG: Final = "model_id"
WEIGHTS_TAG: Final = "model_weights"
REFUSED_TAG: Final = "model_refused"
_LONGEST_REFUSAL: Final = 500
_CHECKPOINT_TAG: Final = "checkpoint_sha256"


class Models:
    """The logged models of an experiment.

    Args:
        alone: Lets one driver at a time create something.
        with_weights: Whether models contain their checkpoints.
    """

    def __init__(
        self,
        client: TrackingClient,
        alone: Callable[[], AbstractContextManager[None]],
        experiment_id: str,
        *,
        with_weights: bool,
    ) -> None:
        self._client = client
        self._alone = alone
        self._experiment_id = experiment_id
        self._with_weights = with_weights
        self._refusal = ""

    def is_shown(self, run: TrackedRun, state: RunState) -> bool:
        """Whether a run has its model as it is asked for."""
        return state.model is None or bool(self._refusal) or bool(self._known(run, state.model))

    def tags_of(self, run: TrackedRun, state: RunState) -> dict[str, str]:
        """Return the tags that name the run's model, made where there is none of these weights; none where nothing can be loaded.

        Raises:
            TrackingError: If the server does not answer, or a checkpoint that is to be stored there cannot be read.
        """
        model = state.model
        if model is None:
            return {}
        if self._refusal:
            return {REFUSED_TAG: self._refusal}
        known = self._known(run, model)
        if known:
            return {MODEL_TAG: known}
        checkpoint = self._checkpoint(model)
        try:
            with self._alone():
                made = self._client.log_model(self._experiment_id, run.run_id, model, checkpoint)
        except TrackingError as error:
            if error.passing or error.damage:
                raise
            # A server of MLflow 2 knows no logged models: everything else is shown, and the runs say why they have none.
            self._refusal = str(error)[:_LONGEST_REFUSAL]
            return {REFUSED_TAG: self._refusal}
        return {MODEL_TAG: made, WEIGHTS_TAG: "logged" if checkpoint else "fetched"}

    def _known(self, run: TrackedRun, model: TrackedModel) -> str:
        is_same = run.tags.get(_CHECKPOINT_TAG) == model.sha256
        has_weights = run.tags.get(WEIGHTS_TAG) == "logged"
        return run.tags.get(MODEL_TAG, "") if is_same and (has_weights or not self._with_weights) else ""

    def _checkpoint(self, model: TrackedModel) -> bytes:
        if not self._with_weights:
            return b""
        try:
            return fetched(model.checkpoint_uri)
        except CheckpointError as error:
            raise TrackingError(
                f"the weights of cell {model.train_key[:12]} cannot be logged: {error}", passing=False
            ) from error

"""Loads the classifier of an MLflow model, for MLflow: pixels in [0, 1] go in, logits come out. No pickle is read.

MLflow imports this module by its name, which stands in every model that was ever logged: it must not be renamed.
`mlflow.pyfunc.load_model` calls `_load_pyfunc`; `mlflow.pytorch.load_model` hands the module to `torch.load` in the place of
`pickle`, of which PyTorch uses `Unpickler`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import torch

from augment.heavy import NDArray
from augment.heavy import numpy as np
from orchestration.tracking.models.pointer import ARCHIVE, Pointer, fetched, pointer_in_archive, read_pointer
from trainers.errors import CheckpointError
from trainers.models.normalize import Classifier
from trainers.training.checkpoints import State, tensors_sha256, unpack
from trainers.training.networks import network_from

_SHOWN: Final = 12
"""Digits of a hash that a message shows."""


class Unpickler:
    """What PyTorch takes for the unpickler of an archive: reads a line of JSON, and the checkpoint that it names.

    Args:
        file: The record of the archive.
        options: What PyTorch gives an unpickler; none matters here.
    """

    def __init__(self, file: IO[bytes], **options: Any) -> None:
        self._file = file

    def load(self) -> Classifier:
        """Return the classifier on the CPU, in evaluation mode.

        Raises:
            CheckpointError: If its checkpoint is gone or has other weights.
        """
        return classifier_of(read_pointer(self._file.read()))


class PredictsLogits:
    """The model that `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, classifier: Classifier, device: torch.device) -> None:
        self._classifier = classifier.to(device).eval()
        self._device = device

    def get_raw_model(self) -> Classifier:
        """Return the network."""
        return self._classifier

    def predict(self, images: NDArray[np.float32], params: Mapping[str, Any] | None = None) -> NDArray[np.float32]:
        """Return logits, (N, K) float32, of images, (N, C, H, W) float32 with pixels in [0, 1]."""
        with torch.inference_mode():
            logits = self._classifier(torch.from_numpy(np.ascontiguousarray(images)).to(self._device))
        found: NDArray[np.float32] = logits.cpu().numpy()
        return found


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PredictsLogits:
    """Return what `mlflow.pyfunc.load_model` wraps; `model_config={"device": "cpu"}` names a device."""
    usual = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device((model_config or {}).get("device") or usual)
    return PredictsLogits(classifier_of(pointer_in_archive(str(Path(path) / ARCHIVE))), device)


def classifier_of(pointer: Pointer) -> Classifier:
    """Return the classifier that a pointer names on the CPU, in evaluation mode, if its weights are the recorded ones.

    Raises:
        CheckpointError: If its checkpoint is gone, damaged, or has other weights.
    """
    where = "the checkpoint in the model" if pointer.checkpoint else pointer.uri
    data = pointer.checkpoint or fetched(pointer.uri)
    state = unpack(data, where)
    found = _hashes(state, data)
    if not found & set(pointer.hashes):
        raise CheckpointError(
            f"{where} must have the weights with SHA-256 {pointer.hashes[0][:_SHOWN]}... that were evaluated, but has "
            f"{sorted(found)[0][:_SHOWN]}...: cell {pointer.train_key[:_SHOWN]} was trained again; load its newest model"
        )
    return network_from(state)


def _hashes(state: State, data: bytes) -> set[str]:
    tensors = state.get("model")
    is_named = isinstance(tensors, Mapping) and all(isinstance(value, torch.Tensor) for value in tensors.values())
    weights = {tensors_sha256(tensors)} if is_named else set()  # type: ignore[arg-type]
    return weights | {hashlib.sha256(data).hexdigest()}

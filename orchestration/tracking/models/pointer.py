"""The file that an MLflow model consists of: where its checkpoint is and which weights it must contain, or the checkpoint itself.

It is an archive in the layout of `torch.save`, so that `mlflow.pytorch.load_model` opens it, but what would be a pickle in there
is a line of JSON, followed by the bytes of the checkpoint where weights are logged. Light: no torch, no MLflow.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clusters.storage.contract import MissingObjectError, StorageError
from clusters.storage.open import open_storage
from orchestration.tracking.contract import TrackedModel
from trainers.errors import CheckpointError

FORMAT: Final = "dreamgrid classifier 1"
ARCHIVE: Final = "model.pth"
"""The file's name in the folder `data` of an MLflow model."""
_RECORD: Final = "model/data.pkl"
_VERSION: Final = "model/version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What an MLflow model says of its classifier.

    Attributes:
        hashes: SHA-256 of the weights; any of them, since earlier versions recorded that of the file.
        checkpoint: The bytes of the checkpoint, or b"" where they are fetched from `uri`.
    """

    train_key: str
    uri: str
    hashes: tuple[str, ...]
    checkpoint: bytes = b""


def archive_of(model: TrackedModel, checkpoint: bytes) -> bytes:
    """Return the bytes of the archive of a model.

    Args:
        checkpoint: Its checkpoint where weights are logged, else b"".
    """
    head = {
        "format": FORMAT,
        "train_key": model.train_key,
        "checkpoint_uri": model.checkpoint_uri,
        "sha256": list(model.hashes),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # PyTorch reads no compressed ones
        archive.writestr(_RECORD, json.dumps(head).encode() + b"\n" + checkpoint)
        archive.writestr(_VERSION, "3\n")
    return buffer.getvalue()


def pointer_in_archive(path: str) -> Pointer:
    """Return what the archive in a file says.

    Raises:
        CheckpointError: If it is not such an archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return read_pointer(archive.read(_RECORD))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} must be the archive of a classifier, but cannot be read: {error}") from error


def read_pointer(data: bytes) -> Pointer:
    """Return what the record of an archive says.

    Raises:
        CheckpointError: If it is not of this format.
    """
    line, _, checkpoint = data.partition(b"\n")
    try:
        head: Any = json.loads(line)
    except ValueError:
        head = None
    found = head if isinstance(head, Mapping) else {}
    texts, hashes = [found.get("train_key"), found.get("checkpoint_uri")], found.get("sha256")
    is_whole = isinstance(hashes, list) and all(isinstance(each, str) for each in (*texts, *hashes))
    if found.get("format") != FORMAT or not is_whole:
        raise CheckpointError(f"an MLflow model of ours must begin with a line of format {FORMAT!r}, but does not")
    return Pointer(
        train_key=str(texts[0]), uri=str(texts[1]), hashes=tuple(map(str, hashes or ())), checkpoint=checkpoint
    )


def fetched(uri: str) -> bytes:
    """Return the bytes of a checkpoint.

    Raises:
        CheckpointError: If it is gone or cannot be read.
    """
    folder, _, name = uri.rpartition("/")
    try:
        return open_storage(folder).read_bytes(name)
    except MissingObjectError as error:
        raise CheckpointError(
            f"the model's checkpoint must be at {uri}, but nothing is; models logged with --log-weights need none"
        ) from error
    except StorageError as error:
        raise CheckpointError(f"the model's checkpoint at {uri} cannot be read: {error}") from error

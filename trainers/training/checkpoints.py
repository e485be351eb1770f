"""Checkpoints: written whole or not at all, hashed, the last two kept until the final one is stored.

A file is what `torch.save` writes of tensors and plain values after a header (`trainers.training.checkpoint_files`). Files of a
cell:

    step-000000001200.ckpt    state after so many optimiser steps
    final.ckpt                state after the last epoch; results are recorded under the SHA-256 of its weights

The hash is that of the weights, not of the file, which has times in it: a training that comes out bit-identical once more is the
same network, and what is recorded of it still counts.

To object storage the way is long: there a checkpoint travels while training goes on, at most one at a time.
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import torch

from clusters.storage.contract import MissingObjectError, StorageError
from clusters.storage.open import join, open_storage
from trainers.errors import CheckpointError, NoSpace
from trainers.training.checkpoint_files import (
    FINAL,
    FORMAT,
    checked_payload,
    checkpoint_folder,
    packed,
    remove_checkpoints,
)

__all__ = ["FORMAT", "Checkpoints", "StoredCheckpoint", "pack", "tensors_sha256", "unpack"]

logger = logging.getLogger(__name__)

KEPT: Final = 2

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint that was read and found whole.

    Attributes:
        state: What was saved, on the CPU.
        uri: Where it is stored.
        is_final: Whether training is complete.
        sha256: Hash of the weights of a final one, "" for those on the way.
        file_sha256: Hash of the file of a final one whose environment does not name the hash of its weights: an earlier version
            recorded results under it; else "".
        etag: What the storage says of the file of a final one; changes whenever the file is written.
    """

    state: State
    uri: str
    is_final: bool
    sha256: str = ""
    file_sha256: str = ""
    etag: str = ""


def pack(state: State) -> bytes:
    """Return the bytes of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return packed(buffer.getbuffer())


def unpack(data: bytes, where: str) -> State:
    """Return the state in a checkpoint file; only tensors and plain values are read.

    Raises:
        CheckpointError: If the file is truncated, changed or of another format; names it.
    """
    payload = checked_payload(data, where)
    try:
        state: State = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise CheckpointError(f"{where} holds more than tensors and plain values: {error}; delete it") from error
    return state


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 over names, shapes, dtypes and bytes of a state dict: equal for bit-identical networks.

    Args:
        tensors: Weights and running statistics by name, on any device.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


class Checkpoints:
    """The checkpoints of one train key and era, on a local folder or under s3://."""

    def __init__(self, folder: str, train_key: str, *, era: int = 0) -> None:
        """Describe where they are stored.

        Args:
            folder: URI of the folder of all checkpoints.
            train_key: Identity of the weights.
            era: How often the cell was invalidated; checkpoints of other eras do not exist for this one.
        """
        self._folder, self._train_key, self._era = folder, train_key, era
        self._uri = checkpoint_folder(folder, train_key, era)
        self._storage = open_storage(self._uri)
        self._sender: ThreadPoolExecutor | None = None
        self._sending: Future[None] | None = None

    def save(self, state: State, step: int) -> None:
        """Write the state after so many optimiser steps and drop all but the last two.

        Inside `sending` to object storage, the state is packed at once and travels later.

        Raises:
            NoSpace: If the storage is full, now or at the checkpoint before.
        """
        name, data = f"step-{step:012d}.ckpt", pack(self._named(state))
        if self._sender is None:
            self._put(name, data)
            return
        self._settle()
        self._sending = self._sender.submit(self._put, name, data)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Let checkpoints travel to object storage while the body goes on; at its end all have arrived.

        Raises:
            NoSpace: If the storage is full.
        """
        if not self._uri.startswith("s3://"):
            yield
            return
        with ThreadPoolExecutor(1, thread_name_prefix="checkpoint") as self._sender:
            try:
                yield
            finally:
                self._sender = None
                self._settle()

    def _settle(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.result()

    def _put(self, name: str, data: bytes) -> None:
        self._write(name, data)
        for superseded in self._steps()[:-KEPT]:
            self._storage.delete(superseded)

    def save_final(self, state: State) -> StoredCheckpoint:
        """Write the final checkpoint and drop those of the way there, and what is left of ended eras.

        Raises:
            NoSpace: If the storage is full.
        """
        data = pack(self._named(state))
        self._write(FINAL, data)
        for name in self._steps():
            self._storage.delete(name)
        if self._era:
            with suppress(StorageError):  # what cannot be deleted does not count either
                remove_checkpoints(self._folder, self._train_key, kept_era=self._era)
        return self._final(state, data)

    def newest(self, on_broken: Callable[[str], None] = logger.warning) -> StoredCheckpoint | None:
        """Return the final checkpoint, else the newest whole one, else None; broken ones are told and passed over.

        Raises:
            CheckpointError: If a checkpoint belongs to another cell.
        """
        for name in [FINAL, *reversed(self._steps())]:
            try:
                return self._read(name)
            except MissingObjectError:
                continue
            except _Foreign as error:
                raise CheckpointError(str(error)) from None
            except CheckpointError as error:
                on_broken(str(error))
        return None

    def final(self) -> StoredCheckpoint:
        """Return the final checkpoint.

        Raises:
            CheckpointError: If it does not stand, is broken, or belongs to another cell.
        """
        try:
            return self._read(FINAL)
        except MissingObjectError as error:
            raise CheckpointError(
                f"the final checkpoint of {self._train_key[:12]} must lie at {join(self._uri, FINAL)}, but nothing does; "
                "train that cell first"
            ) from error

    def _read(self, name: str) -> StoredCheckpoint:
        data = self._storage.read_bytes(name)
        uri = join(self._uri, name)
        state = unpack(data, uri)
        if state.get("train_key") != self._train_key:
            raise _Foreign(
                f"{uri} must belong to cell {self._train_key[:12]}, but was written by "
                f"{str(state.get('train_key'))[:12]}; move it away"
            )
        return self._final(state, data) if name == FINAL else StoredCheckpoint(state=state, uri=uri, is_final=False)

    def _final(self, state: State, data: bytes) -> StoredCheckpoint:
        found = self._storage.stat(FINAL)
        names_weights = "weights_sha256" in state.get("environment", {})
        return StoredCheckpoint(
            state=state,
            uri=join(self._uri, FINAL),
            is_final=True,
            sha256=tensors_sha256(state["model"]),
            file_sha256="" if names_weights else hashlib.sha256(data).hexdigest(),
            etag=found.etag if found else "",
        )

    def _write(self, name: str, data: bytes) -> None:
        try:
            self._storage.write_bytes(name, data)
        except StorageError as error:
            if error.reason == "no-space":
                raise NoSpace(f"a checkpoint of {len(data) / 2**20:.0f} MiB needs room: {error}") from error
            raise

    def _named(self, state: State) -> State:
        return {**state, "train_key": self._train_key}

    def _steps(self) -> list[str]:
        names = self._storage.names()
        return sorted(name for name in names if name.startswith("step-") and name.endswith(".ckpt"))


class _Foreign(CheckpointError):
    """A checkpoint of another cell."""

"""Checkpoints: written whole or not at all, hashed, the last two kept until the final one stands.

A file is a line that names the format, a line with the SHA-256 of the rest, and what `torch.save` writes of tensors and plain
values. Files of a cell lie below `<folder>/<train_key>/`:

    step-000000001200.ckpt    state after so many optimiser steps
    final.ckpt                state after the last epoch; its own SHA-256 is the identity that results are recorded under

To object storage the way is long: there a checkpoint travels while training goes on, at most one at a time.
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch

from clusters.storage import MissingObjectError, StorageError, join, open_storage
from trainers.errors import CheckpointError, NoSpace

logger = logging.getLogger(__name__)

FORMAT: Final = b"dreamgrid checkpoint 1\n"
FINAL: Final = "final.ckpt"
KEPT: Final = 2

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint that was read and found whole.

    Attributes:
        state: What was saved, on the CPU.
        uri: Where it lies.
        sha256: Hash of the file.
        is_final: Whether training is complete.
    """

    state: State
    uri: str
    sha256: str
    is_final: bool


def pack(state: State) -> bytes:
    """Return the bytes of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    payload = buffer.getbuffer()
    return b"".join([FORMAT, hashlib.sha256(payload).hexdigest().encode(), b"\n", payload])


def unpack(data: bytes, where: str) -> State:
    """Return the state in a checkpoint file; only tensors and plain values are read.

    Raises:
        CheckpointError: If the file is truncated, changed or of another format; names it.
    """
    header = len(FORMAT) + 65
    if not data.startswith(FORMAT):
        raise CheckpointError(f"{where} must begin with {FORMAT!r}, but begins with {data[: len(FORMAT)]!r}; delete it")
    stated, payload = data[len(FORMAT) : header - 1].decode("ascii", "replace"), memoryview(data)[header:]
    found = hashlib.sha256(payload).hexdigest()
    if stated != found:
        raise CheckpointError(
            f"{where} must have the SHA-256 {stated[:12]}... that it was written with, but has {found[:12]}...: "
            "it is truncated or changed; delete it, and training goes on from the one before"
        )
    try:
        state: State = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise CheckpointError(f"{where} holds more than tensors and plain values: {error}; delete it") from error
    return state


class Checkpoints:
    """The checkpoints of one train key, on a local folder or under s3://."""

    def __init__(self, folder: str, train_key: str) -> None:
        """Describe where they lie.

        Args:
            folder: URI of the folder of all checkpoints.
            train_key: Identity of the weights.
        """
        self._train_key = train_key
        self._uri = join(folder, train_key)
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
        """Write the final checkpoint and drop those of the way there.

        Raises:
            NoSpace: If the storage is full.
        """
        data = pack(self._named(state))
        self._write(FINAL, data)
        for name in self._steps():
            self._storage.delete(name)
        return StoredCheckpoint(
            state=state, uri=join(self._uri, FINAL), sha256=hashlib.sha256(data).hexdigest(), is_final=True
        )

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
        return StoredCheckpoint(state=state, uri=uri, sha256=hashlib.sha256(data).hexdigest(), is_final=name == FINAL)

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

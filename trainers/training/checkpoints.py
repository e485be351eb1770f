"""Checkpoints: written whole or not at all, hashed, the last two kept until the final one is stored. Light to import.

A file is a line that names the format, a line with the SHA-256 of the rest, and what `torch.save` writes of tensors and plain
values. Files of a cell are stored in `<checkpoints>/<train_key>/`:

    step-000000001200.ckpt    state after so many optimiser steps
    final.ckpt                state after the last epoch; results are recorded under the SHA-256 of its weights

After the first invalidation of the cell they are stored in `<checkpoints>/<train_key>/era-1/`, and so on: an invalidation ends an
era, and nothing that was written before counts again, whether it could be deleted or not.

The hash is that of the weights, not of the file, which has times in it: a training that comes out bit-identical once more is the
same network, and what is recorded of it still counts.

Object storage is slow: there a checkpoint is sent while training goes on, at most one at a time.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from augment.files.pickles import UnsafeFile, check_tensors
from augment.heavy import torch
from augment.lookup.parameters import reason_of
from clusters.storage.contract import MissingObjectError, StorageError
from clusters.storage.open import join, open_storage
from trainers.errors import CheckpointError, NoSpace

logger = logging.getLogger(__name__)
FORMAT: Final = b"dreamgrid checkpoint 1\n"
FINAL: Final = "final.ckpt"
KEPT: Final = 2
_DIGEST_LINE: Final = 65

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint that was read and found whole.

    Attributes:
        sha256: Hash of the weights of a final one, "" for those on the way.
        file_sha256: Hash of the file of a final one whose environment does not name the hash of its weights: an earlier version
            recorded results under it; else "".
        etag: The storage's etag of the file of a final one; changes whenever the file is written.
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
    # A view: `getvalue` would copy the whole checkpoint once more.
    payload = buffer.getbuffer()
    return b"".join([FORMAT, hashlib.sha256(payload).hexdigest().encode(), b"\n", payload])


def unpack(data: bytes, where: str) -> State:
    """Return the state in a checkpoint file; only tensors and plain values are read.

    Raises:
        CheckpointError: If the file is truncated, changed or of another format; names it.
    """
    payload = io.BytesIO(_payload(data, where))
    try:
        check_tensors(payload)
        state: State = torch.load(payload, map_location="cpu", weights_only=True)
    except UnsafeFile as error:
        raise CheckpointError(f"{where} {error}") from error
    except Exception as error:  # of bytes that `pack` did not write PyTorch raises nearly anything
        raise CheckpointError(
            f"{where} contains more than tensors and plain values: {reason_of(error)}; delete it"
        ) from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{where} must contain values by name, but contains a {type(state).__name__}; delete it")
    return state


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 over names, shapes, dtypes and bytes of a state dict: equal for bit-identical networks.

    Args:
        tensors: Weights and running statistics by name, on any device.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        # In the order of the indices: weights that are channels last in memory are the same weights.
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        # As bytes, since NumPy has no bfloat16.
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def remove_checkpoints(folder: str, train_key: str, *, kept_era: int | None = None) -> int:
    """Delete the checkpoint files of a cell, except those of one era (at least 1); return the bytes of the deleted ones."""
    storage = open_storage(join(folder, train_key))
    kept = None if kept_era is None else f"{_era_name(kept_era)}/"
    files = [file for file in storage.list() if kept is None or not file.path.startswith(kept)]
    for file in files:
        storage.delete(file.path)
    return sum(file.size for file in files)


def move_into_era(folder: str, train_key: str, era: int, *, recorded: str) -> bool:
    """Move a final checkpoint of an earlier version, which knew no eras, to where those of this era are stored.

    Only the file itself that is recorded in this era is moved: an invalidated one has another hash, since it has times in it.

    Args:
        folder: URI of the folder of all checkpoints.
        recorded: The hash that the cell's training is recorded under; earlier versions recorded that of the file.

    Returns:
        Whether a file was moved.
    """
    storage = open_storage(_folder_of(folder, train_key, era))
    data = _without_era(folder, train_key, recorded) if era and not storage.exists(FINAL) else None
    if data is None:
        return False
    # Before the old one goes: a crash in between leaves two, not none.
    storage.write_bytes(FINAL, data)
    open_storage(join(folder, train_key)).delete(FINAL)
    return True


def fault_of_final(folder: str, train_key: str, era: int, *, etag: str = "", recorded: str = "") -> str | None:
    """Return why the final checkpoint of a cell cannot be used, or None where it can.

    A file that has the etag that it was written with is taken as whole without reading it (the worker that loads it verifies its
    bytes in any case). Another one is read, except on an object store, which answers for the bytes of its objects itself.

    Args:
        folder: URI of the folder of all checkpoints.
        etag: Etag of the file when it was written; "" where that is not known.
        recorded: The hash that the cell's training is recorded under, by which a file of an earlier version is known.
    """
    storage = open_storage(_folder_of(folder, train_key, era))
    where = join(storage.uri, FINAL)
    found = storage.stat(FINAL)
    if found is None:
        is_of_earlier_version = bool(era) and _without_era(folder, train_key, recorded) is not None
        return None if is_of_earlier_version else f"its final checkpoint {where} is gone"
    if found.etag == etag:
        return None
    try:
        if storage.is_remote:
            is_ours = storage.read_range(FINAL, 0, len(FORMAT)) == FORMAT
            return None if is_ours else f"its final checkpoint {where} is not a checkpoint"
        _payload(storage.read_bytes(FINAL), where)
    except MissingObjectError:
        return f"its final checkpoint {where} is gone"
    except CheckpointError:
        return f"its final checkpoint {where} is truncated or changed"
    return None


class Checkpoints:
    """The checkpoints of one train key and era, on a local folder or under s3://."""

    def __init__(self, folder: str, train_key: str, *, era: int = 0) -> None:
        """Describe those in a folder of all checkpoints (a URI); those of other eras do not exist for this one."""
        self._folder, self._train_key, self._era = folder, train_key, era
        self._uri = _folder_of(folder, train_key, era)
        self._storage = open_storage(self._uri)
        self._sender: ThreadPoolExecutor | None = None
        self._sending: Future[None] | None = None

    def save(self, state: State, step: int) -> None:
        """Write the state after so many optimiser steps and drop all but the last two.

        Inside `sending` to object storage, the state is packed at once and sent later.

        Raises:
            NoSpace: If the storage is full, now or at the checkpoint before.
        """
        # Packed at once: the next step changes the tensors.
        name, data = f"step-{step:012d}.ckpt", pack(self._named(state))
        if self._sender is None:
            self._put(name, data)
            return
        # One at a time; what went wrong with the one before is raised here and not lost in its thread.
        self._wait_for_sent()
        self._sending = self._sender.submit(self._put, name, data)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send checkpoints to object storage while the body goes on; at its end all have arrived.

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
                self._wait_for_sent()

    def _wait_for_sent(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.result()

    def _put(self, name: str, data: bytes) -> None:
        self._write(name, data)
        # After the new one is stored, so that two whole ones are there at any time.
        for superseded in self._steps()[:-KEPT]:
            self._storage.delete(superseded)

    def save_final(self, state: State) -> StoredCheckpoint:
        """Write the final checkpoint and drop those of the way there, and what is left of ended eras.

        Raises:
            NoSpace: If the storage is full.
        """
        data = pack(self._named(state))
        self._write(FINAL, data)
        # Only now: until the final one is stored, a crash goes on from these.
        for name in self._steps():
            self._storage.delete(name)
        if self._era:
            with suppress(StorageError):  # what cannot be deleted does not count either
                remove_checkpoints(self._folder, self._train_key, kept_era=self._era)
        return self._final(state, data)

    def newest(self, on_broken: Callable[[str], None] = logger.warning) -> StoredCheckpoint | None:
        """Return the final checkpoint, else the newest whole one, else None; broken ones are reported and skipped.

        Raises:
            CheckpointError: If a checkpoint belongs to another cell.
        """
        for name in [FINAL, *reversed(self._steps())]:
            try:
                return self._read(name)
            except MissingObjectError:
                continue
            except _OfAnotherCell as error:
                raise CheckpointError(str(error)) from None
            except CheckpointError as error:
                on_broken(str(error))
        return None

    def final(self) -> StoredCheckpoint:
        """Return the final checkpoint.

        Raises:
            CheckpointError: If it is missing, broken, or belongs to another cell.
        """
        try:
            return self._read(FINAL)
        except MissingObjectError as error:
            raise CheckpointError(
                f"the final checkpoint of {self._train_key[:12]} must be at {join(self._uri, FINAL)}, but nothing is; "
                "train that cell first"
            ) from error

    def _read(self, name: str) -> StoredCheckpoint:
        data = self._storage.read_bytes(name)
        uri = join(self._uri, name)
        state = unpack(data, uri)
        if state.get("train_key") != self._train_key:
            raise _OfAnotherCell(
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
                raise NoSpace(f"a checkpoint of {len(data) / 2**20:.0f} MiB needs disk space: {error}") from error
            raise

    def _named(self, state: State) -> State:
        return {**state, "train_key": self._train_key}

    def _steps(self) -> list[str]:
        names = self._storage.names()
        return sorted(name for name in names if name.startswith("step-") and name.endswith(".ckpt"))


class _OfAnotherCell(CheckpointError):
    """A checkpoint of another cell."""


def _payload(data: bytes, where: str) -> memoryview:
    """Return the part of a checkpoint file after its header."""
    header = len(FORMAT) + _DIGEST_LINE
    if not data.startswith(FORMAT):
        raise CheckpointError(f"{where} must begin with {FORMAT!r}, but begins with {data[: len(FORMAT)]!r}; delete it")
    stated, payload = data[len(FORMAT) : header - 1].decode("ascii", "replace"), memoryview(data)[header:]
    found = hashlib.sha256(payload).hexdigest()
    if stated != found:
        raise CheckpointError(
            f"{where} must have the SHA-256 {stated[:12]}... that it was written with, but has {found[:12]}...: "
            "it is truncated or changed; delete it, and training continues from the previous one"
        )
    return payload


def _folder_of(folder: str, train_key: str, era: int) -> str:
    return join(folder, train_key, _era_name(era)) if era else join(folder, train_key)


def _era_name(era: int) -> str:
    return f"era-{era}"


def _without_era(folder: str, train_key: str, recorded: str) -> bytes | None:
    try:
        data = open_storage(join(folder, train_key)).read_bytes(FINAL)
    except MissingObjectError:
        return None
    return data if hashlib.sha256(data).hexdigest() == recorded else None

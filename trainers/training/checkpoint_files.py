"""Checkpoint files from outside: where those of a cell are stored, and whether one is whole. Light: no torch.

A file is a line that names the format, a line with the SHA-256 of the rest, and the rest. Files of a cell are stored in
`<checkpoints>/<train_key>/`, after its first invalidation in `<checkpoints>/<train_key>/era-1/`, and so on: an invalidation
ends an era, and nothing that was written before counts again, whether it could be deleted or not.
"""

from __future__ import annotations

import hashlib
from typing import Final

from clusters.storage.contract import MissingObjectError, Storage
from clusters.storage.open import join, open_storage
from trainers.errors import CheckpointError

FORMAT: Final = b"dreamgrid checkpoint 1\n"
FINAL: Final = "final.ckpt"
_DIGEST_LINE: Final = 65


def checkpoint_folder(folder: str, train_key: str, era: int = 0) -> str:
    """Return the URI of the folder of a cell's checkpoints.

    Args:
        folder: URI of the folder of all checkpoints.
        train_key: The cell.
        era: How often the cell was invalidated.
    """
    return join(folder, train_key, _era_name(era)) if era else join(folder, train_key)


def remove_checkpoints(folder: str, train_key: str, *, kept_era: int | None = None) -> int:
    """Delete the checkpoint files of a cell, except those of one era; return the bytes of the deleted ones.

    Args:
        folder: URI of the folder of all checkpoints.
        train_key: The cell.
        kept_era: Era whose files stay, at least 1; None for none.
    """
    storage = open_storage(join(folder, train_key))
    kept = f"{_era_name(kept_era)}/" if kept_era is not None else None
    files = [file for file in storage.list() if kept is None or not file.path.startswith(kept)]
    for file in files:
        storage.delete(file.path)
    return sum(file.size for file in files)


def checked_payload(data: bytes, where: str) -> memoryview:
    """Return what a checkpoint file holds after its header.

    Raises:
        CheckpointError: If the file is truncated, changed or of another format; names it.
    """
    header = len(FORMAT) + _DIGEST_LINE
    if not data.startswith(FORMAT):
        raise CheckpointError(f"{where} must begin with {FORMAT!r}, but begins with {data[: len(FORMAT)]!r}; delete it")
    stated, payload = data[len(FORMAT) : header - 1].decode("ascii", "replace"), memoryview(data)[header:]
    found = hashlib.sha256(payload).hexdigest()
    if stated != found:
        raise CheckpointError(
            f"{where} must have the SHA-256 {stated[:12]}... that it was written with, but has {found[:12]}...: "
            "it is truncated or changed; delete it, and training goes on from the one before"
        )
    return payload


def packed(payload: memoryview) -> bytes:
    """Return the bytes of a checkpoint file."""
    return b"".join([FORMAT, hashlib.sha256(payload).hexdigest().encode(), b"\n", payload])


def move_into_era(folder: str, train_key: str, era: int, *, recorded: str) -> bool:
    """Move a final checkpoint of an earlier version, which knew no eras, to where those of this era are stored.

    Only the file itself that is recorded in this era is moved: an invalidated one has another hash, since it has times in it.

    Args:
        folder: URI of the folder of all checkpoints.
        train_key: The cell.
        era: How often the cell was invalidated.
        recorded: The hash that the cell's training is recorded under; earlier versions recorded that of the file.

    Returns:
        Whether a file was moved.
    """
    storage = open_storage(checkpoint_folder(folder, train_key, era))
    data = _without_era(folder, train_key, recorded) if era and not storage.exists(FINAL) else None
    if data is None:
        return False
    storage.write_bytes(FINAL, data)
    open_storage(join(folder, train_key)).delete(FINAL)
    return True


def _without_era(folder: str, train_key: str, recorded: str) -> bytes | None:
    try:
        data = open_storage(join(folder, train_key)).read_bytes(FINAL)
    except MissingObjectError:
        return None
    return data if hashlib.sha256(data).hexdigest() == recorded else None


def fault_of_final(folder: str, train_key: str, era: int, *, etag: str = "", recorded: str = "") -> str | None:
    """Return why the final checkpoint of a cell cannot be used, or None where it can.

    A file that has the etag that it was written with is taken as whole without reading it (the worker that loads it verifies its
    bytes in any case). Another one is read, except on an object store, which answers for the bytes of its objects itself.

    Args:
        folder: URI of the folder of all checkpoints.
        train_key: The cell.
        era: How often it was invalidated.
        etag: What the storage said of the file when it was written; "" where that is not known.
        recorded: The hash that the cell's training is recorded under, by which a file of an earlier version is known.
    """
    storage = open_storage(checkpoint_folder(folder, train_key, era))
    where = join(storage.uri, FINAL)
    found = storage.stat(FINAL)
    if found is None:
        is_of_earlier_version = bool(era) and _without_era(folder, train_key, recorded) is not None
        return None if is_of_earlier_version else f"its final checkpoint {where} is gone"
    if found.etag == etag:
        return None
    try:
        if storage.is_remote:
            return None if _begins_well(storage) else f"its final checkpoint {where} is not a checkpoint"
        checked_payload(storage.read_bytes(FINAL), where)
    except MissingObjectError:
        return f"its final checkpoint {where} is gone"
    except CheckpointError:
        return f"its final checkpoint {where} is truncated or changed"
    return None


def _begins_well(storage: Storage) -> bool:
    return storage.read_range(FINAL, 0, len(FORMAT)) == FORMAT


def _era_name(era: int) -> str:
    return f"era-{era}"

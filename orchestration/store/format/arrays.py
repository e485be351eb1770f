"""The arrays of a report as one .npz file without objects."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping

from augment.heavy import numpy as np
from clusters.storage.contract import Storage
from orchestration.store.contract import StoreError
from orchestration.store.format.documents import corrupt
from orchestration.store.format.records import ArraysFile


def pack_arrays(arrays: Mapping[str, np.typing.NDArray[np.generic]]) -> bytes:
    """Return arrays as the bytes of a compressed .npz file; the same arrays give the same bytes."""
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.hasobject:
            raise StoreError(
                f"recorded arrays must contain numbers, but '{name}' has dtype {array.dtype}; convert it first"
            )
    stream = io.BytesIO()
    np.savez_compressed(stream, **plain)  # type: ignore[arg-type]
    return stream.getvalue()


def load_arrays(storage: Storage, folder: str, arrays: ArraysFile) -> Mapping[str, np.typing.NDArray[np.generic]]:
    """Read the arrays of a report."""
    where = f"{storage.uri}/{folder}/{arrays.file}"
    data = storage.read_bytes(f"{folder}/{arrays.file}")
    if hashlib.sha256(data).hexdigest() != arrays.sha256:
        raise corrupt(where, "arrays must have the recorded SHA-256, but these are truncated or altered")
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return {name: found[name] for name in arrays.names}

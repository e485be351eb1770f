"""Generated sets kept on disk: content-addressed uint8 arrays, written once, then memory-mapped.

A set is stored as `<cache_dir>/generated/<key>.npy` next to `<key>.json`, its record (label, parameters, digests, versions).
The key hashes what decides the bytes. The array appears under its name only when it is whole; one process makes it while the
others wait for the file lock. An array or a record that is not what was written is never used: the set is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import PIL
from filelock import FileLock
from numpy.typing import NDArray

from augment.files.kept import DamagedFileError, UnsealedRecordError, keep, kept_facts
from augment.files.whole import is_full, no_room, reserved_array, whole_file
from augment.heavy import numba, scipy
from eval.errors import EvalError, NoSpace

logger = logging.getLogger(__name__)
LABEL: Final = "generated"
VALUES_AT_ONCE: Final = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class SetKey:
    """What decides the bytes of a generated set.

    Attributes:
        family: Key of `FAMILIES`, or another generator's name.
        kind: What was done to the images.
        severity: How strongly.
        semantics: Version of the generator.
        fingerprint: Content identity of the dataset.
        seed: Seed of the generated set.
        shape: Shape of the set, images first.
        substitute: Identity of images that the generator uses, such as frost; empty without.
    """

    family: str
    kind: str
    severity: int
    semantics: int
    fingerprint: str
    seed: int
    shape: tuple[int, ...]
    substitute: str = ""

    @property
    def name(self) -> str:
        """The file's stem: readable parts and a hash of all of them."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return f"{self.family}-{self.kind}-{self.severity}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def cached_array(
    key: SetKey,
    make: Callable[[slice], NDArray[np.uint8]],
    cache_dir: Path,
    *,
    notes: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> NDArray[np.uint8]:
    """Return the array of a key as a read-only memory map, verified; `make` fills rows where it is absent or damaged.

    Raises:
        NoSpace: If the disk has no room for it; no part of it is left.
        EvalError: If the array must be made and cannot be written.
    """
    path = set_path(key, cache_dir)
    ready = _open(path, key)
    if ready is not None:
        return ready
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            ready = _open(path, key)  # another process may have made it while this one waited
            if ready is None:
                _write(path, key, make, notes or {}, threads)
                ready = _open(path, key)
    except OSError as error:
        if is_full(error):
            text = no_room(f"generated set '{key.name}'", path.parent, math.prod(key.shape))
            raise NoSpace(text) from error
        raise EvalError(
            f"the generated set '{key.name}' must be written to '{cache_dir}', but that failed: {error}; free some space there, "
            "or name another cache folder (DREAMGRID_CACHE)"
        ) from error
    assert ready is not None
    return ready


def set_path(key: SetKey, cache_dir: Path) -> Path:
    """Return the file of the array of a key."""
    return Path(cache_dir) / LABEL / f"{key.name}.npy"


def read_record(key: SetKey, cache_dir: Path) -> Mapping[str, Any]:
    """Return the record of a cached set: label, key, digest of the pixels (SHA-256), versions, notes.

    Raises:
        EvalError: If the set is not in the cache, or the set or its record is damaged.
    """
    path = set_path(key, cache_dir)
    try:
        return _facts(path, key)
    except FileNotFoundError:
        raise EvalError(f"no generated set '{key.name}' in '{cache_dir}'; generate it first") from None
    except DamagedFileError as error:
        raise EvalError(f"{error}; delete '{path}' to regenerate it") from error


def verify_set(key: SetKey, cache_dir: Path) -> str:
    """Return the digest of a cached set's pixels (SHA-256) after comparing all bytes, read now, with its record.

    Raises:
        EvalError: If it is absent or its bytes have changed.
    """
    record = read_record(key, cache_dir)
    array = _open(set_path(key, cache_dir), key)
    if array is None:
        raise EvalError(f"the generated set '{key.name}' in '{cache_dir}' is incomplete; delete it to regenerate it")
    found = _digest(array)
    if found != record["sha256"]:
        raise EvalError(
            f"the generated set '{key.name}' has digest {found[:12]}, but {record['sha256'][:12]} was recorded; "
            f"delete '{set_path(key, cache_dir)}' to regenerate it"
        )
    return found


def kept_sets(cache_dir: Path) -> tuple[SetKey, ...]:
    """Return the identities of all generated sets in a cache folder, sorted by name; records that cannot be read are left out."""
    keys = []
    for path in sorted((Path(cache_dir) / LABEL).glob("*.json")):
        try:
            document = json.loads(path.read_text())
            stored = document.get("body", {}).get("facts", document)["key"]
            key = SetKey(**{**stored, "shape": tuple(stored["shape"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        keys.append(key)
    return tuple(keys)


def _open(path: Path, key: SetKey) -> NDArray[np.uint8] | None:
    """Return the array of a key where it is stored whole, else None."""
    try:
        _facts(path, key)
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        return None
    except (DamagedFileError, ValueError, OSError, EOFError) as error:
        logger.warning("regenerating a set: %s", error)
        return None
    return array if array.dtype == np.uint8 and array.shape == key.shape else None


def _facts(path: Path, key: SetKey) -> Mapping[str, Any]:
    """Return what is recorded of an array after verifying both.

    Raises:
        FileNotFoundError: If there is no record.
        DamagedFileError: If one of them is not what was written.
    """
    record = path.with_suffix(".json")
    try:
        facts: Mapping[str, Any] = kept_facts(record)
    except UnsealedRecordError:
        facts = _sealed_now(path, record)
    if facts["key"] != json.loads(json.dumps(asdict(key))):
        raise DamagedFileError(f"{record} must be of the set '{key.name}', but is of another one")
    return facts


def _sealed_now(path: Path, record: Path) -> Mapping[str, Any]:
    """Give a set of an earlier version, whose record holds only the SHA-256 of its pixels, a record of today."""
    try:
        facts: Mapping[str, Any] = json.loads(record.read_text())
        found = _digest(np.load(path, mmap_mode="r"))
        is_whole = facts["sha256"] == found and "key" in facts
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedFileError(f"{path} and its record cannot be read ({error})") from error
    if not is_whole:
        raise DamagedFileError(f"{path} must have the SHA-256 that was recorded, but has {found[:12]}...")
    with suppress(OSError):  # a cache that can only be read is verified again by the next process
        keep(record, {path.name: path}, facts)
    return facts


def _write(
    path: Path, key: SetKey, make: Callable[[slice], NDArray[np.uint8]], notes: Mapping[str, Any], threads: int
) -> None:
    with whole_file(path) as partial:
        array = reserved_array(partial, key.shape)
        fill(array, make, threads)
        array.flush()
        record = {"label": LABEL, "key": asdict(key), "sha256": _digest(array), "notes": dict(notes), **_environment()}
        del array
    try:
        keep(path.with_suffix(".json"), {path.name: path}, record)
    except OSError:
        path.unlink(missing_ok=True)  # without its record it counts as absent, and takes room
        raise


def fill(array: NDArray[np.uint8], make: Callable[[slice], NDArray[np.uint8]], threads: int) -> None:
    """Fill an array by rows; kernels release the interpreter's lock, so that threads run side by side."""

    def one(rows: slice) -> None:
        array[rows] = make(rows)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for _ in pool.map(one, _slices(array.shape)):
            pass


def _slices(shape: tuple[int, ...]) -> list[slice]:
    step = max(1, VALUES_AT_ONCE // max(1, int(np.prod(shape[1:]))))
    return [slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]


def _digest(array: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256()
    for rows in _slices(array.shape):
        digest.update(np.ascontiguousarray(array[rows]).data)
    return digest.hexdigest()


def _environment() -> dict[str, str]:
    return {
        "processor": platform.machine(),
        "versions": f"numpy {np.__version__}, scipy {scipy.__version__}, numba {numba.__version__}, pillow {PIL.__version__}",
    }

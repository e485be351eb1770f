"""Build a mixing set once per node and open it: one content-addressed uint8 array, shared by memory mapping.

A set's folder is `<cache_dir>/mixing-sets/<name>-<identity>/`. A build takes the folder's lock, fills `partial.npy` chunk by
chunk (see `augment.mixing_sets.partial`), writes its record `set.json`, then renames the array to `images.npy`: the
array's presence is what makes the set complete. Every `ensure_mixing_set` verifies both; a damaged set is built again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import AcquireReturnProxy, FileLock, Timeout
from numpy.typing import NDArray

from augment.files.kept import DamagedFileError, UnsealedRecordError, keep, kept_facts
from augment.files.whole import is_full, no_room
from augment.kernels.cpus import available_cpus
from augment.mixing_sets import partial
from augment.mixing_sets.contract import (
    ImageSource,
    MixingSet,
    MixingSetError,
    ModelProvider,
    NoSpaceForSet,
    Progress,
    SetRequest,
)
from augment.mixing_sets.identity import config_for, identity, identity_digest
from augment.mixing_sets.partial import PartialArray, Shape

logger = logging.getLogger(__name__)
ARRAY: Final = "pictures.npy"
SIDECAR: Final = "set.json"
LOCK: Final = ".lock"
SPARE_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingSetFile:
    """A complete, verified mixing set on this node.

    Attributes:
        path: The .npy file, (M, S, S, C) uint8.
        shape: (M, S, S, C).
        reason: Why an existing array was built again, or None.
    """

    path: Path
    sha256: str
    shape: Shape
    was_built: bool = False
    reason: str | None = None


def ensure_mixing_set(
    mixing_set: MixingSet,
    *,
    num_images: int,
    image_size: int,
    num_channels: int,
    seed: int,
    params: Mapping[str, object],
    cache_dir: Path | str,
    data_root: Path | str,
    progress: Progress | None = None,
    models: ModelProvider | None = None,
    threads: int | None = None,
) -> MixingSetFile:
    """Return a mixing set's verified file, building it first where it is missing, unfinished or damaged.

    Several processes may call this at once for one set: one builds, the others wait for it.

    Args:
        num_images: Images M.
        image_size: Side S of the stored images (see `MixingSet.stored_side`).
        num_channels: 1 (grey, by luma) or 3 (RGB).
        params: Fields of the set's config that differ from its defaults.
        progress: Called with (images done, images in all).
        models: Gives trained networks by train key; for sets of origin "trained".
        threads: Threads that render; None for all CPUs of this process.

    Raises:
        MixingSetError: If the request is invalid, or files or networks are missing.
        NoSpaceForSet: If the disk has no room for the set.
    """
    facts = identity(mixing_set, num_images, image_size, num_channels, seed, params, data_root=data_root)
    folder = Path(cache_dir) / "mixing-sets" / f"{mixing_set.name}-{identity_digest(facts)[:16]}"
    found, _ = _verified(folder, (num_images, image_size, image_size, num_channels))
    if found is not None:
        return found
    request = SetRequest(
        num_images=num_images, image_size=image_size, num_channels=num_channels, seed=seed,
        data_root=Path(data_root), cache_dir=Path(cache_dir), models=models, progress=progress,
    )  # fmt: skip
    with _lock(folder):  # makes the folder
        return _built(folder, mixing_set, params, request, facts, threads or available_cpus())


def _built(
    folder: Path,
    mixing_set: MixingSet,
    params: Mapping[str, object],
    request: SetRequest,
    facts: Mapping[str, Any],
    threads: int,
) -> MixingSetFile:
    """Build a set in its locked folder, unless another process has done so meanwhile."""
    shape = (request.num_images, request.image_size, request.image_size, request.num_channels)
    found, reason = _verified(folder, shape)
    if found is not None:
        return found
    if reason is not None:
        logger.warning("rebuilding mixing set %r: %s", mixing_set.name, reason)
        (folder / ARRAY).unlink(missing_ok=True)
    source = mixing_set.build(config_for(mixing_set, params), request)
    digest = _fill(folder, shape, source, facts, request.progress, threads)
    return MixingSetFile(path=folder / ARRAY, sha256=digest, shape=shape, was_built=True, reason=reason)


def open_mixing_set(file: MixingSetFile | Path) -> NDArray[np.uint8]:
    """Return the images as a read-only memory map, (M, S, S, C) uint8.

    Raises:
        MixingSetError: If the file is no such array.
    """
    path = file.path if isinstance(file, MixingSetFile) else file
    try:
        images: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise MixingSetError(
            f"{path} is not an array of images ({error}); call ensure_mixing_set to build it"
        ) from error
    if images.dtype != np.uint8 or images.ndim != 4:
        raise MixingSetError(
            f"a mixing set is an (M, S, S, C) uint8 array, but {path} contains {images.dtype} {images.shape}"
        )
    return images


def _verified(folder: Path, shape: Shape) -> tuple[MixingSetFile | None, str | None]:
    """Return the complete set of a folder, or None and what is wrong with the array that is there."""
    if not (folder / ARRAY).exists():
        return None, None
    try:
        digest = str(_facts(folder)["sha256"])
    except (DamagedFileError, OSError) as error:
        return None, f"{SIDECAR} cannot be read ({error})" if isinstance(error, OSError) else str(error)
    return MixingSetFile(path=folder / ARRAY, sha256=digest, shape=shape), None


def _facts(folder: Path) -> dict[str, Any]:
    try:
        return kept_facts(folder / SIDECAR)
    except UnsealedRecordError:
        return _sealed_now(folder)


def _sealed_now(folder: Path) -> dict[str, Any]:
    """Give a set of an earlier version, whose record contains only the SHA-256 of the array, a record of today.

    Raises:
        DamagedFileError: If the array does not have that SHA-256.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / SIDECAR).read_text())
        with (folder / ARRAY).open("rb") as handle:
            actual = hashlib.file_digest(handle, "sha256").hexdigest()
        expected = str(facts["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{SIDECAR} cannot be read ({error})") from error
    if actual != expected:
        raise DamagedFileError(f"{folder / ARRAY} has SHA-256 {actual[:12]}..., but {expected[:12]}... was recorded")
    with suppress(OSError):  # a cache that can only be read is verified again by the next process
        keep(folder / SIDECAR, {ARRAY: folder / ARRAY}, facts)
    return facts


def _fill(
    folder: Path, shape: Shape, source: ImageSource, facts: Mapping[str, Any], progress: Progress | None, threads: int
) -> str:
    _check_space(folder, shape)
    try:
        with PartialArray(folder, shape, source.chunk) as array:
            _render_missing(array, shape, source, progress, threads if source.is_threaded else 1)
            digest = array.sha256()
            facts = {"sha256": digest, "shape": shape, "identity": facts}
            keep(folder / SIDECAR, {ARRAY: folder / partial.DATA}, facts)
            array.finish(folder / ARRAY)
    except OSError as error:
        if is_full(error):
            raise NoSpaceForSet(no_room("mixing set", folder, math.prod(shape))) from error
        raise
    return digest


def _render_missing(
    array: PartialArray, shape: Shape, source: ImageSource, progress: Progress | None, threads: int
) -> None:
    def render(chunk: int) -> tuple[int, str]:
        indices = array.indices(chunk)
        images = source.render(indices)
        wanted = (len(indices), *shape[1:])
        assert images.shape == wanted, (images.shape, wanted)
        assert images.dtype == np.uint8, images.dtype
        return chunk, array.write(chunk, images)

    done = sum(len(array.indices(chunk)) for chunk in array.done)
    missing = [chunk for chunk in range(array.num_chunks) if chunk not in array.done]
    _report(progress, done, shape[0])
    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures = [pool.submit(render, chunk) for chunk in missing]
        try:
            for future in as_completed(futures):
                chunk, digest = future.result()
                array.record(chunk, digest)
                done += len(array.indices(chunk))
                _report(progress, done, shape[0])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _check_space(folder: Path, shape: Shape) -> None:
    existing = folder / partial.DATA
    held = existing.stat().st_blocks * 512 if existing.exists() else 0
    needed = int(np.prod(shape, dtype=np.int64)) - held + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceForSet(
            f"a mixing set of shape {shape} needs {needed / 2**20:.0f} MiB more on disk, but {folder} has {free / 2**20:.0f} MiB"
            " free; ask for fewer images or set DREAMGRID_CACHE to a larger disk"
        )


def _lock(folder: Path) -> AcquireReturnProxy[Any]:
    """Take a folder's lock, which ends with the process that holds it; released at the end of a `with`."""
    lock = FileLock(folder / LOCK)
    with suppress(Timeout):
        return lock.acquire(blocking=False)
    logger.info("another process builds %s; waiting for it", folder.name)
    return lock.acquire()

"""Reading a released network: its file is checked, its weights fill a classifier of ours, its normalisation comes with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trainers.datasets.contract import DatasetSpec
from trainers.errors import CheckpointError, CorruptData, MissingData
from trainers.models.normalize import Classifier
from trainers.models.released.registry import ReleasedCheckpoint, missing_checkpoints
from trainers.models.weights.load import fill, weights_for
from trainers.models.weights.normalisation import Normalisation, spread
from trainers.models.weights.reading import read_contents


def load_released(
    released: ReleasedCheckpoint,
    model: Classifier,
    *,
    dataset: DatasetSpec,
    data_root: Path,
    normalisation: Normalisation | None = None,
) -> tuple[dict[str, str], Normalisation, tuple[str, ...]]:
    """Fill a classifier with a released network's weights and the normalisation that they were published for.

    Args:
        normalisation: What the row asks for instead of the published one, or None.

    Returns:
        What is recorded of the file (name, SHA-256, address), the normalisation, and notes on what else the file contains.

    Raises:
        MissingData: If the file is not in the data root; says how to get it.
        CorruptData: If it is not the file that was published, or not the one that was read first.
        CheckpointError: If it cannot be read, does not fit, or states another normalisation than the published one.
    """
    absent = missing_checkpoints([released.name], data_root)
    if absent:
        raise MissingData(absent[0])
    path = released.path(data_root)
    digest = verified_sha256(released, path)
    subject = f"{released.model} on {dataset.name}"
    try:
        found = weights_for(model.network, read_contents(path), num_channels=dataset.num_channels, subject=subject)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}; check that it is the released file") from error
    taken = normalisation or _published(released, found.stated, dataset)
    fill(model, found, taken)
    return {"name": released.name, "sha256": digest, "address": released.address}, taken, found.notes


def _published(released: ReleasedCheckpoint, stated: Normalisation | None, dataset: DatasetSpec) -> Normalisation:
    mean, std = (spread(values, dataset.num_channels) for values in (released.mean, released.std))
    published = Normalisation(mean=mean, std=std, source="as published with the weights")
    if stated is not None and stated.values != published.values:
        raise CheckpointError(
            f"released checkpoint {released.name!r} must have its published normalisation, {published.values}, but its "
            f"file states {stated}; name the right one in the row: normalize: {stated.option!r}"
        )
    return published


def verified_sha256(released: ReleasedCheckpoint, path: Path) -> str:
    """Return the SHA-256 of a file after comparing it with what is published, or with what was recorded on first read."""
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    kept = path.with_name(path.name + ".sha256")
    expected = released.sha256 or (kept.read_text().split()[0] if kept.is_file() else digest)
    if not digest.startswith(expected):
        raise CorruptData(
            f"{path} must have the SHA-256 {expected}, but has {digest}; delete it (and {kept.name}) and download it again: "
            f"{released.address}"
        )
    if released.md5:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "md5").hexdigest()
        if found != released.md5:
            raise CorruptData(f"{path} must have the MD5 {released.md5}, but has {found}; download it again")
    if not kept.is_file():
        _record(kept, f"{digest}  {path.name}\n")
    return digest


def _record(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError:  # a data root that cannot be written to; the record of the cell has the hash anyway
        return

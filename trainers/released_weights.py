"""Reading a released network: its file is checked, its names become ours, its weights fill a classifier of ours."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from trainers.errors import CheckpointError, CorruptData, MissingData
from trainers.old_pickles import read_weights
from trainers.released import ReleasedCheckpoint, missing_checkpoints

if TYPE_CHECKING:
    from trainers.datasets.spec import DatasetSpec
    from trainers.models.normalize import Classifier


def load_released(
    released: ReleasedCheckpoint, model: Classifier, *, dataset: DatasetSpec, data_root: Path
) -> dict[str, str]:
    """Fill a classifier with a released network's weights.

    Args:
        released: Which network.
        model: A classifier of the same kind.
        dataset: What it classifies; its normalisation must be the one that the network was trained with.
        data_root: Folder of datasets and released files.

    Returns:
        What the record says of the file: name, SHA-256, address.

    Raises:
        MissingData: If the file is not below the data root; says how to get it.
        CorruptData: If it is not the file that was published, or not the one that was read first.
        CheckpointError: If it cannot be read or does not fit.
    """
    absent = missing_checkpoints([released.name], data_root)
    if absent:
        raise MissingData(absent[0])
    if (released.mean, released.std) != (dataset.mean, dataset.std):
        raise CheckpointError(
            f"released checkpoint {released.name!r} wants pictures normalised by {released.mean}, {released.std}, but those "
            f"of {dataset.name!r} are by {dataset.mean}, {dataset.std}; choose the dataset that it was trained on"
        )
    path = released.path(data_root)
    digest = verified_sha256(released, path)
    weights = named_as_ours(read_weights(path), released)
    _fill(model, weights, path)
    return {"name": released.name, "sha256": digest, "address": released.address}


def verified_sha256(released: ReleasedCheckpoint, path: Path) -> str:
    """Return the SHA-256 of a file after comparing it with what is published, or with what was recorded on first read.

    Raises:
        CorruptData: If they differ.
    """
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    kept = path.with_name(path.name + ".sha256")
    expected = released.sha256 or (kept.read_text().split()[0] if kept.is_file() else digest)
    if not digest.startswith(expected):
        raise CorruptData(
            f"{path} must have the SHA-256 {expected}, but has {digest}; delete it (and {kept.name}) and get it again: "
            f"{released.address}"
        )
    if released.md5:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "md5").hexdigest()
        if found != released.md5:
            raise CorruptData(f"{path} must have the MD5 {released.md5}, but has {found}; get it again")
    if not kept.is_file():
        _record(kept, f"{digest}  {path.name}\n")
    return digest


def named_as_ours(weights: dict[str, Tensor], released: ReleasedCheckpoint) -> dict[str, Tensor]:
    """Return the network's weights under our names; what does not bear the release's prefix is left out."""
    inside = {
        name.removeprefix(released.prefix): value
        for name, value in weights.items()
        if name.startswith(released.prefix) and "normalizer." not in name
    }
    return {_renamed(name, released): value for name, value in inside.items()}


def _renamed(name: str, released: ReleasedCheckpoint) -> str:
    for pattern, replacement in released.renames:
        if re.search(pattern, name):
            renamed = re.sub(pattern, replacement, name)
            return re.sub(r"\{(\d+)-1\}", lambda match: str(int(match[1]) - 1), renamed)
    return name


def _fill(model: Classifier, weights: dict[str, Tensor], path: Path) -> None:
    try:
        unfilled, unused = model.network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"the weights in {path} have other shapes than the network: {error}") from error
    unfilled = [name for name in unfilled if not name.endswith("num_batches_tracked")]  # PyTorch before 0.4.1 had none
    if unfilled or unused:
        parts = [f"lacks {', '.join(unfilled[:3])}"] if unfilled else []
        parts += [f"has {', '.join(unused[:3])} besides"] if unused else []
        raise CheckpointError(
            f"{path} must hold the weights of the network by name, but {' and '.join(parts)} "
            f"({len(unfilled)} missing, {len(unused)} too many); check that it is the released file"
        )


def _record(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError:  # a data root that cannot be written to; the record of the cell holds the hash anyway
        return

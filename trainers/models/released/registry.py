"""Released networks by name: where they come from, and how their files become weights of our networks; light to import.

A cell whose `released` names one of them is not trained: its checkpoint is made of the file in `<data root>/checkpoints/` and is
then evaluated like any other. `dreamgrid data fetch NAME` gets a file that has an address of its own; for the others the address
says where to find it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from augment.files.absent import fetch_command
from augment.files.content import file_hash
from augment.files.published import Identified, absent, own, published
from trainers.config import JobConfig
from trainers.errors import ImpossibleJob, as_data_errors, unknown_name
from trainers.models.weights.normalisation import USUAL, Normalisation

FOLDER: Final = "checkpoints"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedCheckpoint:
    """A network that somebody else trained and published.

    Attributes:
        title: Who trained what, for lists and tables.
        method: Key of `METHODS` of its row.
        dataset: Key of `DATASETS` that it classifies.
        model: Name that `MODELS` understands.
        file: Name in `<data root>/checkpoints/`.
        is_direct: Whether the address is that of the file itself, so that a command can fetch it.
        sha256: SHA-256 of the file, its first digits where only those are published, or "" (recorded on first read).
        md5: MD5 of the file where that is what is known, or "".
        mean: Mean that the network was trained to be given, per channel in [0, 1].
        std: Standard deviation likewise.
        licence: Licence of the weights as published, or "not stated".
        semantics: Raised by hand when the way the file is read changes.
    """

    name: str
    title: str
    method: str
    dataset: str
    model: str
    file: str
    address: str
    source: str
    licence: str
    is_direct: bool = True
    sha256: str = ""
    md5: str = ""
    mean: tuple[float, ...] = USUAL["imagenet"][0]
    std: tuple[float, ...] = USUAL["imagenet"][1]
    semantics: int = 1

    @property
    def hash_note(self) -> str:
        """The known hash, or that it is unknown."""
        if self.sha256:
            return f"sha256 {self.sha256}" + ("..." if len(self.sha256) < 64 else "")
        return f"md5 {self.md5}" if self.md5 else "unknown: recorded on first read"

    @property
    def identity(self) -> str:
        """What represents the file in train keys: name, declared hash, and how it is read."""
        return f"{self.name}:{self.sha256 or self.md5 or 'unknown'}:{self.semantics}"

    def content(self, data_root: str | Path | None) -> Identified:
        """Return what identifies the file: what is declared of it where its hash is known and matches, else its content.

        Raises:
            CorruptData: If it is there and cannot be read.
        """
        path = None if data_root is None else self.path(data_root)
        if path is None or not path.is_file():
            return absent(self.identity)
        with as_data_errors():
            content = file_hash(path)
            if self.sha256 and content.startswith(self.sha256):
                return published(self.identity, content, "its SHA-256 is the published one")
            if self.md5 and file_hash(path, algorithm="md5") == self.md5:
                return published(self.identity, content, "its MD5 is the published one")
        reason = (
            "its hash is not the published one" if self.sha256 or self.md5 else f"no hash of {self.file} is published"
        )
        return own(content, reason)

    def path(self, data_root: str | Path) -> Path:
        """Return the path of the file in a data root."""
        return Path(data_root) / FOLDER / self.file

    def how_to_get(self, data_root: str | Path) -> str:
        """Return the command that fetches the file, or where to find it."""
        if self.is_direct:
            return fetch_command(self.name, data_root)
        return f"download it from {self.address} to {self.path(data_root)}"


CHECKPOINTS: Final[Mapping[str, ReleasedCheckpoint]] = {
    each.name: each
    for each in msgspec.json.decode(
        Path(__file__).with_name("published.json").read_bytes(), type=tuple[ReleasedCheckpoint, ...], strict=True
    )
}
"""Name -> the released network; `published.json` lists them."""


def checkpoint_for(name: str) -> ReleasedCheckpoint:
    """Return a released network by name.

    Raises:
        UnknownName: If the name is none of theirs; names the nearest known one.
    """
    if name not in CHECKPOINTS:
        raise unknown_name("released checkpoint", name, CHECKPOINTS)
    return CHECKPOINTS[name]


def asked_normalisation(config: JobConfig) -> Normalisation | None:
    """Return the normalisation that a row of foreign weights asks for instead of the published one, or None."""
    if config.normalize is None:
        return None
    mean, std = config.normalize
    return Normalisation(mean=tuple(mean), std=tuple(std), source="as the row says: normalize")


def check_fits(released: ReleasedCheckpoint, *, method: str, dataset: str, model: str) -> None:
    """Refuse a released network in a row that it does not belong to.

    Raises:
        ImpossibleJob: With everything that differs.
    """
    pairs = (
        ("method", released.method, method),
        ("dataset", released.dataset, dataset),
        ("model", released.model, model),
    )
    wrong = [f"{what} {its!r}, not {the_row!r}" for what, its, the_row in pairs if its != the_row]
    if wrong:
        raise ImpossibleJob(
            f"released checkpoint {released.name!r} is of {' and of '.join(wrong)}; put it in a row that matches"
        )


def missing_checkpoints(names: Sequence[str], data_root: str | Path) -> list[str]:
    """Return one line per released network whose file is not in the data root, with how to get it."""
    return [
        f"released checkpoint {each.name!r} is missing: {each.path(data_root)}; get it with: {each.how_to_get(data_root)}"
        for each in map(checkpoint_for, dict.fromkeys(names))
        if not each.path(data_root).is_file()
    ]

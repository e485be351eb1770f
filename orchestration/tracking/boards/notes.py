"""What a second tracker was shown of a cell: a small file next to its own, so that nothing is written twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from orchestration.tracking.content.state import RunState
from orchestration.tracking.content.tracked_values import TrackedCell


@dataclass(slots=True, kw_only=True)
class Note:
    """What was shown.

    Attributes:
        digest: Of the state, "" where only epochs were.
        epochs: Epochs whose values were written.
        files: Names of the files that have them, where they are files of ours.
    """

    digest: str = ""
    epochs: int = 0
    files: list[str]


@contextmanager
def noted(file: Path) -> Iterator[Note]:
    """Read a note, let the block change it, and write it; one process at a time.

    A block that fails leaves the old note, so that what it was about is shown again.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        note = _read(file)
        yield note
        whole = file.with_suffix(".new")
        whole.write_text(json.dumps(asdict(note)), encoding="utf-8")
        whole.replace(file)


def digest_of(cell: TrackedCell, state: RunState) -> str:
    """Return what identifies all that a tracker shows of a cell."""
    return state.digest({"name": cell.name, "row": cell.row, **cell.params, **cell.tags})


def _read(file: Path) -> Note:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return Note(
            digest=str(found["digest"]), epochs=int(found["epochs"]), files=[str(name) for name in found["files"]]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Note(files=[])

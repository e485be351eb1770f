"""Reading another trainer's file of weights: archives here, files of older versions of PyTorch in a process of its own.

An old file says how large each storage is before it contains it, and the reader allocates what is said; so that process may take
little more memory than the file has bytes, and not for ever:

    python -m trainers.models.weights.reading FILE TARGET
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from augment.files.given import MIB
from augment.files.pickles import HEAD_BYTES, is_legacy
from clusters.code.own_packages import command_of
from clusters.temporary.own import temporary_folder
from trainers.errors import CheckpointError
from trainers.models.weights.contents import Contents, read_here

_REFUSED: Final = 2
"""Exit code of the process where the file is refused; its output is the reason."""
_STATUS: Final = Path("/proc/self/statm")
_SPARE_BYTES: Final = 512 * MIB
_TIMES: Final = 3
"""The process may take so many times the file, for what is read and what is written again, and the spare bytes."""
_SPARE_S: Final = 180.0
_BYTES_A_SECOND: Final = 10 * MIB
"""It may take the spare time and the time of a slow disk."""


def read_contents(path: Path) -> Contents:
    """Read a file of `torch.save`, of any version of PyTorch and Python, without running what it names.

    Raises:
        CheckpointError: If the file cannot be read, or has no tensors by name; the text begins with the path.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD_BYTES)
    except OSError as error:
        raise CheckpointError(f"{path} must be a readable file: {error}; check the path") from error
    return _read_apart(path) if is_legacy(head) else read_here(path)


def _read_apart(path: Path) -> Contents:
    size = path.stat().st_size
    with temporary_folder("weights") as folder:
        target = folder / "contents.pt"
        command = [*command_of("trainers.models.weights.reading"), str(path.absolute()), str(target)]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_SPARE_S + size / _BYTES_A_SECOND
            )
        except subprocess.TimeoutExpired as error:
            raise CheckpointError(
                f"{path} must be readable within {error.timeout:.0f} s, but is not; save the network's state_dict() again"
            ) from error
        if ended.returncode == _REFUSED:
            raise CheckpointError(ended.stdout.strip())
        if ended.returncode != 0:
            raise CheckpointError(
                f"{path} must be readable in {_spare(size) / MIB:,.0f} MiB of memory, but the process that read it ended with "
                f"code {ended.returncode}; save the network's state_dict() again"
            )
        found = torch.load(target, map_location="cpu", weights_only=True)
    return Contents(tensors=found["tensors"], record=found["record"])


def _spare(size: int) -> int:
    """Return the bytes of memory that reading a file of a size may take."""
    return _TIMES * size + _SPARE_BYTES


def _limit_memory(size: int) -> None:
    """Let this process take so much more address space than it has."""
    taken = int(_STATUS.read_text().split()[0]) * resource.getpagesize()
    most = taken + _spare(size)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _plain(value: Any) -> Any:
    """Return a plain value as one of Python's own types: NumPy's numbers are of sub-classes, which the reader above refuses."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    own = next(kind for kind in (bool, int, float, str) if isinstance(value, kind))
    return own(value)


def _main(path: Path, target: Path) -> int:
    torch.set_num_threads(1)  # each thread would reserve its own address space
    if _STATUS.exists():
        _limit_memory(path.stat().st_size)
    try:
        found = read_here(path)
        record = {name: _plain(value) for name, value in found.record.items()}
        torch.save({"tensors": dict(found.tensors), "record": record}, target)
    except CheckpointError as error:
        sys.stdout.write(" ".join(str(error).split()))
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), Path(sys.argv[2])))

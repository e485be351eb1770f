"""An image array that is filled chunk by chunk and survives a kill: data file, and a log of the chunks that are in it.

The log is JSON lines, one per finished chunk with the SHA-256 of its bytes. A resumed build reads the chunks back and renders
again those whose bytes do not match, so no write needs to be forced to the disk before the end.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.files.whole import reserve

Shape = tuple[int, int, int, int]
DATA: Final = "partial.npy"
LOG: Final = "partial.jsonl"


def npy_header(shape: Shape) -> bytes:
    """Return the header of a C-ordered uint8 .npy file."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


class PartialArray:
    """An unfinished (M, S, S, C) uint8 array in a folder; use as a context manager.

    Attributes:
        done: Indices of the chunks whose bytes are in the file and verified.
    """

    def __init__(self, folder: Path, shape: Shape, chunk: int) -> None:
        self._data, self._log_path = folder / DATA, folder / LOG
        self._shape, self._chunk = shape, chunk
        self._header = npy_header(shape)
        self._start = {"shape": list(shape), "chunk": chunk}
        self.done: set[int] = set()

    @property
    def num_chunks(self) -> int:
        """Number of chunks, the shorter last one included."""
        return -(-self._shape[0] // self._chunk)

    def indices(self, chunk: int) -> NDArray[np.int64]:
        """Return the image indices of a chunk."""
        first = chunk * self._chunk
        return np.arange(first, min(first + self._chunk, self._shape[0]), dtype=np.int64)

    def __enter__(self) -> PartialArray:
        recorded = self._read_log()
        self._fd = os.open(self._data, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            recorded = self._prepared(recorded)
        except OSError:
            os.close(self._fd)
            if recorded is None:  # nothing of it is rendered: it only takes room
                self._data.unlink(missing_ok=True)
                self._log_path.unlink(missing_ok=True)
            raise
        self.done = {chunk for chunk, digest in recorded.items() if self._digest(chunk) == digest}
        self._log = self._log_path.open("a")
        return self

    def _prepared(self, recorded: dict[int, str] | None) -> dict[int, str]:
        """Give the file all of its bytes on the disk, so that none is missing after hours; return the chunks in it."""
        size = len(self._header) + int(np.prod(self._shape, dtype=np.int64))
        if recorded is None:
            os.ftruncate(self._fd, 0)
            self._log_path.write_text(json.dumps(self._start) + "\n")
        os.pwrite(self._fd, self._header, 0)
        os.ftruncate(self._fd, size)
        reserve(self._fd, size)
        return recorded or {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.close()
        os.close(self._fd)

    def write(self, chunk: int, images: NDArray[np.uint8]) -> str:
        """Put a chunk's images in the file and return their digest; several threads may write different chunks."""
        data = memoryview(images.tobytes())
        digest = hashlib.sha256(data).hexdigest()
        offset = self._offset(chunk)
        while data:
            written = os.pwrite(self._fd, data, offset)
            data, offset = data[written:], offset + written
        return digest

    def record(self, chunk: int, digest: str) -> None:
        """Log a chunk as finished; call from one thread."""
        self._log.write(json.dumps({"chunk": chunk, "sha256": digest}) + "\n")
        self._log.flush()
        self.done.add(chunk)

    def finish(self, target: Path) -> None:
        """Force the data to disk and rename the file to its final name."""
        assert len(self.done) == self.num_chunks
        os.fsync(self._fd)
        self._data.replace(target)
        self._log_path.unlink(missing_ok=True)

    def sha256(self) -> str:
        """Return the digest of the whole file."""
        with self._data.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()

    def _offset(self, chunk: int) -> int:
        return len(self._header) + chunk * self._chunk * int(np.prod(self._shape[1:]))

    def _digest(self, chunk: int) -> str:
        size = len(self.indices(chunk)) * int(np.prod(self._shape[1:]))
        return hashlib.sha256(os.pread(self._fd, size, self._offset(chunk))).hexdigest()

    def _read_log(self) -> dict[int, str] | None:
        """Return the recorded chunks, or None where the log is absent or of another array."""
        if not (self._log_path.exists() and self._data.exists()):
            return None
        lines = [_parse(line) for line in self._log_path.read_text().splitlines()]
        if not lines or lines[0] != self._start:
            return None
        entries = [line for line in lines[1:] if line is not None]
        return {int(entry["chunk"]): str(entry["sha256"]) for entry in entries if entry["chunk"] < self.num_chunks}


def _parse(line: str) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:  # the last line of a killed process may be torn
        return None
    return entry

"""The idx format of the MNIST family: a magic number, big-endian sizes, unsigned bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.errors import CorruptData


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an idx file of unsigned bytes.

    Raises:
        CorruptData: If the header or the length is wrong; names the file.
    """
    data = path.read_bytes()
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise CorruptData(
            f"{path} must begin with the magic number of an idx file of bytes, but begins with {data[:4]!r}"
        )
    num_dims = data[3]
    start = 4 + 4 * num_dims
    if len(data) < start:
        raise CorruptData(f"{path} must have a header of {start} bytes, but has {len(data)}; get it again")
    shape = struct.unpack(f">{num_dims}I", data[4:start])
    if len(data) - start != int(np.prod(shape)):
        raise CorruptData(
            f"{path} must hold {shape} bytes after its header, but holds {len(data) - start}; get it again"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()

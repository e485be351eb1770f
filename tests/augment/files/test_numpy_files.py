"""Arrays in files of other people: mapped or read, else refused in a sentence, whatever their header says."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from augment.files.numpy_files import ArrayFileError, map_array, read_arrays


def with_header(text: str) -> bytes:
    padded = (text + " " * (-(len(text) + 11) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + bytes(64)


HEADERS = (
    "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 9999999999), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }",
    "{'descr': '<x9', 'fortran_order': False, 'shape': (4,), }",
    "__import__('os')",
    "(" * 9000,
)


@pytest.mark.parametrize("header", HEADERS, ids=lambda text: text[:60])
def test_a_header_that_says_anything_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / "it.npy").write_bytes(with_header(header))
    with pytest.raises(ArrayFileError, match="is truncated or not an array") as refused:
        map_array(tmp_path / "it.npy")
    assert len(str(refused.value)) < 300
    with zipfile.ZipFile(tmp_path / "it.npz", "w") as archive:
        archive.write(tmp_path / "it.npy", "a.npy")
    with pytest.raises(ArrayFileError, match="is truncated or not an archive of arrays"):
        read_arrays(tmp_path / "it.npz")


def test_arrays_are_read_and_archives_that_unpack_to_far_more_are_not(tmp_path: Path) -> None:
    values = np.arange(6).reshape(2, 3)
    np.save(tmp_path / "it.npy", values)
    np.savez(tmp_path / "it.npz", a=values)
    assert (map_array(tmp_path / "it.npy") == values).all()
    assert (read_arrays(tmp_path / "it.npz")["a"] == values).all()
    with pytest.raises(ArrayFileError, match="is an archive of arrays and not an array"):
        map_array(tmp_path / "it.npz")
    with pytest.raises(ArrayFileError, match="archive"):
        read_arrays(tmp_path / "it.npy")
    held = io.BytesIO()
    np.save(held, np.zeros(300 * 2**20, dtype=np.uint8))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", held.getvalue())
    with pytest.raises(ArrayFileError, match="must unpack to little more than its"):
        read_arrays(tmp_path / "bomb.npz")

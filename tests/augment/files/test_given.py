"""Files that a person names: regular ones, of a size that such a file can have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from augment.files.given import MIB, read_given, read_given_text


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"x" * MIB)
    assert read_given(tmp_path / "it", MIB) == b"x" * MIB
    with pytest.raises(OSError, match="more than 0 MiB"):
        read_given(tmp_path / "it", MIB - 1)


def test_what_has_no_end_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="is not a regular file; name a file"):
            read_given(path, MIB)
    with pytest.raises(FileNotFoundError):
        read_given_text(tmp_path / "absent", MIB)

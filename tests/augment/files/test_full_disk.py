"""Caches on a disk that fills up: what has no room says so, leaves no part behind, and is made once there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.errors import NoSpaceError
from augment.files.arrays import decoded_images
from augment.files.whole import no_room, reserved_array, whole_file
from augment.mixing_sets.build import ensure_mixing_set
from augment.mixing_sets.contract import NoSpaceForSet
from augment.mixing_sets.registry import mixing_set_for
from eval.corruptions.cache import SetKey, cached_array, set_path
from eval.errors import NoSpace

KIB = 1024
WRITE_ALL = """
import sys
from pathlib import Path
import numpy as np
from augment.files.whole import reserved_array
reserved_array(Path(sys.argv[1]), (600_000,))[:] = 1
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small file system needs the right to mount one: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(disk: Path) -> Path:
    """Take all room but a few KiB."""
    file = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
    file.write_bytes(bytes(max(0, free - 16 * KIB)))
    return file


def files_in(folder: Path) -> list[str]:
    """Return the files of a cache that take room."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


def key(name: str = "fog") -> SetKey:
    return SetKey(family="c", kind=name, severity=1, semantics=1, fingerprint="f", seed=0, shape=(100, 32, 32, 1))


def ones(rows: slice) -> np.ndarray:
    return np.ones((rows.stop - rows.start, 32, 32, 1), dtype=np.uint8)


def test_a_generated_set_without_room_is_no_space_with_its_path_and_is_made_once_there_is_room(
    small_disk: Path,
) -> None:
    ballast = fill_up(small_disk)
    folder = set_path(key(), small_disk).parent

    with pytest.raises(
        NoSpace, match=r"no space is left for the generated set 'c-fog-1-.*': it needs 0.1 MiB in '"
    ) as met:
        cached_array(key(), ones, small_disk)
    assert f"'{folder}'; free some space there, or name another cache folder (DREAMGRID_CACHE)" in str(met.value)
    assert met.value.error_class == "no-space"
    assert files_in(folder) == []

    ballast.unlink()
    assert cached_array(key(), ones, small_disk).sum() == 100 * 32 * 32


def test_a_record_without_room_takes_its_array_with_it(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eval.corruptions.cache.keep", full)

    with pytest.raises(NoSpace):
        cached_array(key(), ones, small_disk)
    assert files_in(small_disk) == []


def test_a_map_of_a_file_that_has_no_room_is_an_error_and_not_the_end_of_the_process(small_disk: Path) -> None:
    """A map of a file with holes ended the worker by SIGBUS, which counted as a dead worker and was tried three times."""
    ran = subprocess.run([sys.executable, "-c", WRITE_ALL, str(small_disk / "x.npy")], capture_output=True, text=True)

    assert ran.returncode == 1
    assert "No space left on device" in ran.stderr


def test_decoded_images_without_room_leave_nothing_and_are_decoded_once_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "images" / "a.png")
    names = ["a.png"] * 8

    def decode() -> int:
        found = decoded_images(
            tmp_path / "images", names, identity="x", shape=(64, 64, 3), fit=np.asarray, cache_dir=small_disk
        )
        return len(found.images)

    ballast = fill_up(small_disk)
    with pytest.raises(NoSpaceError, match="no space is left for the decoded images of"):
        decode()
    assert files_in(small_disk / "pictures") == []

    ballast.unlink()
    assert decode() == 8


def test_a_mixing_set_without_room_leaves_nothing_and_is_rendered_once_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augment.mixing_sets.build._check_space", lambda *_: None)  # others took the room since

    def build() -> bool:
        made = ensure_mixing_set(
            mixing_set_for("dead-leaves-squares"), num_images=16, image_size=32, num_channels=3, seed=0, params={},
            cache_dir=small_disk, data_root=small_disk, threads=1,
        )  # fmt: skip
        return made.was_built

    ballast = fill_up(small_disk)
    with pytest.raises(NoSpaceForSet, match="no space is left for the mixing set"):
        build()
    assert files_in(small_disk / "mixing-sets") == []

    ballast.unlink()
    assert build()


def test_a_file_whose_writing_fails_leaves_no_part_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text("old")

    def interrupted() -> None:
        with whole_file(path) as partial:
            partial.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]
    assert path.read_text() == "old"

    with whole_file(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"


def test_the_message_says_how_much_and_where() -> None:
    assert "it needs 3.0 MiB in '/cache'" in no_room("set", Path("/cache"), 3 * 2**20)


def test_where_the_system_reserves_nothing_an_array_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has no `posix_fallocate`."""
    monkeypatch.delattr("os.posix_fallocate")

    assert reserved_array(tmp_path / "x.npy", (2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]

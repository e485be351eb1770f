"""Folders that run full, run out of inodes, turn read-only or vanish: small file systems in memory, which take root to mount."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

FILLER = "filler"


def can_mount() -> bool:
    """Return whether this process may mount file systems."""
    return os.getuid() == 0 and shutil.which("mount") is not None


@contextlib.contextmanager
def small_disk(folder: Path, *, mib: int = 64, inodes: int = 20_000) -> Iterator[None]:
    """Put a small file system into a folder, which is made; it is taken away at the end, whoever still uses it."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={mib}m,nr_inodes={inodes},mode=0700", "none", str(folder))
    try:
        yield
    finally:
        while os.path.ismount(folder):
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, *, spare_kib: int = 0) -> None:
    """Use up the space of a small disk except for some."""
    free = os.statvfs(folder)
    left = free.f_bavail * free.f_frsize - spare_kib * 1024
    with (folder / FILLER).open("ab") as stream, contextlib.suppress(OSError):
        for _ in range(max(0, left) // 65536 + 1):
            stream.write(b"\0" * min(65536, max(0, left)))
            left -= 65536


def use_up_inodes(folder: Path) -> None:
    """Use up the inodes of a small disk; there is space left."""
    inside = folder / FILLER
    inside.mkdir()
    with contextlib.suppress(OSError):
        for number in range(1_000_000):
            (inside / str(number)).touch()


def make_room(folder: Path) -> None:
    """Remove what `fill` or `use_up_inodes` made."""
    path = folder / FILLER
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let a folder refuse writes for a while, as a file system does after an error; files that are open stay writable."""
    # A mount of its own over the folder: one that has files open for writing cannot be turned read-only.
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def vanished(folder: Path) -> Iterator[None]:
    """Let a folder be gone for a while, as a network share that is unmounted."""
    away = folder.with_name(f"{folder.name}-away")
    folder.rename(away)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        away.rename(folder)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)

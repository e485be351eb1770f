"""The private folder of a user: every temporary file and folder is made in it, in the folder of the process that owns it.

    <base>/dg-<uid>/              mode 0700: nobody else can look in, whatever mode Ray gives what it makes there
        <pid>-<token>/            all of one process
            owner                 which process: host, boot, number, start time
            ray/, trials/, ...    removed when they have served, else by the next start once the process is gone
            run.log               logs outlast their process: messages name them

The base is TMPDIR, or /tmp where that is too long for the sockets of Ray, or XDG_RUNTIME_DIR where neither can be used. It is the
last choice since a log-out removes it under a run that goes on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import Final

from clusters.errors import ClusterError
from clusters.temporary.owners import owner_here, parse_owner

LOG: Final = ".log"
_OWNER: Final = "owner"
_SOCKET_PATH: Final = 107
"""Bytes of the path of a socket that Linux allows."""

_IN_RAY: Final = len("/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")
_IN_FOLDER: Final = len("/1234567-0123/ray-2")
_TOKEN: Final = 4
"""Letters of an owner's token in the name of its folder."""


def private_folder() -> Path:
    """Return this user's folder of temporary files, made where it is missing; nobody else can look into it.

    Raises:
        ClusterError: If it cannot be made, or something of that name belongs to somebody else.
    """
    faults = []
    for base in _bases():
        folder = Path(base, f"dg-{os.geteuid()}")
        if len(os.fsencode(folder)) + _IN_FOLDER + _IN_RAY > _SOCKET_PATH:
            faults.append(f"'{folder}' is too long for the sockets of Ray")
            continue
        try:
            return _made_private(folder)
        except OSError as error:
            faults.append(f"'{folder}': {error.strerror or error}")
    raise ClusterError(
        f"temporary files need a folder of this user's own, but none can be used: {'; '.join(faults)}; set TMPDIR to a folder "
        "with a short name that this user can write to"
    )


def make_process_folder() -> Path:
    """Make a folder for this process in the private folder, with its owner in it."""
    parent = private_folder()
    while True:
        text = owner_here()
        owner = parse_owner(text)
        assert owner is not None
        folder = parent / f"{owner.pid}-{owner.token[:_TOKEN]}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            (folder / _OWNER).write_text(text, encoding="utf-8")
            return folder


def owner_of(folder: Path) -> str:
    """Return which process a folder belongs to; "" where that is not known, since the process ended while it made the folder."""
    try:
        return (folder / _OWNER).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def remove_all_but_logs(folder: Path) -> None:
    """Remove what a process left; its folder as well where it wrote no log. What cannot be removed stays."""
    with contextlib.suppress(OSError):
        found = list(folder.iterdir())
        if not any(map(is_log, found)):
            shutil.rmtree(folder, ignore_errors=True)
            return
        for each in found:
            if not is_log(each) and each.name != _OWNER:
                remove(each)


def is_log(path: Path) -> bool:
    """Whether a file of a process's folder is a log."""
    return path.suffix == LOG and path.is_file()


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _bases() -> tuple[str, ...]:
    # Not of `tempfile`, whose folder is set to that of this process where libraries make files of their own.
    named = (os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP"))
    return tuple(dict.fromkeys(filter(None, (*named, "/tmp", os.environ.get("XDG_RUNTIME_DIR", "")))))


def _made_private(folder: Path) -> Path:
    """Make a folder that only this user can enter, or check that it is one."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    # Not through a link: whoever made it could point it elsewhere later.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(0, "it is not a folder of this user")
    # Ray makes missing folders on other nodes, with the usual mode.
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder

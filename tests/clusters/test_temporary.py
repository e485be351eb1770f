"""Temporary files: one private folder a user, one folder a process in it, and what is collected once a process is gone."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.errors import ClusterError
from clusters.temporary import own, private
from clusters.temporary.leftovers import KEPT_LOGS, collect_leftovers, undecided_folders
from clusters.temporary.own import log_file, make_folder, own_folder, remove_own_folder, temporary_folder
from clusters.temporary.owners import owner_here
from clusters.temporary.private import owner_of, private_folder

CHILD = """
import sys, time
from clusters.temporary.own import log_file, make_folder
folder = make_folder("ray")
(folder / "session").mkdir()
if "log" in sys.argv:
    log_file("run").write_text("what Ray said")
print(folder, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def base(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A base of its own for the private folder of this process and of those that it starts; its path is short."""
    short = Path(f"/tmp/t{os.getpid()}")
    short.mkdir()
    monkeypatch.setenv("TMPDIR", str(short))
    monkeypatch.setattr(own, "_OWN", {})
    yield short
    subprocess.run(["rm", "-rf", str(short)], check=True)


class Process:
    """A process that made a folder of Ray and waits."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.ray = Path(self.process.stdout.readline().strip())

    @property
    def folder(self) -> Path:
        return self.ray.parent

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0


@pytest.fixture
def process(base: Path) -> Iterator[Process]:
    made = Process()
    yield made
    made.kill()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_private_and_named_after_its_user(base: Path) -> None:
    folder = make_folder("ray")

    assert private_folder() == base / f"dg-{os.geteuid()}"
    assert mode(private_folder()) == mode(folder.parent) == 0o700
    assert folder.parent.name.partition("-")[0] == str(os.getpid())
    assert owner_of(folder.parent).split("/")[:4] == owner_here().split("/")[:4]


def test_an_open_folder_of_this_user_is_made_private(base: Path) -> None:
    (base / f"dg-{os.geteuid()}").mkdir(mode=0o755)

    assert mode(private_folder()) == 0o700


def test_a_long_base_gives_way_to_one_whose_sockets_have_short_paths(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = base / ("long" * 10)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))

    session = make_folder("ray") / "session_2026-11-29_14-00-00_123456_4194304" / "sockets" / "plasma_store"

    assert not session.is_relative_to(long)
    assert len(str(session)) <= 107
    remove_own_folder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize("what", ["folder of another user", "link", "file"])
def test_what_somebody_else_put_in_its_place_is_never_used(
    base: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "_bases", lambda: (str(base),))
    place = base / f"dg-{os.geteuid()}"
    if what == "link":
        (base / "elsewhere").mkdir()
        place.symlink_to(base / "elsewhere")
    elif what == "file":
        place.touch()
    else:
        place.mkdir()
        os.chown(place, 12345, -1)

    with pytest.raises(ClusterError, match="it is not a folder of this user; set TMPDIR to a folder with a short name"):
        make_folder("ray")


def test_a_killed_process_is_tidied_up_by_the_next_one_that_starts(process: Process) -> None:
    process.kill()
    assert process.ray.is_dir()

    own_folder()

    assert not process.folder.exists()


def test_what_a_living_process_uses_stays(process: Process) -> None:
    own_folder()

    assert (process.ray / "session").is_dir()


def test_a_process_that_ends_leaves_nothing_but_its_logs(base: Path) -> None:
    silent, speaking = Process(), Process("log")
    silent.end()
    speaking.end()

    assert not silent.folder.exists()
    assert sorted(each.name for each in speaking.folder.iterdir()) == ["owner", "run.log"]


def test_another_process_with_the_number_of_a_dead_one_does_not_protect_its_folder(process: Process) -> None:
    host, boot, pid, started, token = owner_of(process.folder).split("/")
    (process.folder / "owner").write_text("/".join([host, boot, pid, str(int(started) - 1), token]))

    collect_leftovers()

    assert not process.folder.exists()


@pytest.mark.parametrize(("host", "boot", "is_listed"), [("elsewhere", None, False), (None, "an-earlier-boot", True)])
def test_other_hosts_and_earlier_boots_are_not_touched_and_only_the_latter_are_listed(
    process: Process, host: str | None, boot: str | None, is_listed: bool
) -> None:
    process.kill()
    parts = owner_of(process.folder).split("/")
    (process.folder / "owner").write_text("/".join([host or parts[0], boot or parts[1], *parts[2:]]))
    (process.ray / "session" / "log").write_bytes(b"12345")

    collect_leftovers()

    assert process.ray.is_dir()
    found = undecided_folders()
    assert [leftover.path for leftover in found] == [str(process.folder)] * is_listed
    if is_listed:
        (leftover,) = found
        assert leftover.size > 5
        assert "of an earlier boot or another container" in leftover.of


def test_a_folder_without_an_owner_goes_when_it_is_old_and_no_process_has_its_number(base: Path) -> None:
    own_folder()
    names = ["99999999-0000", f"{os.getpid()}-0000", "99999999-1111"]
    folders = [private_folder() / name for name in names]
    for folder in folders:
        folder.mkdir()
    for folder in folders[:2]:
        os.utime(folder, (time.time() - 7200,) * 2)

    collect_leftovers()

    assert [folder.exists() for folder in folders] == [False, True, True]


def test_logs_of_the_newest_processes_are_kept_and_older_ones_go(base: Path) -> None:
    here = owner_here().split("/")
    own_folder()
    folders = [private_folder() / f"99999999-{number:04d}" for number in range(KEPT_LOGS + 3)]
    for age, folder in enumerate(folders):
        (folder / "ray").mkdir(parents=True)
        (folder / "owner").write_text("/".join([*here[:2], "99999999", "1", "0000"]))
        (folder / "run.log").touch()
        os.utime(folder / "run.log", (time.time() - age,) * 2)

    collect_leftovers()

    assert [folder.exists() for folder in folders] == [True] * KEPT_LOGS + [False] * 3
    assert not (folders[0] / "ray").exists()


def test_a_folder_that_cannot_be_removed_keeps_no_other_process_from_its_own(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NFS a folder with a file that somebody has open stays, without its logs."""
    here = owner_here().split("/")
    private_folder()
    folder = private_folder() / "99999999-0000"
    folder.mkdir()
    (folder / "owner").write_text("/".join([*here[:2], "99999999", "1", "0000"]))
    monkeypatch.setattr(private.shutil, "rmtree", lambda path, ignore_errors: None)

    assert own_folder().is_dir()
    assert folder.is_dir()


def test_folders_of_one_kind_have_different_names_and_a_temporary_one_is_removed(base: Path) -> None:
    with temporary_folder("trials") as first, temporary_folder("trials") as second:
        (first / "state").touch()
        assert first != second
        assert first.parent == second.parent == log_file("run").parent

    assert not first.exists()
    assert not second.exists()


def test_a_fork_has_a_folder_of_its_own(base: Path) -> None:
    ours = own_folder()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(own_folder()).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reader, 1000).decode() != str(ours)
    assert ours.is_dir()

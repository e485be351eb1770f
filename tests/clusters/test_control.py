"""Whether the processes that Ray cannot do without still run, asked without calling Ray."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from clusters.ray_api import control
from clusters.ray_api.control import CONTROL_STORE, RAYLET, ChildWatch, PortWatch, end_processes_of


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a process under the name of a program of Ray, with a folder in its command line."""
    started: list[subprocess.Popen[bytes]] = []

    def run(program: str, *words: str, log: Path | None = None) -> subprocess.Popen[bytes]:
        path = tmp_path / program
        if not path.exists():
            shutil.copy("/bin/sleep", path)
        with (log or Path("/dev/null")).open("ab") as out:
            started.append(subprocess.Popen([path, "60", *words], stdout=out, stderr=out))
        return started[-1]

    yield run
    for one in started:
        one.kill()
        one.wait()


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize(("program", "what"), [("gcs_server", CONTROL_STORE), ("raylet", RAYLET)])
def test_the_death_of_a_process_of_a_private_ray_is_noticed(
    start: Callable[..., subprocess.Popen[bytes]], program: str, what: str
) -> None:
    processes = {name: start(name, "0") for name in ("gcs_server", "raylet")}
    wait_for(lambda: all(psutil.Process(one.pid).cmdline()[-1:] == ["0"] for one in processes.values()))
    watch = ChildWatch("0")
    assert watch.lost() == ""

    processes[program].kill()

    wait_for(lambda: watch.lost() != "")
    assert watch.lost().startswith(what)
    watch.close()
    assert watch.lost() == ""


def test_processes_of_another_ray_are_not_looked_after(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    start("raylet").kill()

    assert ChildWatch("/of/ours").lost() == ""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LOOK_EVERY_S", 0.05)
    monkeypatch.delenv("RAY_gcs_rpc_server_reconnect_timeout_s", raising=False)


@pytest.mark.usefixtures("quick")
def test_a_port_on_which_nobody_listens_any_more_is_noticed_after_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        places = {CONTROL_STORE: server.getsockname(), RAYLET: other.getsockname()}
        watch = PortWatch(places, silent_s=0.3)
        server.close()
        wait_for(lambda: watch.lost() == CONTROL_STORE)
    watch.close()


@pytest.mark.usefixtures("quick")
def test_a_port_without_a_listener_is_named_at_once_where_something_else_shows_that_a_process_died() -> None:
    """A mailbox that died with its cluster was blamed for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
    watch = PortWatch({CONTROL_STORE: place}, silent_s=60.0)

    wait_for(lambda: watch.lost(is_suspected=True) == CONTROL_STORE)
    assert watch.lost() == ""
    watch.close()


@pytest.mark.usefixtures("quick")
@pytest.mark.usefixtures("quick")
def test_a_port_that_answers_late_is_given_more_time_than_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine at a load of 60 was taken for a dead control store after 8 s."""

    def late(*_: object, **__: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", late)
    watch = PortWatch({CONTROL_STORE: ("127.0.0.1", 1)}, silent_s=0.1)
    wait_for(lambda: bool(watch._silent_since))
    time.sleep(0.2)
    assert watch.lost() == ""
    monkeypatch.setattr(control, "_NO_ANSWER_S", 0.1)
    assert watch.lost() == CONTROL_STORE
    watch.close()


def test_a_port_that_somebody_listens_on_again_is_none_that_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
    watch = PortWatch({RAYLET: place}, silent_s=3.0)
    wait_for(lambda: bool(watch._silent_since))
    with socket.create_server(place):
        wait_for(lambda: not watch._silent_since)
        assert watch.lost() == ""
    watch.close()


@pytest.mark.usefixtures("quick")
def test_a_control_store_that_may_come_back_is_waited_for_as_long_as_ray_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "600")
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
    watch = PortWatch({CONTROL_STORE: place, RAYLET: place}, silent_s=0.1)

    wait_for(lambda: watch.lost() == RAYLET)
    watch.close()


def test_what_is_left_of_a_private_ray_is_ended_and_who_reads_its_logs_is_not(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    folder = tmp_path / "ray"
    folder.mkdir()
    (folder / "worker.out").touch()
    # They are nobody's children, as those of a raylet that died; an agent prints to a pipe and opens its log by itself.
    code = (
        "import subprocess, sys\n"
        "log = open(sys.argv[1], 'rb' if sys.argv[2] == 'reader' else 'ab')\n"
        "out = log if sys.argv[2] == 'worker' else subprocess.DEVNULL\n"
        "sleeper = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "print(subprocess.Popen(sleeper, stdout=out, stderr=out, pass_fds=[log.fileno()]).pid)\n"
    )
    orphans = {}
    for name in ("worker", "agent", "reader"):
        words = [sys.executable, "-c", code, str(folder / "worker.out"), name]
        orphans[name] = psutil.Process(int(subprocess.check_output(words, text=True)))
    # What this process itself and its children write there does not make them part of that Ray.
    with (folder / "driver.log").open("ab"):
        child = start("child", log=folder / "driver.log")

        end_processes_of(str(folder))

        psutil.wait_procs([orphans["worker"], orphans["agent"]], timeout=20)
        assert {name for name, each in orphans.items() if each.is_running()} == {"reader"}
        assert child.poll() is None
    orphans["reader"].kill()

"""An installation compiles kernels in several processes: each once, after those that it calls, to the same cache."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from augment.kernels.compile_all import BYTES_PER_PROCESS, processes_for
from augment.kernels.numba_cache import SealedFiles
from augment.kernels.sources import CACHE_VARIABLE

REPOSITORY = Path(__file__).resolve().parents[3]
WARMED = """
import os, sys
from multiprocessing import parent_process
from augment.kernels.compile_all import compile_all

def first():
    pass

def second():
    if sys.argv[2] == "killed" and parent_process():
        os._exit(1)
    if sys.argv[2] == "mistaken":
        raise ZeroDivisionError("of a kernel")

def third():
    pass

if __name__ == "__main__":
    from warmed import first, second, third
    compile_all([first, second, third, first], processes=int(sys.argv[1]), report=lambda done: print(done.module))
"""
COMPILED = """
import sys
from augment.kernels import counters, mixings
from augment.kernels.compile_all import compile_all
from augment.methods import cutout

def report(done):
    print(done.module.rpartition(".")[2], done.num_compiled)

if __name__ == "__main__":
    calls = (*cutout.WARM_UP, *counters.WARM_UP, *mixings.WARM_UP)
    compile_all(calls, processes=int(sys.argv[1]), report=report)
"""


def run(folder: Path, name: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code as a file, which processes that it starts import again."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    environment = {**os.environ, CACHE_VARIABLE: str(folder / "cache"), "PYTHONPATH": f"{REPOSITORY}:{folder}"}
    return subprocess.run(
        [sys.executable, str(folder / f"{name}.py"), *arguments],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("processes", ["1", "3"])
def test_each_call_runs_once(tmp_path: Path, processes: str) -> None:
    ran = run(tmp_path, "warmed", WARMED, processes, "")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == ["warmed"] * 3


def test_where_the_system_ends_a_process_one_goes_on_alone(tmp_path: Path) -> None:
    ran = run(tmp_path, "warmed", WARMED, "2", "killed")

    assert ran.returncode == 0
    assert ran.stdout.split() == ["warmed"] * 3
    assert ran.stderr == "a compiling process was ended by the system (is memory short?); going on in one process\n"


def test_who_waits_for_another_process_says_so(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    lock = FileLock(tmp_path / "cache" / ".lock", thread_local=False)  # a timer's thread gives it back
    lock.acquire()
    threading.Timer(10.0, lock.release).start()

    ran = run(tmp_path, "warmed", WARMED, "1", "")

    assert (ran.returncode, ran.stderr) == (0, "another process compiles kernels; waiting for it ...\n")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_mistake_in_a_kernel_is_not_hidden(tmp_path: Path, processes: str) -> None:
    ran = run(tmp_path, "warmed", WARMED, processes, "mistaken")

    assert ran.returncode == 1
    assert "ZeroDivisionError: of a kernel" in ran.stderr


@pytest.mark.slow
def test_several_processes_compile_what_one_compiles_and_no_kernel_before_those_that_it_calls(tmp_path: Path) -> None:
    def compiled(folder: Path, processes: str) -> dict[str, str]:
        ran = run(folder, "compiled", COMPILED, processes)
        assert (ran.returncode, ran.stderr) == (0, "")
        return dict(line.split() for line in ran.stdout.splitlines())

    def cached(folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.nb[ic]"))

    together = compiled(tmp_path / "together", "2")
    alone = compiled(tmp_path / "alone", "1")

    assert list(together)[-1] == "cutout"
    assert sum(map(int, together.values())) == sum(map(int, alone.values())) > 0
    assert cached(tmp_path / "together" / "cache") == cached(tmp_path / "alone" / "cache")
    assert set(compiled(tmp_path / "together", "2").values()) == {"0"}


def test_specialisations_that_are_saved_at_once_keep_their_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba reads the index, picks a free name and writes: two that read the same index would pick the same name."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "hash").mkdir()
    load_index = SealedFiles._load_index

    def slowly(self: SealedFiles) -> Any:
        found = load_index(self)
        time.sleep(0.02)
        return found

    def files() -> SealedFiles:
        return SealedFiles(cache_path=str(tmp_path / "hash"), filename_base="f", source_stamp="s")

    monkeypatch.setattr(SealedFiles, "_load_index", slowly)
    savers = [threading.Thread(target=files().save, args=(key, f"code of {key}")) for key in range(6)]
    for each in savers:
        each.start()
    for each in savers:
        each.join()

    assert [files().load(key) for key in range(6)] == [f"code of {key}" for key in range(6)]


@pytest.mark.parametrize(
    ("cpus", "free", "wanted"),
    [(8, 100, 8), (64, 100, 29), (8, 3, 3), (8, 0, 1), (1, 100, 1)],
    ids=["cores", "no more than modules", "memory", "no memory", "one core"],
)
def test_processes_are_as_many_as_cores_modules_and_memory_allow(
    cpus: int, free: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = free * BYTES_PER_PROCESS

    monkeypatch.setattr("augment.kernels.compile_all.available_cpus", lambda: cpus)
    monkeypatch.setattr(psutil, "virtual_memory", Memory)

    assert processes_for(29) == wanted

"""Compile many kernels at once, in as many processes as there are processors: what an installation does.

A module's kernels wait for those of the modules that it imports, which they call: so none is compiled twice. Each process writes
what it compiled to the cache on disk (`augment.kernels.numba_cache`), where every later process finds it.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from multiprocessing import get_context
from typing import Final

import psutil
from filelock import Timeout

from augment.kernels.compiled import WarmUp, compile_lock, compile_silently, num_compiled
from augment.kernels.cpus import available_cpus
from augment.kernels.sources import imported_modules

BYTES_PER_PROCESS: Final = 300 * 2**20
"""Memory that a compiling process is given: more than the largest one needs (measured: 233 MiB with every kernel loaded)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmedUp:
    """What a warm-up call did.

    Attributes:
        module: Module of its kernels.
        num_compiled: How many of them were compiled; those that the cache had do not count.
    """

    module: str
    num_compiled: int
    seconds: float


def processes_for(num_calls: int) -> int:
    """Return how many processes compile so many modules: one per processor, as far as memory allows, at least 1."""
    fitting = psutil.virtual_memory().available // BYTES_PER_PROCESS
    return max(1, min(available_cpus(), num_calls, fitting))


def compile_all(calls: Iterable[WarmUp], *, processes: int, report: Callable[[WarmedUp], None]) -> None:
    """Run warm-up calls in processes of their own, a call after those of the modules that its module imports.

    Others that would compile wait meanwhile. Where the system ends one of the processes, as it does without memory, this one goes
    on alone.

    Args:
        calls: Entries of the `WARM_UP` of kernel modules; functions at the top of their modules, which processes find by name.
        processes: How many; 1 runs all calls in this process.
        report: Called with each call that has run.
    """
    remaining = list(dict.fromkeys(calls))

    def ran(call: WarmUp, outcome: WarmedUp) -> None:
        remaining.remove(call)
        report(outcome)

    with _locked():
        if processes > 1:
            try:
                _run_in_processes(tuple(remaining), processes, ran)
            except BrokenProcessPool:
                sys.stderr.write(
                    "a compiling process was ended by the system (is memory short?); going on in one process\n"
                )
        compile_silently()
        for call in tuple(remaining):
            ran(call, _run(call))


@contextmanager
def _locked() -> Iterator[None]:
    lock = compile_lock()
    try:
        lock.acquire(timeout=1)
    except Timeout:
        sys.stderr.write("another process compiles kernels; waiting for it ...\n")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _run_in_processes(calls: Sequence[WarmUp], processes: int, ran: Callable[[WarmUp, WarmedUp], None]) -> None:
    order = TopologicalSorter(_needed(calls))
    order.prepare()
    running: dict[Future[WarmedUp], WarmUp] = {}
    # Spawned: LLVM's state, and the threads of this process, are not made for a fork.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin)
    try:
        while order.is_active():
            running |= {pool.submit(_run, call): call for call in order.get_ready()}
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                call = running.pop(future)
                ran(call, future.result())
                order.done(call)
    finally:
        pool.shutdown(cancel_futures=True)


def _needed(calls: Sequence[WarmUp]) -> dict[WarmUp, list[WarmUp]]:
    """Return each call with those of the modules that its module imports."""
    imported = {call.__module__: imported_modules(call.__module__) - {call.__module__} for call in calls}
    return {call: [other for other in calls if other.__module__ in imported[call.__module__]] for call in calls}


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process without a traceback of its own
    compile_silently()


def _run(call: WarmUp) -> WarmedUp:
    started, before = time.monotonic(), num_compiled()
    call()
    return WarmedUp(module=call.__module__, num_compiled=num_compiled() - before, seconds=time.monotonic() - started)

"""Run a plan: connect, start groups and tuner, wait for events, and leave everything clean whatever happens."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from augment.kernels.cpus import available_cpus
from clusters.connect import Connection, connect
from clusters.errors import ControlLost
from clusters.placement import Node, check_fits
from clusters.ray_api.private import keep_credentials_out_of_trials
from clusters.storage.patient import reported_to
from clusters.temporary.own import log_file as log_file_of
from clusters.temporary.own import temporary_folder
from clusters.temporary.owners import owner_here
from orchestration.cells.cell import Plan
from orchestration.engine.driver.driver import Driver
from orchestration.engine.groups.contract import Pool
from orchestration.engine.observer import QueuedObserver, RunObserver, RunStatus
from orchestration.engine.options import RunOptions, RunOutcome
from orchestration.engine.quiet import quiet
from orchestration.engine.releases import check_release
from orchestration.engine.requested import Interrupted, StandingRequest, StopFlag, stop_flag
from orchestration.engine.supervised import supervised
from orchestration.errors import SweepError
from orchestration.store.contract import ResultsStore

if TYPE_CHECKING:
    from orchestration.engine.groups.group import GroupPool

PUMP_S = 0.5
TUNER_END_S = 60.0


def execute(
    plan: Plan, *, store: ResultsStore, options: RunOptions, observer: RunObserver, pool: GroupPool | None = None
) -> RunOutcome:
    """Run what is missing of a plan until every cell is done, failed or set aside.

    Where nothing is missing nothing is started, and Ray is not imported.
    The driver is the only writer of the store: workers return values.

    Args:
        plan: What is wanted and what of it is recorded.
        store: Results, attempts and leases are written to it as they come.
        observer: Notified of what happens.
        pool: Warm worker groups to use and to leave running; without one the run has its own and ends it.

    Returns:
        What came of it. A failed cell is part of the outcome, not an exception.

    Raises:
        ClusterError: If Ray cannot be reached, or no node can hold a worker.
        ControlLost: If a process without which Ray does nothing died; this process cannot connect to Ray again.
        SweepError: If Ray is older than the engine runs on, or a pool is of another engine.
    """
    if pool is not None and options.engine != "warm":
        raise SweepError(f"a pool of warm groups must be used by engine='warm', but got engine={options.engine!r}")
    started = time.monotonic()
    failed = {cell.train_key: str(cell.failed) for cell in plan.set_aside}
    if not plan.to_run:
        observer.run_started(plan)
        return _ended(plan, observer, None, failed, started, None)
    check_release(options.engine)
    log_file = Path(options.log_file) if options.log_file else log_file_of("run")
    observer.log_opened(str(log_file))
    queued = QueuedObserver(observer)
    try:
        with quiet(log_file), reported_to(queued.message), stop_flag(observer.message, options.stop_grace_s) as flag:
            observer.stage("starting Ray" if options.address is None else "connecting to Ray")
            driver = _drive(plan, store, options, queued, pool, flag)
    except ControlLost:
        queued.run_ended(plan, "interrupted")
        raise
    finally:
        queued.flush()
        observer.stage("")
    if driver is not None and driver.error is not None:
        observer.run_ended(plan, "failed")
        raise driver.error
    ended = _ended(plan, observer, driver, failed, started, str(log_file))
    return replace(ended, is_ctrl_c=flag.is_ctrl_c and ended.status == "interrupted")


def _drive(
    plan: Plan,
    store: ResultsStore,
    options: RunOptions,
    queued: QueuedObserver,
    pool: GroupPool | None,
    flag: StopFlag,
) -> Driver | None:
    """Connect to Ray and let the run go on in a thread, which is left behind should Ray lose its own processes.

    Returns:
        The driver, or None where a signal ended the run before it had one.
    """
    drivers: list[Driver] = []

    def run() -> Driver | None:
        return _run(plan, store, options, queued, pool, flag, connection, drivers.append)

    try:
        with flag.breakable():
            connection = connect(options.address, num_cpus=_num_cpus(options), num_gpus=options.num_gpus)
    except Interrupted:
        return None
    with connection:
        try:
            return supervised(
                run,
                connection,
                failure=lambda: drivers[0].error if drivers else None,
                meanwhile=queued.flush,
            )
        except ControlLost as error:
            for driver in drivers:
                driver.give_up()
            # `timeout`, systemd and scancel signal every process: Ray's end with the run that is asked to.
            error.is_ending, error.is_ctrl_c = flag.count > 0, flag.is_ctrl_c
            raise


def _run(
    plan: Plan,
    store: ResultsStore,
    options: RunOptions,
    queued: QueuedObserver,
    pool: GroupPool | None,
    flag: StopFlag,
    connection: Connection,
    made: Callable[[Driver], None],
) -> Driver | None:
    if flag.count:
        return None
    with temporary_folder("trials") as scratch, _pool(options, pool) as groups:
        driver = Driver(
            plan,
            store=store,
            options=options,
            observer=queued,
            pool=groups,
            nodes=_nodes(options, connection),
            owner=owner_here(),
            keeps_groups=pool is not None,
        )
        made(driver)
        _check_fits(driver)
        queued.stage("starting workers")
        if not flag.count:
            driver.prestart()
        _announce(plan, driver, queued)
        with driver.leases:
            _loop(driver, plan, store, options, queued, flag, scratch, connection)
        return driver


def _announce(plan: Plan, driver: Driver, queued: QueuedObserver) -> None:
    """Report what the run has and what it does, while its first groups start."""
    queued.resources_known(driver.resources)
    queued.run_started(plan)
    for cell in plan.to_run:
        if cell.retrained:
            queued.message(f"cell {cell.cell_id} is trained again: {cell.retrained}")
    for cell in plan.cells:
        if cell.is_done:
            queued.cell_state(cell, "done")


def _loop(
    driver: Driver,
    plan: Plan,
    store: ResultsStore,
    options: RunOptions,
    queued: QueuedObserver,
    flag: StopFlag,
    scratch: Path,
    connection: Connection,
) -> None:
    """Let Ray Tune run in a thread and act on events until both are over."""
    # Imports Ray, and not in the thread: two threads that import it at once see each other's half-initialised modules.
    if options.engine == "plain":
        from orchestration.engine.plain.tuner import run_plain_tuner as run_tuner
    else:
        from orchestration.engine.tuner import run_tuner

    if not keep_credentials_out_of_trials() and "AWS_SECRET_ACCESS_KEY" in os.environ:
        queued.message("Ray may show the AWS_* variables of this process in its logs; use a role or ~/.aws/credentials")
    flag.has_cells = flag.count == 0
    if not flag.has_cells:
        driver.stop("interrupted")
        return
    tuner = threading.Thread(target=_tune, args=(driver, scratch, run_tuner), name="dreamgrid-tune", daemon=True)
    tuner.start()
    request = StandingRequest(store, plan.sweep, queued.message)
    next_look, grace_ends = 0.0, None
    while tuner.is_alive():
        driver.pump(PUMP_S)
        now = time.monotonic()
        if flag.count and driver.halt is None:
            driver.stop("interrupted")
        if now >= next_look and driver.halt is None:
            next_look = now + options.leases.poll_s
            _obey(driver, request.read())
            driver.cluster_changed(_nodes(options, connection), connection.leaving())
        if driver.halt is not None:
            grace_ends = grace_ends or now + options.stop_grace_s
            if flag.count > 1 or now > grace_ends:
                driver.abort()
                break
    driver.pump(0.0)
    tuner.join(TUNER_END_S)


def _tune(driver: Driver, scratch: Path, run_tuner: Callable[[Driver, str], None]) -> None:
    try:
        run_tuner(driver, str(scratch))
    except Exception as error:
        driver.error = driver.error or error
        driver.stop("failed")


def _obey(driver: Driver, request: str | None) -> None:
    driver.is_paused = request == "pause"
    if request == "stop":
        driver.stop("stopped")


def _num_cpus(options: RunOptions) -> int:
    """Return the CPUs of a private Ray: at least what one cell reserves, since workers may share a small machine."""
    workers = options.workers if isinstance(options.workers, int) else options.cpu_workers
    return options.num_cpus or max(available_cpus(), math.ceil(workers * (options.cpus_per_worker or 1.0)))


def _nodes(options: RunOptions, connection: Connection) -> tuple[Node, ...]:
    return options.expected_nodes or connection.nodes(options.growth)


def _check_fits(driver: Driver) -> None:
    for head in driver.state.heads():
        smallest = min(head.shapes, key=lambda shape: shape.width)
        check_fits(smallest, driver.state.room.nodes)


def _ended(
    plan: Plan,
    observer: RunObserver,
    driver: Driver | None,
    failed: dict[str, str],
    started: float,
    log_file: str | None,
) -> RunOutcome:
    failed = {**failed, **(driver.failed if driver else {})}
    over = driver.state.over if driver else {}
    keys = [cell.train_key for cell in plan.cells]
    was_done = {cell.train_key for cell in plan.cells if cell.is_done}
    done = tuple(key for key in keys if key not in failed and (key in was_done or over.get(key, False)))
    unfinished = tuple(key for key in keys if key not in failed and key not in done)
    halt: RunStatus | None = "interrupted" if driver is None and plan.to_run else driver.halt if driver else None
    status: RunStatus = halt or ("failed" if failed else "complete")
    if status == "complete" and unfinished and plan.mode != "read-only":
        status = "failed"
    observer.run_ended(plan, status)
    return RunOutcome(
        status=status,
        done=done,
        failed=failed,
        unfinished=unfinished,
        computed=tuple(driver.computed) if driver else (),
        reason=driver.reason if driver else "",
        attempts=driver.attempts if driver else 0,
        wall_s=time.monotonic() - started,
        log_file=log_file,
        resources=driver.resources if driver else None,
    )


@contextlib.contextmanager
def _pool(options: RunOptions, pool: GroupPool | None) -> Iterator[Pool]:
    # Both import Ray, whose environment `connect` has set.
    from orchestration.engine.groups.group import GroupPool
    from orchestration.engine.plain.pool import PlainPool

    if pool is not None:
        yield pool
        return
    made = PlainPool if options.engine == "plain" else GroupPool
    with made(
        health_check_s=options.health_check_s, group_start_s=options.group_start_s, scratch=options.scratch
    ) as own:
        yield own

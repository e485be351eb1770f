"""What `watch` shows of a sweep at one moment, as plain values: cells, rates, load, cost, time left, the table so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clusters.temporary.owners import describe
from eval.tables.grid import Table
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.planning.costs.estimate import TRAIN_STAGE, CellCost
from orchestration.planning.costs.machines import Machine
from orchestration.planning.states import State, counts_text, state_of
from orchestration.runs.eta import stages_of
from orchestration.runs.progress import stage_text
from orchestration.store.contract import Action, CellResult
from orchestration.store.driver_report import DriverReport, RunningCell

SILENT_FROM_S: Final = 25.0
"""Seconds without news of a driver from which the screen says so: more than two reports to an object store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """A cell as a line of the screen.

    Attributes:
        progress: What it is doing, or what is left to do.
        loss: Of its last epoch, or None.
        accuracy: On training images as seen, in its last epoch, or None.
        note: Why it failed, or is trained again.
    """

    key: str
    row: str
    seed: int
    state: State
    progress: str
    loss: float | None = None
    accuracy: float | None = None
    images_per_s: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy a machine is that running cells are on; shares from 0 to 1.

    Attributes:
        gpus: Of each worker that reports a GPU.
    """

    node: str
    cpu: float
    gpus: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a sweep has cost and will cost, in device-hours; the part of running cells is estimated.

    Attributes:
        spent_h: Recorded cells, and the finished share of what runs.
        expected_h: All of it once every cell that is to run is done.
        is_least: Whether parts of unknown cost are left out.
    """

    machine: Machine
    spent_h: float
    expected_h: float
    is_least: bool = False

    def money(self, hours: float) -> float:
        """Return the price of device-hours."""
        return hours / self.machine.devices * self.machine.price_per_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A driver, and for how long nothing new was heard of it.

    Attributes:
        is_gone: Whether it died, or has been silent for as long as its leases last.
    """

    report: DriverReport
    silent_s: float
    is_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the storage has of a sweep, apart from the reports of drivers.

    Attributes:
        costs: Train key -> what it was estimated to take when it was last estimated.
        spent_s: Device-seconds of recorded cells.
        unfilled: A line for each wanted column that stayed empty.
    """

    plan: Plan
    results: Mapping[str, CellResult]
    holders: Mapping[str, str]
    costs: Mapping[str, CellCost]
    spent_s: float
    unfilled: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A sweep at one moment.

    Attributes:
        activity: What its drivers do, as a sentence.
        share: Share of the run's work that is done, 0 to 1, as the driver itself shows it, or None.
        eta_s: Seconds left, as the driver itself shows them, or None.
        is_run: Whether a driver of this sweep runs.
        trouble: Why the storage could not be read, or "".
    """

    label: str
    title: str
    activity: str
    counts: str
    cells: tuple[CellView, ...]
    cost: Cost
    is_run: bool
    share: float | None = None
    eta_s: float | None = None
    cells_per_hour: float | None = None
    loads: tuple[Load, ...] = ()
    unfilled: tuple[str, ...] = ()
    tables: tuple[Table, ...] = field(default=(), repr=False)
    trouble: str = ""

    @property
    def failed(self) -> tuple[CellView, ...]:
        """The cells that failed."""
        return tuple(cell for cell in self.cells if cell.state == "failed")

    @property
    def is_over(self) -> bool:
        """Whether every cell is done or failed."""
        return all(cell.state in ("done", "failed") for cell in self.cells)

    @property
    def images_per_s(self) -> float | None:
        """Images that all running cells train on, a second; None where none says."""
        known = [cell.images_per_s for cell in self.cells if cell.state == "running" and cell.images_per_s]
        return math.fsum(known) if known else None


def snapshot_of(
    records: Records,
    heard: Sequence[Heard],
    *,
    title: str,
    machine: Machine,
    request: Action | None = None,
    trouble: str = "",
) -> Snapshot:
    """Return a sweep at this moment.

    Args:
        heard: Every driver on the storage: cells are shared between sweeps.
        request: What the drivers were asked to do.
    """
    plan = records.plan
    alive = [each for each in heard if not each.is_gone]
    own = [each for each in alive if each.report.sweep == plan.sweep]
    running = {cell.train_key: cell for each in alive for cell in each.report.cells}
    states = [_state(cell, running, records.holders) for cell in plan.cells]
    views = [
        _view(cell, state, running.get(cell.train_key), records.results)
        for cell, state in zip(plan.cells, states, strict=True)
    ]
    spent_s, left_s = _seconds(records, running)
    shares = [each.report.share for each in own if each.report.share is not None]
    etas = [each.report.eta_s - each.silent_s for each in own if each.report.eta_s is not None]
    rates = [each.report.cells_per_hour for each in own if each.report.cells_per_hour is not None]
    is_least = any(records.costs[cell.train_key].unknown for cell in plan.to_run if cell.train_key in records.costs)
    return Snapshot(
        label=plan.sweep,
        title=title,
        activity=_activity(plan, heard, request),
        counts=counts_text(plan.cells, states),
        cells=tuple(views),
        cost=Cost(machine=machine, spent_h=spent_s / 3600, expected_h=(spent_s + left_s) / 3600, is_least=is_least),
        is_run=bool(own),
        share=math.fsum(shares) / len(shares) if shares else None,
        eta_s=max(0.0, *etas) if etas else None,
        cells_per_hour=math.fsum(rates) if rates else None,
        loads=loads_of(running[cell.train_key] for cell in plan.cells if cell.train_key in running),
        unfilled=records.unfilled,
        tables=records.tables,
        trouble=trouble,
    )


def _state(cell: PlannedCell, running: Mapping[str, RunningCell], holders: Mapping[str, str]) -> State:
    """Return a cell's state; a driver's report is newer than the leases that were last looked at."""
    key = cell.train_key
    return state_of(cell, "a driver" if key in running else holders.get(key))


def _view(cell: PlannedCell, state: State, running: RunningCell | None, results: Mapping[str, CellResult]) -> CellView:
    values: dict[str, Any] = {}
    result = results.get(cell.train_key)
    if running is not None and state == "running":
        values = {name: getattr(running, name) for name in ("loss", "accuracy", "images_per_s")}
    elif result is not None and result.training.summary.epochs:
        row = result.training.summary.epochs[-1]
        values = {"loss": row.loss, "accuracy": row.accuracy}
    return CellView(
        key=cell.train_key,
        row=cell.cell.row or "(supporting)",
        seed=cell.cell.seed,
        state=state,
        progress=_progress(cell, state, running),
        note=(cell.failed or "") if state == "failed" else cell.retrained if state == "damaged" else "",
        **values,
    )


def _progress(cell: PlannedCell, state: State, running: RunningCell | None) -> str:
    if state == "running" and running is not None:
        text = doing_text(running)
        epochs = cell.config.recipe.epochs
        is_training = running.stage == TRAIN_STAGE and epochs
        return f"{text}, epoch {min(running.epoch + 1, epochs)} of {epochs}" if is_training else text
    if state in ("trained", "running"):
        return f"to do: {', '.join(stages_of(cell))}" if state == "trained" else ""
    return ""


def doing_text(running: RunningCell) -> str:
    """Return what a running cell does: "training 54 %", or "starting" before its first stage."""
    return stage_text(running.stage, running.done, running.total) if running.stage else "starting"


def _seconds(records: Records, running: Mapping[str, RunningCell]) -> tuple[float, float]:
    """Return the device-seconds that went into the sweep, and those that are left, of the cells that are to run."""
    spent, left = records.spent_s, 0.0
    for cell in records.plan.to_run:
        cost, now = records.costs.get(cell.train_key), running.get(cell.train_key)
        for stage in stages_of(cell):
            seconds = cost.stages.get(stage, 0.0) if cost is not None else 0.0
            is_current = now is not None and now.stage == stage and now.total > 0
            share = min(1.0, now.done / now.total) if is_current and now is not None else 0.0
            spent += seconds * share
            left += seconds * (1.0 - share)
    return spent, left


def _activity(plan: Plan, heard: Sequence[Heard], request: Action | None) -> str:
    asked = f"; asked to {request}" if request else ""
    own = [each for each in heard if each.report.sweep == plan.sweep]
    alive = [each for each in own if not each.is_gone]
    if alive:
        return "; ".join(map(_driver_text, alive)) + asked
    if all(cell.is_done for cell in plan.cells):
        return "complete" + asked
    if not plan.to_run:
        return "over: every cell is done or failed" + asked
    if own:
        last = describe(own[-1].report.owner)
        return f"no driver runs it: {last} died or lost the storage; run it again to continue{asked}"
    return f"no driver runs it{asked}"


def _driver_text(heard: Heard) -> str:
    report = heard.report
    silent = f", silent for {heard.silent_s:.0f} s" if heard.silent_s >= SILENT_FROM_S else ""
    doing = report.stage or "running"
    resources = f" ({report.resources})" if report.resources else ""
    return f"{doing}: {describe(report.owner)}{resources}{silent}"


def loads_of(cells: Iterable[RunningCell]) -> tuple[Load, ...]:
    """Return how busy each machine is, by name, as the workers of running cells report it."""
    cpus: dict[str, list[float]] = {}
    gpus: dict[str, list[float]] = {}
    for cell in cells:
        for use in cell.workers:
            cpus.setdefault(use.node, []).append(use.cpu_busy)
            gpus.setdefault(use.node, []).extend([] if use.gpu_busy is None else [use.gpu_busy])
    return tuple(
        Load(node=node, cpu=math.fsum(found) / len(found), gpus=tuple(gpus[node]))
        for node, found in sorted(cpus.items())
    )

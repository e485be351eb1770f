"""`plan`: what a sweep wants, and what of it would run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

import typer

from augment.lookup.parameters import nearest
from augment.lookup.wording import count
from orchestration.cells.cell import Mode, Plan, PlannedCell
from orchestration.cells.checks.tables import unmatched_tables
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo_damage, echo_err, emit
from orchestration.cli.parsing import checked
from orchestration.errors import InputError, Mistake, command
from orchestration.planning.costs.estimate import PlanCost, estimate, recorded_seconds
from orchestration.planning.costs.machines import DEFAULT_MACHINE, PRICE_FILE, Machine, read_machine
from orchestration.planning.costs.units import amount, duration, size
from orchestration.planning.generated_images import generated_document, generated_images, generated_lines
from orchestration.planning.plan import make_plan
from orchestration.planning.states import State, counts_text, state_of, to_do_text
from orchestration.planning.sweep_records import recorded_otherwise
from orchestration.store.contract import ResultsStore
from orchestration.sweeps.model import Sweep

MODES: Final = ("cached", "retry", "force", "read-only")
SOURCES: Final = {
    "recorded": "recorded cells of the same kind",
    "operations": "operation counts (rough)",
    "unknown": "nothing, as their cost is unknown",
}


def mode_of(text: str) -> Mode:
    """Return a mode by its name."""
    if text not in MODES:
        raise InputError(
            "options", [Mistake(where=f"--mode {text}", text=f"unknown mode '{text}'{nearest(text, MODES)}")]
        )
    return cast("Mode", text)


ModeName = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="MODE",
        help="cached: run missing cells; retry: failed ones too; force: all; read-only: none.",
        callback=checked(mode_of),
    ),
]


@dataclass(frozen=True, kw_only=True)
class CostOptions:
    """What machine a plan is estimated for."""

    machine: options.MachineName = DEFAULT_MACHINE
    prices: options.PriceFile = None
    devices: Annotated[
        int | None, typer.Option("--devices", max=1_000_000, help="Devices used at once [those of one such machine].")
    ] = None
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="First time a few steps of each kind of cell on this machine, as MACHINE. Later plans reuse them.",
        ),
    ] = False

    def read_machine(self) -> Machine:
        """Return the machine of the price file.

        Raises:
            InputError: If there is no such machine, or the file is wrong.
        """
        return read_machine(self.machine, self.prices or PRICE_FILE)

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """
        self.read_machine()


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"plan": plan})


def plan(
    choice: options.PlannedSweepOptions,
    places: options.PlaceOptions,
    costs: CostOptions,
    mode: ModeName = "cached",
    as_json: options.Json = False,
) -> int:
    """Show what a sweep would run, and what it would cost. Starts nothing."""
    machine = costs.read_machine()
    opened = options.open_sweep(choice, places)
    resolved, store = opened.resolved, opened.store
    sweep = resolved.sweep
    made = make_plan(resolved, store=store, mode=mode_of(mode), checkpoints=opened.settings.checkpoints)
    otherwise = recorded_otherwise(resolved, store, echo_damage) if made.to_run else ()
    if costs.calibrate:
        _calibrate(made, opened, machine)
    workers = sweep.asked_workers or ("auto" if machine.device_type == "cuda" else sweep.workers)
    cost = estimate(
        made, store=store, catalogue=resolved.catalogue, machine=machine, devices=costs.devices, workers=workers
    )
    for line in cost.not_whole:
        echo_err(f"estimated without damaged records: {line}")
    budget = opened.settings.generated_bytes
    images = generated_images(made.to_run, resolved.catalogue.dataset, budget)
    states = _states(made, store)
    document = {
        **plan_document(made, sweep, states),
        "otherwise": otherwise,
        "generated_images": generated_document(images),
        "cost": cost_document(cost),
    }
    lines = [*otherwise, *generated_lines(images, budget), cost_text(cost)]
    emit(document, lambda: "\n".join([plan_text(made, sweep, states), *lines]), as_json=as_json)
    return EXIT_DONE


def _calibrate(made: Plan, opened: options.OpenSweep, machine: Machine) -> None:
    """Measure every kind of cell of a plan that nothing recorded informs about, and keep that in the store."""
    from orchestration.evaluation.calibrate import calibrate  # trains: it needs torch, which `plan` alone does without

    found = calibrate(
        made.to_run,
        known=recorded_seconds(made, opened.store, echo_damage),
        machine=machine,
        settings=opened.settings,
        notify=echo_err,
    )
    for kind, reason in found.skipped.items():
        echo_err(f"not calibrated: {kind}: {reason}")
    if found.measured.training or found.measured.evaluation:
        opened.store.record_calibration(machine.name, found.hardware, found.measured)
        echo_err(f"measured on {found.hardware} and kept as machine '{machine.name}' for later plans on this storage")
    elif not found.skipped:
        echo_err("nothing to calibrate: every kind of cell is recorded, or nothing would run")


def _states(made: Plan, store: ResultsStore) -> list[State]:
    holders = store.holders([cell.train_key for cell in made.cells if not cell.is_done])
    return [state_of(cell, holders.get(cell.train_key)) for cell in made.cells]


def plan_document(made: Plan, sweep: Sweep, states: Sequence[State]) -> dict[str, Any]:
    """Return a plan as plain values."""
    parts = sweep.leaves
    return {
        "sweep": made.sweep,
        "title": sweep.title,
        "mode": made.mode,
        "counts": _counts(made),
        "cells": [_cell_document(cell, state) for cell, state in zip(made.cells, states, strict=True)],
        "columns": list(map(str, sweep.columns)),
        "stand_ins": {str(shown): str(column) for part in parts for shown, column in part.stand_ins.items()},
        "left_out": {name: reason for part in parts for name, reason in part.left_out.items()},
        "duplicates": [list(rows) for rows in made.duplicates],
        "missing_data": list(made.missing_data),
        "missing_benchmarks": list(made.missing_benchmarks),
        "left_out_images": list(made.left_out),
        "unmatched_tables": list(unmatched_tables(sweep)),
    }


def plan_text(made: Plan, sweep: Sweep, states: Sequence[State]) -> str:
    """Return a plan as text."""
    counts = _counts(made)
    rows = [
        [cell.cell_id, cell.cell.row or "(supporting)", str(cell.cell.seed), state, to_do_text(cell)]
        for cell, state in zip(made.cells, states, strict=True)
    ]
    again = f", {counts['to_train_again']} of them again" if counts["to_train_again"] else ""
    lines = [
        f"{made.sweep}: {sweep.title}",
        columns(rows, header=["cell", "row", "seed", "state", "to do"]),
        "",
        counts_text(made.cells, states),
        f"to run: {count(counts['to_run'], 'cell')} ({counts['to_train']} to train{again}, "
        f"{counts['to_evaluate']} to evaluate only)",
    ]
    lines += [f"cell {cell.cell_id} is trained again: {cell.retrained}" for cell in made.to_run if cell.retrained]
    if counts["set_aside"]:
        again = command("run", options=("--mode", "retry"))
        lines.append(f"{counts['set_aside']} failed before and are skipped; run them again with: {again}")
    lines += [f"identical cells: {', '.join(rows)}" for rows in made.duplicates]
    for part in sweep.leaves:
        where = f"{part.name}: " if sweep.parts else ""
        lines += [f"{where}left out: {name} ({reason})" for name, reason in part.left_out.items()]
        lines += [f"{where}{shown} replaces {column}" for shown, column in part.stand_ins.items()]
    lines += unmatched_tables(sweep)
    lines += [f"left out: {line}" for line in made.left_out]
    lines += [f"missing: {line}" for line in (*made.missing_data, *made.missing_benchmarks)]
    return "\n".join(lines)


def cost_document(cost: PlanCost) -> dict[str, Any]:
    """Return what a plan will cost as plain values."""
    return {
        "machine": cost.machine.name,
        "devices": cost.devices,
        "device_hours": cost.device_hours,
        "wall_hours": cost.wall_hours,
        "disk_bytes": cost.disk_bytes,
        "money": cost.money,
        "currency": cost.machine.currency,
        "is_lower_bound": bool(cost.unknown),
        "unknown": list(cost.unknown),
        "estimated_from": cost.by_source(),
        "calibrated_on": list(cost.calibrated_on),
    }


def cost_text(cost: PlanCost) -> str:
    """Return what a plan will cost as a sentence."""
    if not cost.cells:
        return "nothing to run, no cost"
    machine, sources = cost.machine, cost.by_source()
    hardware = f" on {', '.join(cost.calibrated_on)}" if cost.calibrated_on else ""
    spoken = {**SOURCES, "calibration": f"a calibration{hardware}"}
    learned = ", ".join(f"{count(number, 'cell')} from {spoken[source]}" for source, number in sources.items())
    wall = duration(3600 * cost.wall_hours)
    about = "at least " if cost.unknown else "" if wall.startswith("under") else "about "
    text = (
        f"estimate for {machine.name} ({count(cost.devices, 'device')}): {about}{wall} "
        f"({amount(cost.device_hours)} device-hours), {amount(cost.money)} {machine.currency}, {size(cost.disk_bytes)} of "
        f"checkpoints; {learned}"
    )
    return "\n".join([text, *cost.unknown])


def _counts(made: Plan) -> dict[str, int]:
    to_run = made.to_run
    return {
        "wanted": sum(not cell.supporting for cell in made.cells),
        "recorded": sum(cell.is_done for cell in made.cells if not cell.supporting),
        "supporting": sum(cell.supporting for cell in made.cells),
        "to_run": len(to_run),
        "to_train": sum(not cell.trained for cell in to_run),
        "to_train_again": sum(bool(cell.retrained) for cell in to_run),
        "to_evaluate": sum(cell.trained for cell in to_run),
        "set_aside": len(made.set_aside),
    }


def _cell_document(cell: PlannedCell, state: State) -> dict[str, Any]:
    return {
        "id": cell.cell_id,
        "train_key": cell.train_key,
        "row": cell.cell.row,
        "seed": cell.cell.seed,
        "state": state,
        "method": cell.config.method,
        "dataset": cell.config.dataset,
        "model": cell.config.model,
        "trained": cell.trained,
        "wanted": [request.name for request in cell.benchmarks],
        "missing": [request.name for request in cell.missing],
        "supporting": cell.supporting,
        "failed": cell.failed,
        "retrained": cell.retrained,
    }

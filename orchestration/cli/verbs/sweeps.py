"""`sweeps` and `plan`: what there is, and what would run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, count, emit, show, tell, tell_damage
from orchestration.errors import command

if TYPE_CHECKING:
    from orchestration.cells.cell import Mode, Plan, PlannedCell
    from orchestration.planning.costs.estimate import PlanCost
    from orchestration.sweeps.model import Sweep


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("sweeps")(sweeps)
    app.command("plan")(plan)


def sweeps(
    as_json: options.Json = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of sweep files, for editors.")
    ] = False,
    machine: Annotated[str, typer.Option("--machine", help="Machine of the price file that costs are for.")] = "v100",
) -> int:
    """List the built-in sweeps: table, rows, cells, sizes, what data they need, what they cost."""
    from orchestration.cells.catalogue import builtin_catalogue
    from orchestration.cells.load import SWEEPS, sweep_json_schema_text
    from orchestration.planning.costs.listing import listed_totals

    if schema:
        show(sweep_json_schema_text(builtin_catalogue()))
        return EXIT_DONE
    totals = listed_totals(machine)
    rows = [{**_summary(name), "machine": machine, **totals[name]} for name in SWEEPS]
    emit(rows, lambda: _sweeps_text(rows), as_json=as_json)
    return EXIT_DONE


def plan(
    sweep: options.SweepName,
    smoke: options.Smoke = False,
    small: options.Small = False,
    assignments: options.Set = None,
    seeds: options.Seeds = None,
    workers: options.Workers = None,
    mode: options.ModeName = "cached",
    storage: options.Storage = None,
    data_root: options.DataRoot = None,
    machine: Annotated[
        str, typer.Option("--machine", help="Machine of the price file that costs are for.")
    ] = "cpu-core",
    prices: Annotated[Path | None, typer.Option("--prices", help="Price file instead of the packaged one.")] = None,
    devices: Annotated[
        int | None, typer.Option("--devices", help="Devices at once; by default those of one such machine.")
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="First time a few steps of each kind of cell here, as MACHINE; kept for later."
        ),
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Show what a sweep wants, what of it is recorded, and what would run. Starts nothing."""
    from orchestration.planning.costs.estimate import PRICE_FILE, estimate, read_machine
    from orchestration.planning.plan import make_plan
    from orchestration.planning.sweep_records import recorded_otherwise

    opened = options.chosen(sweep, smoke, small, assignments, seeds, workers).opened(storage, data_root)
    resolved, store = opened.resolved, opened.store
    loaded = resolved.sweep
    made = make_plan(resolved, store=store, mode=mode_of(mode), checkpoints=opened.settings.checkpoints)
    otherwise = recorded_otherwise(resolved, store, tell_damage) if made.to_run else ()
    priced = read_machine(machine, prices or PRICE_FILE)
    if calibrate:
        from orchestration.cli.calibration_output import calibrated_first

        calibrated_first(made, store=store, settings=opened.settings, machine=priced)
    cost = estimate(
        made, store=store, catalogue=resolved.catalogue, machine=priced, devices=devices, workers=loaded.workers
    )
    for line in cost.not_whole:
        tell(f"estimated without what is not whole: {line}")
    document = {**plan_document(made, loaded), "otherwise": otherwise, "cost": cost_document(cost)}
    emit(document, lambda: "\n".join([plan_text(made, loaded), *otherwise, cost_text(cost)]), as_json=as_json)
    return EXIT_DONE


def mode_of(text: str) -> Mode:
    """Return a mode by its name.

    Raises:
        InputError: If there is no such mode.
    """
    from orchestration.errors import InputError, Mistake, nearest

    if text not in options.MODES:
        mistake = Mistake(where=f"--mode {text}", text=f"unknown mode '{text}'{nearest(text, options.MODES)}")
        raise InputError("options", [mistake])
    return cast("Mode", text)


def plan_document(made: Plan, sweep: Sweep) -> dict[str, Any]:
    """Return a plan as plain values."""
    from orchestration.cells.checks.published_rows import unmatched_tables

    parts = sweep.leaves
    return {
        "sweep": made.sweep,
        "title": sweep.title,
        "mode": made.mode,
        "counts": _counts(made),
        "cells": [_cell_document(cell) for cell in made.cells],
        "columns": list(map(str, sweep.columns)),
        "stand_ins": {str(shown): str(column) for part in parts for shown, column in part.stand_ins.items()},
        "left_out": {name: reason for part in parts for name, reason in part.left_out.items()},
        "duplicates": [list(rows) for rows in made.duplicates],
        "missing_data": list(made.missing_data),
        "missing_benchmarks": list(made.missing_benchmarks),
        "left_out_images": list(made.left_out),
        "unmatched_tables": list(unmatched_tables(sweep)),
    }


def plan_text(made: Plan, sweep: Sweep) -> str:
    """Return a plan as text."""
    from orchestration.cells.checks.published_rows import unmatched_tables

    counts = _counts(made)
    rows = [
        [cell.cell_id, cell.cell.row or "(supporting)", str(cell.cell.seed), _state(cell, made), _missing(cell)]
        for cell in made.cells
    ]
    again = f", {counts['to_train_again']} of them again" if counts["to_train_again"] else ""
    lines = [
        f"{made.sweep}: {sweep.title}",
        columns(rows, header=["cell", "row", "seed", "state", "to do"]),
        "",
        f"{count(counts['wanted'], 'cell')} wanted, {counts['recorded']} recorded, {counts['supporting']} supporting, "
        f"{counts['to_run']} to run ({counts['to_train']} to train{again}, {counts['to_evaluate']} to evaluate only)",
    ]
    lines += [f"cell {cell.cell_id} is trained again: {cell.retrained}" for cell in made.to_run if cell.retrained]
    if counts["set_aside"]:
        again = command("run", options=("--mode", "retry"))
        lines.append(f"{counts['set_aside']} failed before and stay aside; run them again with: {again}")
    lines += [f"one and the same cells: {', '.join(rows)}" for rows in made.duplicates]
    for part in sweep.leaves:
        where = f"{part.name}: " if sweep.parts else ""
        lines += [f"{where}left out: {name} ({reason})" for name, reason in part.left_out.items()]
        lines += [f"{where}{shown} stands in for {column}" for shown, column in part.stand_ins.items()]
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
        "estimated_from": cost.by_source(),
        "is_lower_bound": bool(cost.unknown),
        "unknown": list(cost.unknown),
        "calibrated_on": list(cost.calibrated_on),
    }


def cost_text(cost: PlanCost) -> str:
    """Return what a plan will cost as a sentence."""
    if not cost.cells:
        return "nothing to run, nothing to pay"
    machine, sources = cost.machine, cost.by_source()
    hardware = f" on {', '.join(cost.calibrated_on)}" if cost.calibrated_on else ""
    spoken = {**_SOURCES, "calibration": f"a calibration{hardware}"}
    learned = ", ".join(f"{count(number, 'cell')} from {spoken[source]}" for source, number in sources.items())
    least = "at least " if cost.unknown else ""
    text = (
        f"estimate for {machine.name} ({count(cost.devices, 'device')}): {least}{cost.device_hours:.3g} device-hours, "
        f"{cost.wall_hours:.3g} hours, {cost.disk_bytes / 2**20:.0f} MiB of checkpoints, "
        f"{cost.money:.2f} {machine.currency} ({learned})"
    )
    return "\n".join([text, *cost.unknown])


_SOURCES = {
    "recorded": "recorded cells of the same kind",
    "operations": "counted operations, rough",
    "unknown": "nothing, as their cost is unknown",
}


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


def _cell_document(cell: PlannedCell) -> dict[str, Any]:
    return {
        "id": cell.cell_id,
        "train_key": cell.train_key,
        "row": cell.cell.row,
        "seed": cell.cell.seed,
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


def _state(cell: PlannedCell, made: Plan) -> str:
    if cell.is_done:
        return "recorded"
    if cell.failed is not None and made.mode not in ("retry", "force"):
        return "failed"
    return "damaged" if cell.retrained else "trained" if cell.trained else "missing"


def _missing(cell: PlannedCell) -> str:
    stages = [] if cell.trained else ["train"]
    return ", ".join([*stages, *(request.name for request in cell.missing)]) or "-"


def _summary(name: str) -> dict[str, Any]:
    from orchestration.cells.load import built_in_sweep, load_sweep_file, sizes_of
    from orchestration.planning.costs.listing import needed_data

    file = load_sweep_file(name)
    full = built_in_sweep(name)
    parts = full.leaves
    return {
        "name": name,
        "title": file.title,
        "rows": sum(len(part.rows) for part in parts),
        "columns": len(full.columns),
        "sizes": list(sizes_of(file)),
        "data": list(needed_data(full)),
        "published": file.table.published if file.table is not None else list(file.include),
    }


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value >= 0.01 else "under 0.01"


def _sweeps_text(rows: list[dict[str, Any]]) -> str:
    table = [
        [
            row["name"],
            row["title"],
            str(row["rows"]),
            str(row["cells"]),
            f"{_amount(row['device_hours'])} h, {_amount(row['money'])} {row['currency']}",
            ", ".join(row["sizes"]),
            ", ".join(row["data"]),
        ]
        for row in rows
    ]
    header = ["sweep", "title", "rows", "cells", f"on {rows[0]['machine']}", "sizes", "data"]
    return (
        columns(table, header=header, right=(2, 3, 4))
        + "\n\nCosts are device-hours of the full size from nothing, counted in operations: rough; `plan` says more."
        + "\ndreamgrid plan SWEEP shows a sweep's cells; dreamgrid run SWEEP runs it."
    )

"""How many cells each built-in sweep has, what it costs from nothing by counted operations, and what data it needs.

Counting resolves every cell of every sweep, which a list should not wait for: the totals are in a file, and a test
compares it with a fresh count. `python -m orchestration.planning.costs.listing` writes it again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from augment.compound import method_for
from eval.benchmarks.registry import benchmark_for
from orchestration.cells.load import SWEEPS, load_sweep
from orchestration.planning.costs.machines import DEFAULT_MACHINE, read_machine
from orchestration.planning.costs.operations import CostModel
from orchestration.planning.plan import make_plan
from orchestration.store.open import open_store
from orchestration.sweeps.model import Sweep
from trainers.datasets.registry import dataset_for

TOTALS_FILE: Final = Path(__file__).with_name("sweep_totals.json")


def listed_totals(machine: str = DEFAULT_MACHINE) -> Mapping[str, Mapping[str, Any]]:
    """Return what each sweep comes to in its full size with its own seeds, nothing recorded.

    Returns:
        Sweep -> {"cells" (those of its rows, shared ones once), "device_hours", "money", "currency"}.

    Raises:
        InputError: If the price file has no such machine.
    """
    priced = read_machine(machine)
    totals: Mapping[str, Mapping[str, Any]] = json.loads(TOTALS_FILE.read_text(encoding="utf-8"))
    listed = {}
    for name, total in totals.items():
        hours = (
            math.fsum(priced.seconds(count, precision) or 0.0 for precision, count in total["operations"].items())
            / 3600
        )
        money = hours / priced.devices * priced.price_per_hour
        listed[name] = {
            "cells": total["cells"], "device_hours": hours, "money": money, "currency": priced.currency,
        }  # fmt: skip
    return listed


def needed_data(sweep: Sweep) -> tuple[str, ...]:
    """Return what a sweep reads: datasets, outlier streams, and published benchmark files."""
    points = [point for part in sweep.leaves for point in part.points]
    named = {str(point.settings["dataset"].value) for point in points}
    streams = {
        str(point.settings["outliers"].value)
        for point in points
        if "outliers" in point.settings and method_for(str(point.settings["method"].value)).needs_outliers
    }
    sets = {str(point.settings["mixing_set"].value) for point in points if "mixing_set" in point.settings}
    streams |= sets & {"random-images-300k"}
    benchmarks = dict.fromkeys(column.benchmark for column in sweep.columns)
    files = [benchmark_for(each).title for each in benchmarks if benchmark_for(each).origin == "published"]
    return (*sorted(named | streams), *([f"files of {', '.join(files)}"] if files else []))


def counted_totals() -> dict[str, dict[str, Any]]:
    """Return the wanted cells of every built-in sweep in its full size, and what they compute, parents included.

    Returns:
        Sweep -> {"cells", "operations": precision -> floating-point operations}.
    """
    model, store = CostModel(), open_store("memory:")
    made = {}
    for name in SWEEPS:
        plan = make_plan(load_sweep(name), store=store)
        operations: dict[str, float] = {}
        for cell in plan.to_run:
            dataset = dataset_for(cell.config.dataset)
            counts = [(cell.config.recipe.precision, model.training(cell.config, dataset))]
            counts += [(each.precision, model.evaluation(each, cell.config, dataset)) for each in cell.missing]
            for precision, count in counts:
                if count is None:
                    raise ValueError(f"sweep '{name}' has a network whose operations are unknown")
                operations[precision] = operations.get(precision, 0.0) + count
        rounded = {precision: float(f"{count:.6g}") for precision, count in sorted(operations.items()) if count}
        made[name] = {"cells": sum(not cell.supporting for cell in plan.cells), "operations": rounded}
    return made


if __name__ == "__main__":
    TOTALS_FILE.write_text(json.dumps(counted_totals(), indent=2) + "\n", encoding="utf-8")

"""What each built-in sweep costs from nothing, by counted operations, and what data it needs.

Counting resolves every cell of every sweep, which a list should not wait for: the operations lie in a file, and a test
compares it with a fresh count. `python -m orchestration.sweep_costs` writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from orchestration.costs import read_machine
from orchestration.sweep import Sweep
from orchestration.sweep_files import SWEEPS, load_sweep

LISTED_MACHINE: Final = "v100"
OPERATIONS_FILE: Final = Path(__file__).with_name("sweep_operations.json")


def listed_costs(machine: str = LISTED_MACHINE) -> Mapping[str, Mapping[str, Any]]:
    """Return sweep -> {"device_hours", "money", "currency"} for the full size with its own seeds, nothing recorded.

    Raises:
        InputError: If the price file has no such machine.
    """
    priced = read_machine(machine)
    operations: Mapping[str, float] = json.loads(OPERATIONS_FILE.read_text(encoding="utf-8"))
    hours = {name: count / (priced.tflops * 1e12) / 3600 for name, count in operations.items()}
    return {
        name: {
            "device_hours": found,
            "money": found / priced.devices * priced.price_per_hour,
            "currency": priced.currency,
        }
        for name, found in hours.items()
    }


def needed_data(sweep: Sweep) -> tuple[str, ...]:
    """Return what a sweep reads: datasets, outlier streams, and published benchmark files."""
    from eval.benchmarks import benchmark_for

    points = [point for part in sweep.parts or (sweep,) for point in part.points]
    named = {str(point.settings["dataset"].value) for point in points}
    streams = {
        str(point.settings["outliers"].value)
        for point in points
        if "outliers" in point.settings and "oe" in str(point.settings["method"].value).split("+")
    }
    sets = {str(point.settings["mixing_set"].value) for point in points if "mixing_set" in point.settings}
    streams |= sets & {"random-images-300k"}
    benchmarks = dict.fromkeys(column.partition("/")[0] for column in sweep.columns)
    files = [benchmark_for(each).title for each in benchmarks if benchmark_for(each).origin == "published"]
    return (*sorted(named | streams), *([f"files of {', '.join(files)}"] if files else []))


def counted_operations() -> dict[str, float]:
    """Return the floating-point operations of every built-in sweep in its full size, parents included."""
    from orchestration.catalogue import builtin_catalogue
    from orchestration.plan import make_plan
    from orchestration.store import open_store
    from orchestration.workload import judging_flops, training_flops

    catalogue, store = builtin_catalogue(), open_store("memory:")
    made = {}
    for name in SWEEPS:
        cells = make_plan(load_sweep(name), store=store, catalogue=catalogue).to_run
        training = [training_flops(cell.config, catalogue.dataset(cell.config.dataset)) for cell in cells]
        judging = [
            judging_flops(request, cell.config, catalogue.dataset(cell.config.dataset))
            for cell in cells
            for request in cell.missing
        ]
        made[name] = float(f"{sum(training) + sum(judging):.6g}")
    return made


if __name__ == "__main__":
    OPERATIONS_FILE.write_text(json.dumps(counted_operations(), indent=2) + "\n", encoding="utf-8")

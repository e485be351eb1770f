"""What each built-in sweep costs from nothing, by counted operations; kept in the cache, since all must be resolved for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration import costs, workload
from orchestration.sweep_files import SWEEPS, load_sweep

if TYPE_CHECKING:
    from orchestration.catalogue import Catalogue

LISTED_MACHINE: Final = "v100"


def listed_costs(catalogue: Catalogue, cache_dir: Path, *, machine: str = LISTED_MACHINE) -> Mapping[str, Any]:
    """Return sweep -> {"device_hours", "money", "currency"} for one seed of its full size, nothing recorded.

    Args:
        catalogue: What cells may name.
        cache_dir: Where what was counted is kept until a sweep, the prices or the way of counting change.
        machine: Machine of the price file.

    Raises:
        InputError: If the price file has no such machine.
    """
    path = cache_dir / f"sweep-costs-{_digest(machine)}.json"
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError):
        made = _counted(catalogue, machine)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made), encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written only costs time
    return made


def needed_data(name: str) -> tuple[str, ...]:
    """Return what a built-in sweep in its full size reads: datasets, outlier streams, and published benchmark files."""
    from eval.benchmarks import benchmark_for

    full = load_sweep(name)
    points = [point for part in full.parts or (full,) for point in part.points]
    named = {str(point.settings[path].value) for point in points for path in ("dataset",) if path in point.settings}
    streams = {
        str(point.settings["outliers"].value)
        for point in points
        if "outliers" in point.settings and "oe" in str(point.settings["method"].value).split("+")
    }
    sets = {str(point.settings["mixing_set"].value) for point in points if "mixing_set" in point.settings}
    streams |= sets & {"random-images-300k"}
    benchmarks = dict.fromkeys(column.partition("/")[0] for column in full.columns)
    files = [benchmark_for(each).title for each in benchmarks if benchmark_for(each).origin == "published"]
    return (*sorted(named | streams), *([f"files of {', '.join(files)}"] if files else []))


def _counted(catalogue: Catalogue, machine: str) -> dict[str, Any]:
    from orchestration.plan import make_plan
    from orchestration.store import open_store

    priced, store = costs.read_machine(machine), open_store("memory:")
    made = {}
    for name in SWEEPS:
        plan = make_plan(load_sweep(name), store=store, catalogue=catalogue)
        cost = costs.estimate(plan, store=store, catalogue=catalogue, machine=priced)
        made[name] = {"device_hours": cost.device_hours, "money": cost.money, "currency": priced.currency}
    return made


def _digest(machine: str) -> str:
    files = [*SWEEPS.values(), costs.PRICE_FILE, Path(str(costs.__file__)), Path(str(workload.__file__))]
    text = b"".join(path.read_bytes() for path in files)
    return hashlib.sha256(machine.encode() + text).hexdigest()[:16]

"""A page of results with its birth certificate: the grid, the papers' claims, and where every number comes from.

python -m benchmarks.results_page table-10 --small --storage results > docs/results/table-10.md
dreamgrid report table-10 --small --storage results -o docs/results/table-10.html
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import cpu_model
from benchmarks.pages.markdown import code, table
from orchestration.planning.costs.units import duration
from orchestration.planning.lookup import recorded
from orchestration.results.notebook import LoadedSweep, load_sweep
from orchestration.results.report.build import report_content
from orchestration.store.contract import CellResult
from orchestration.sweeps.layout import shown_title


def document(loaded: LoadedSweep, command: str, hardware: str) -> str:
    """Return the page as Markdown.

    Args:
        loaded: A sweep of which every cell is recorded.
        command: The command that computed it, for people to repeat.
        hardware: What it was computed on.

    Raises:
        ValueError: If a cell of the sweep is not recorded.
    """
    results = recorded(loaded.resolved.cells, loaded.store)
    if missing := [cell.cell_id for cell in loaded.resolved.cells if cell.train_key not in results]:
        raise ValueError(f"every cell must be recorded, but {len(missing)} are not: {', '.join(missing[:5])}")
    content = report_content(loaded.resolved, loaded.store, results)
    name, is_smaller = loaded.resolved.sweep.name, loaded.resolved.sweep.size != "full"
    lines = [f"# {shown_title(loaded.resolved.sweep)}", "", *_grid(loaded)]
    lines += ["", "## What the papers say", "", _claims(content["claims"], is_smaller=is_smaller)]
    lines += ["## Birth certificate", "", _certificate(results, content["parts"], command, hardware)]
    lines.append(
        f"The whole report, with figures and every cell's provenance: [{name}.html]({name}.html), one file that opens offline."
    )
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Return processor, cores and memory of this machine."""
    return f"{cpu_model()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory"


def _grid(loaded: LoadedSweep) -> list[str]:
    lines = loaded.table().to_markdown().strip().splitlines()
    return [line for at, line in enumerate(lines) if at > 1 or (line and not line.startswith("#"))]


def _claims(claims: list[dict[str, Any]], *, is_smaller: bool) -> str:
    if not claims:
        return "No claim of the papers speaks of this sweep.\n"
    says = "Each claim as the paper states it, first with the paper's own numbers, then with the ones above."
    if is_smaller:
        says += " Here it is tested on another dataset and network than the paper's."
    rows = [(each["says"], each["published_numbers"] or "–", each["verdict"], each["reason"] or "") for each in claims]
    return f"{says}\n\n" + table(("the papers say", "papers' numbers", "ours", "why"), rows)


def _certificate(results: Mapping[str, CellResult], parts: list[dict[str, Any]], command: str, hardware: str) -> str:
    trainings = [result.training for result in results.values()]
    origins = [each.provenance for each in trainings]
    commits = sorted({f"{each.commit[:12]}{' with changes' if each.dirty else ''}" for each in origins})
    at = [each.recorded_at for each in origins]
    training, evaluation = (
        duration(math.fsum(part["ledger"][kind]["actual"] for part in parts)) for kind in ("train_s", "evaluation_s")
    )
    versions = {key: value for each in origins for key, value in each.versions.items()}
    where = sorted({_workers(each.summary.environment) for each in trainings})
    rows = [
        ("command", code(command)),
        ("commit", ", ".join(commits)),
        ("recorded (UTC)", f"{_moment(min(at))} to {_moment(max(at))}"),
        ("hardware", f"{hardware}; workers per cell: {', '.join(where)}"),
        ("cells", len(results)),
        ("time", f"training {training}, evaluation {evaluation} of worker time"),
        ("versions", ", ".join(f"{key} {value}" for key, value in versions.items())),
        *(("data", text) for text in _data(parts)),
    ]
    return table(("", ""), rows)


def _workers(environment: Mapping[str, Any]) -> str:
    return f"{environment.get('world_size', 'unknown')} on {environment.get('device', 'unknown')}"


def _data(parts: list[dict[str, Any]]) -> list[str]:
    lines = {
        f"{each['name']}: {each['identity']}{'; ' + each['notes'] if each['notes'] else ''}": None
        for part in parts
        for each in part["data"]
    }
    return list(lines)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def main() -> None:
    """Print the page of a sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep")
    parser.add_argument("--small", action="store_const", const="small", default="full", dest="size")
    parser.add_argument("--storage", required=True)
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args()
    loaded = load_sweep(given.sweep, size=given.size, storage=given.storage, data_root=given.data_root)
    command = f"dreamgrid run {given.sweep}{' --small' if given.size == 'small' else ''}"
    print(document(loaded, command, machine()), end="")


if __name__ == "__main__":
    main()

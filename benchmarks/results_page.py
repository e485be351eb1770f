"""A page of results with its birth certificate: the grid, the papers' claims, and where every number comes from.

python -m benchmarks.results_page table-10 --small --storage results > docs/results/table-10.md
dreamgrid report table-10 --small --storage results -o docs/results/table-10.html
"""

from __future__ import annotations

import argparse
import math
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from orchestration.planning.costs.units import duration
from orchestration.results.claims import evaluate_claims, verdict_document
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
    results = loaded.store.results({cell.train_key for cell in loaded.resolved.cells})
    if missing := [cell.cell_id for cell in loaded.resolved.cells if cell.train_key not in results]:
        raise ValueError(f"every cell must be recorded, but {len(missing)} are not: {', '.join(missing[:5])}")
    name = loaded.resolved.sweep.name
    lines = [f"# {shown_title(loaded.resolved.sweep)}", "", *_grid(loaded)]
    lines += ["", "## What the papers say", "", *_claims(loaded)]
    lines += ["", "## Birth certificate", "", *_certificate(loaded, list(results.values()), command, hardware)]
    lines += [
        "",
        f"The whole report, with figures and every cell's provenance: [{name}.html]({name}.html), one file that opens offline.",
    ]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Return processor, cores and memory of this machine."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text(encoding="utf-8")) if info.exists() else None
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{found[1].strip() if found else platform.processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB of memory"
    )


def _grid(loaded: LoadedSweep) -> list[str]:
    lines = loaded.table().to_markdown().strip().splitlines()
    return [line for at, line in enumerate(lines) if at > 1 or (line and not line.startswith("#"))]


def _claims(loaded: LoadedSweep) -> list[str]:
    is_smaller = loaded.resolved.sweep.size != "full"
    documents = [verdict_document(each) for each in evaluate_claims([loaded.resolved], store=loaded.store)]
    if not documents:
        return ["No claim of the papers speaks of this sweep."]
    rows = [
        [each["says"], each["published_numbers"] or "–", each["verdict"], each["reason"] or ""] for each in documents
    ]
    return [
        "Each claim as the paper states it, first with the paper's own numbers, then with the ones above."
        + (" Here it is tested on another dataset and network than the paper's." if is_smaller else ""),
        "",
        *_table(["the papers say", "papers' numbers", "ours", "why"], rows),
    ]


def _certificate(loaded: LoadedSweep, results: Sequence[CellResult], command: str, hardware: str) -> list[str]:
    origins = [result.training.provenance for result in results]
    commits = sorted({f"{each.commit[:12]}{' with changes' if each.dirty else ''}" for each in origins})
    recorded = sorted(each.recorded_at for each in origins)
    training = math.fsum(result.training.summary.device_s for result in results)
    evaluation = math.fsum(report.wall_s for result in results for report in result.reports.values())
    versions = {key: value for each in origins for key, value in each.versions.items()}
    where = sorted({f"{_told(result, 'world_size')} on {_told(result, 'device')}" for result in results})
    content = report_content(loaded.resolved, loaded.store)
    rows = [
        ["command", f"`{command}`"],
        ["commit", ", ".join(commits)],
        ["recorded (UTC)", f"{_moment(recorded[0])} to {_moment(recorded[-1])}"],
        ["hardware", f"{hardware}; workers per cell: {', '.join(where)}"],
        ["cells", f"{len(results)}"],
        [
            "time",
            f"training {duration(training)}, evaluation {duration(evaluation)} of worker time",
        ],
        ["versions", ", ".join(f"{key} {value}" for key, value in versions.items())],
        *[["data", text] for text in _data(content)],
    ]
    return _table(["", ""], rows)


def _told(result: CellResult, name: str) -> str:
    return str(result.training.summary.environment.get(name, "unknown"))


def _data(content: dict[str, Any]) -> list[str]:
    lines = {
        f"{each['name']}: {each['identity']}{'; ' + each['notes'] if each['notes'] else ''}": None
        for part in content["parts"]
        for each in part["data"]
    }
    return list(lines)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    cells = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [header, [":---"] * len(header), *cells]]


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

"""The texts of the screen and of the printed snapshot: the same sentences, as short as the columns of the terminal ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from augment.heavy import rich
from eval.tables.formats.contract import Style
from eval.tables.formats.terminal import drawn_in
from orchestration.planning.costs.units import amount, duration
from orchestration.runs.eta import time_left
from orchestration.runs.watching.snapshot import CellView, Cost, Load, Snapshot

WIDE: Final = 100
MIDDLE: Final = 66
"""Columns of a terminal from which speeds and reasons, and from which losses, have room in the list of cells."""

SHOWN_NODES: Final = 4
SHOWN_FAILURES: Final = 3

COLOURS: Final[Mapping[str, str]] = {
    "done": "green",
    "running": "cyan",
    "failed": "bold red",
    "damaged": "yellow",
    "trained": "yellow",
    "waiting": "",
}


class CellColumn(NamedTuple):
    """A column of the list of cells."""

    heading: str
    is_number: bool = False


_ALL: Final = (
    CellColumn("cell"),
    CellColumn("row"),
    CellColumn("seed", is_number=True),
    CellColumn("state"),
    CellColumn("progress"),
    CellColumn("loss", is_number=True),
    CellColumn("acc %", is_number=True),
    CellColumn("images/s", is_number=True),
    CellColumn("reason"),
)


def cell_columns(width: int) -> tuple[CellColumn, ...]:
    """Return the columns of the list of cells that have room in a terminal."""
    return _ALL if width >= WIDE else _ALL[1:7] if width >= MIDDLE else _ALL[1:5]


def cell_texts(cell: CellView, width: int) -> tuple[str, ...]:
    """Return a cell's texts, one for each of the columns that have room."""
    texts = (
        cell.key[:12],
        cell.row,
        str(cell.seed),
        cell.state,
        cell.progress if width >= MIDDLE else cell.progress.partition(",")[0],
        "" if cell.loss is None else f"{cell.loss:.3f}",
        "" if cell.accuracy is None else f"{100 * cell.accuracy:.1f}",
        "" if cell.images_per_s is None else f"{cell.images_per_s:,.0f}",
        next(iter(cell.note.splitlines()), ""),
    )
    return tuple(text for column, text in zip(_ALL, texts, strict=True) if column in cell_columns(width))


def summary_lines(shown: Snapshot) -> list[str]:
    """Return what the screen says above the list of cells: what happens, how far it is, load, cost, trouble."""
    lines = [shown.activity, shown.counts]
    lines += [", ".join(_rates(shown))] if shown.is_run else []
    lines += load_lines(shown.loads)
    lines.append(cost_text(shown.cost, is_over=shown.is_over))
    lines += [f"not complete: {line}" for line in shown.unfilled]
    lines += [f"the storage does not answer: {shown.trouble}"] if shown.trouble else []
    return lines


def _rates(shown: Snapshot) -> list[str]:
    rates = [] if shown.share is None else [f"{_percent(shown.share)} of this run done"]
    rates.append(time_left(shown.eta_s))
    if shown.cells_per_hour is not None:
        rates.append(f"{amount(shown.cells_per_hour)} cells/h")
    if shown.images_per_s is not None:
        rates.append(f"training on {shown.images_per_s:,.0f} images/s")
    return rates


def load_lines(loads: Sequence[Load]) -> list[str]:
    """Return how busy the machines of running cells are; the CPUs of those whose workers report no GPU."""
    if not loads:
        return []
    texts = [_load_text(load) for load in loads[:SHOWN_NODES]]
    if len(loads) > SHOWN_NODES:
        gpus = [share for load in loads for share in load.gpus]
        mean = f"GPU {_percent(sum(gpus) / len(gpus))} on average" if gpus else "no GPU"
        texts.append(f"{len(loads) - SHOWN_NODES} more; all {len(loads)}: {mean}")
    return [f"busy: {'; '.join(texts)}"]


def _load_text(load: Load) -> str:
    if not load.gpus:
        return f"{load.node} CPU {_percent(load.cpu)} (no GPU reported)"
    return f"{load.node} GPU {' '.join(map(_percent, load.gpus))}, CPU {_percent(load.cpu)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def cost_text(cost: Cost, *, is_over: bool) -> str:
    """Return what was spent of what is expected, in device time and in money of the price file."""
    machine = cost.machine
    spent = f"{duration(3600 * cost.spent_h)} of device time ({_money(cost, cost.spent_h)})"
    if is_over:
        return f"cost: {spent} on {machine.name}"
    about = "at least" if cost.is_least else "about"
    return (
        f"cost so far: {spent} of {about} {duration(3600 * cost.expected_h)} ({_money(cost, cost.expected_h)}) "
        f"on {machine.name}"
    )


def _money(cost: Cost, hours: float) -> str:
    return f"{amount(cost.money(hours))} {cost.machine.currency}".strip()


def failure_lines(shown: Snapshot) -> list[str]:
    """Return the first failures with their reasons, and how many more there are."""
    failed = shown.failed
    lines = [
        f"failed: {cell.row} seed {cell.seed}: {next(iter(cell.note.splitlines()), '')}"
        for cell in failed[:SHOWN_FAILURES]
    ]
    return lines + ([f"and {len(failed) - SHOWN_FAILURES} more failed"] if len(failed) > SHOWN_FAILURES else [])


def grid(shown: Snapshot, width: int) -> rich.console.Group:
    """Return the sweep's tables as far as they are known, as Rich draws them in so many columns."""
    return rich.console.Group(*(part for table in shown.tables for part in drawn_in(width, table, Style())))

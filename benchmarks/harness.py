"""What every benchmark shares: interleaved rounds, medians and spread, a table for people and one JSON document.

A case compares our function with a peer. All cases run in turn in every round, so that a busy moment of the machine falls on
both sides of a ratio; the clock is the CPU time of the process where cores are shared, else wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from augment.kernels.cpus import available_cpus

Clock = Literal["cpu", "wall"]
CLOCKS: Final[Mapping[Clock, Callable[[], float]]] = {"cpu": time.process_time, "wall": time.perf_counter}
PACKAGES: Final = ("numpy", "numba", "pillow", "torch", "torchvision", "ray", "mlflow")
MIN_ROUNDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison: our function against a peer that does the same.

    Attributes:
        name: What is measured.
        ours: Runs our side once over `ours_units` units.
        peer: Runs the other side once over `peer_units` units.
        peer_name: What the other side is.
        target: Ratio that is wanted, or None where there is none.
        ours_units: Units (images, cells) that one call of `ours` handles.
        peer_units: Units that one call of `peer` handles.
        at_most: Whether the target is an upper bound on ours / peer ("within 3x of a copy") instead of a lower bound on
            peer / ours.
    """

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    peer_name: str
    target: float | None = None
    ours_units: int = 1
    peer_units: int = 1
    at_most: bool = False


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Seconds per unit of both sides over the rounds of one case."""

    case: Case
    ours_s: tuple[float, ...]
    peer_s: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median over rounds of peer / ours, or of ours / peer where the target is an upper bound."""
        pairs = zip(self.ours_s, self.peer_s, strict=True)
        return statistics.median(ours / peer if self.case.at_most else peer / ours for ours, peer in pairs)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met, or None where there is none."""
        if self.case.target is None:
            return None
        return self.ratio <= self.case.target if self.case.at_most else self.ratio >= self.case.target

    def as_json(self) -> dict[str, Any]:
        """Return the case of the JSON document; seconds are per unit of our side, `peer` holds the other side."""
        return {
            "name": self.case.name,
            "ratio": self.ratio,
            "target": self.case.target,
            "at_most": self.case.at_most,
            "median_s": statistics.median(self.ours_s),
            "iqr_s": interquartile_range(self.ours_s),
            "peer": {
                "name": self.case.peer_name,
                "median_s": statistics.median(self.peer_s),
                "iqr_s": interquartile_range(self.peer_s),
            },
            "rounds": len(self.ours_s),
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of a benchmark."""

    benchmark: str
    measurements: Sequence[Measurement]
    notes: Sequence[str] = ()
    environment: Mapping[str, Any] = field(default_factory=lambda: environment())

    def as_json(self) -> dict[str, Any]:
        """Return the whole report as plain values."""
        return {
            "benchmark": self.benchmark,
            "cases": [measurement.as_json() for measurement in self.measurements],
            "notes": list(self.notes),
            "environment": dict(self.environment),
        }

    def as_text(self) -> str:
        """Return a table for people: medians, spread, ratio, target."""
        lines = [f"{'case':44} {'ours':>12} {'peer':>12} {'spread':>8} {'ratio':>8} {'target':>8}  peer"]
        for found in self.measurements:
            case, ours, peer = found.case, statistics.median(found.ours_s), statistics.median(found.peer_s)
            spread = interquartile_range(found.ours_s) / ours if ours else 0.0
            wanted = "" if case.target is None else f"{'<=' if case.at_most else '>='} {case.target:g}"
            verdict = {True: "met", False: "MISSED", None: ""}[found.is_met]
            lines.append(
                f"{case.name:44} {_seconds(ours):>12} {_seconds(peer):>12} {spread:>8.0%} {found.ratio:>8.2f} {wanted:>8}"
                f"  {case.peer_name} {verdict}".rstrip()
            )
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"{key}: {value}" for key, value in self.environment.items()]
        return "\n".join(lines)


def measure(
    cases: Sequence[Case], *, rounds: int = MIN_ROUNDS, clock: Clock = "cpu", min_round_s: float = 0.0
) -> list[Measurement]:
    """Run every case in turn, round after round, after one round of warm-up that does not count.

    Args:
        cases: What to compare.
        rounds: Rounds that count, at least 5.
        clock: "cpu" for the process's CPU time, "wall" for elapsed time.
        min_round_s: Each side is repeated within a round until this much time has passed.

    Raises:
        ValueError: If there are fewer rounds than 5.
    """
    if rounds < MIN_ROUNDS:
        raise ValueError(f"a benchmark takes at least {MIN_ROUNDS} rounds, but got {rounds}")
    now = CLOCKS[clock]
    for case in cases:
        case.ours()
        case.peer()
    ours: list[list[float]] = [[] for _ in cases]
    peer: list[list[float]] = [[] for _ in cases]
    for _ in range(rounds):
        for index, case in enumerate(cases):
            ours[index].append(_time(case.ours, now, min_round_s) / case.ours_units)
            peer[index].append(_time(case.peer, now, min_round_s) / case.peer_units)
    return [
        Measurement(case=case, ours_s=tuple(mine), peer_s=tuple(theirs))
        for case, mine, theirs in zip(cases, ours, peer, strict=True)
    ]


def interquartile_range(values: Sequence[float]) -> float:
    """Return the distance between the quartiles; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def environment() -> dict[str, Any]:
    """Return what a number depends on: processor, load, versions, commit."""
    return {
        "cpu": cpu_model(),
        "cpus": available_cpus(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "commit": _commit(),
    }


def is_idle(limit: float = 0.1, seconds: float = 2.0) -> bool:
    """Return whether others leave the cores alone: else scaling over cores is not claimed.

    The load average will not do: it counts what this benchmark itself has just done.

    Args:
        limit: Share of all cores' time that others may take.
        seconds: How long this process sleeps and looks.
    """
    return psutil.cpu_percent(interval=seconds) < 100 * limit


def parser(name: str, summary: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share."""
    result = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=summary)
    result.add_argument("--quick", action="store_true", help="fewer repetitions, one to two minutes")
    result.add_argument("--json", action="store_true", help="print one JSON document to stdout and nothing else")
    result.add_argument(
        "--reference", type=Path, default=None, help="a checkout of the published code, to run next to ours"
    )
    return result


def show(report: Report, *, as_json: bool) -> None:
    """Print a report to stdout, for people or as one JSON document."""
    sys.stdout.write((json.dumps(report.as_json(), indent=2) if as_json else report.as_text()) + "\n")


def _time(call: Callable[[], object], now: Callable[[], float], at_least: float) -> float:
    started, calls = now(), 0
    while True:
        call()
        calls += 1
        elapsed = now() - started
        if elapsed >= at_least and elapsed > 0.0:
            return elapsed / calls


def _seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    folder = Path(__file__).resolve().parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"

"""A seeded campaign: random faults at random moments of random workloads, each followed by the audit.

`python -m tests.faults.campaign --minutes 60 --seed 7` prints a line an injection and a summary; the exit code is 1 when a
promise was broken. The same seed chooses the same faults in the same order; `--only PATTERN` plays rows of the table instead.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.faults.harness.audit import kinds_of
from tests.faults.harness.hits import Hit
from tests.faults.harness.moments import MOMENTS
from tests.faults.harness.play import Undisturbed, Verdict, play
from tests.faults.harness.workloads import PLAIN, WORKLOADS
from tests.faults.table import ROWS, Row, hits_row

HIT_SHARE = 0.75
"""Share of signals among all that is drawn; the rest are rows about disks, endpoints, servers, clocks and verbs."""
MOST_HITS = 3
MOST_DEATHS = 2
"""A cell whose third attempt dies is set aside, as promised."""
KINDS = (
    "driver",
    "driver",
    "worker",
    "worker",
    "writer",
    "controller",
    "trial",
    "mailbox",
    "raylet",
    "gcs",
    "agent",
    "runner",
)
SIGNALS = ("SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM", "SIGSTOP")


def drawn(seed: int) -> Iterator[Row]:
    """Yield rows without end, the same ones for the same seed."""
    chance = random.Random(seed)
    others = [row for row in ROWS if " to the " not in row.fault]
    while True:
        yield _random_hits(chance) if chance.random() < HIT_SHARE else chance.choice(others)


def _random_hits(chance: random.Random) -> Row:
    workload = chance.choice(WORKLOADS)
    moments = [
        moment for moment in MOMENTS if not workload.is_adopted or moment not in ("mid-epoch", "checkpoint write")
    ]
    kinds = [kind for kind in KINDS if workload is not PLAIN or kind not in ("runner", "mailbox")]
    number, hits = chance.randint(1, MOST_HITS), list[Hit]()
    while len(hits) < number:
        hit = Hit(
            kind=chance.choice(kinds),
            moment=chance.choice(moments),
            signal=chance.choice(SIGNALS),
            index=chance.randrange(2),
        )
        if sum(map(_costs_an_attempt, [*hits, hit])) <= MOST_DEATHS:
            hits.append(hit)
    order = list(MOMENTS)
    return hits_row(sorted(hits, key=lambda hit: order.index(hit.moment)), workload)


def _costs_an_attempt(hit: Hit) -> bool:
    return hit.signal != "SIGSTOP" and hit.kind in ("worker", "controller", "trial", "runner")


class Tally:
    """Counts over the whole campaign."""

    def __init__(self) -> None:
        self.played = 0
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.cells = 0

    def note(self, row: Row, verdict: Verdict) -> None:
        """Count a row that was played."""
        self.played += 1
        self.cells += row.workload.num_cells
        self.struck.update(verdict.struck)
        self.missed.update(verdict.missed)
        self.others.update([] if verdict.struck or verdict.missed else [row.fault])
        self.broken.update(kinds_of(list(verdict.problems)))

    @property
    def num_broken(self) -> int:
        """Promises that were broken."""
        return sum(self.broken.values())

    def lines(self) -> list[str]:
        """Return the summary."""
        signals = [f"  {number:4d} {name}" for name, number in sorted(self.struck.items())]
        others = [f"  {number:4d} {name}" for name, number in sorted(self.others.items())]
        skipped = [f"  {number:4d} {name}" for name, number in sorted(self.skipped.items())]
        broken = ", ".join(f"{kind} {number}" for kind, number in self.broken.items())
        return [
            f"{self.played} scenes, {self.cells} cells wanted, {sum(self.struck.values())} signals:",
            *signals,
            f"{sum(self.missed.values())} more came too late: the run was over",
            "other faults:",
            *others,
            *(["skipped:", *skipped] if skipped else []),
            f"broken promises: {self.num_broken} ({broken})",
        ]


def campaign(rows: Iterator[Row], *, minutes: float) -> Tally:
    """Play rows until the time is over, a line each; one that has begun is finished."""
    tally, undisturbed, ends = Tally(), Undisturbed(), time.monotonic() + 60 * minutes
    for number, row in enumerate(rows, 1):
        if time.monotonic() > ends:
            break
        lacking = row.setting.lacks()
        if lacking:
            tally.skipped[f"{row.id}: lacks {lacking}"] += 1
            continue
        verdict = _played(row, undisturbed)
        tally.note(row, verdict)
        state = "BROKEN" if verdict.problems else "held"
        _say(
            f"{number:4d} {time.strftime('%H:%M:%S')} {state:6} {verdict.wall_s:5.0f} s {row.id}: {'; '.join(verdict.notes)}"
        )
        for line in (*verdict.problems, *verdict.lines.splitlines()):
            _say(f"       {line}")
    return tally


def _played(row: Row, undisturbed: Undisturbed) -> Verdict:
    """Play a row; where the harness itself breaks, that is a broken promise, and the campaign goes on."""
    began = time.monotonic()
    try:
        return play(row.act, row.keeps, row.workload, row.setting, undisturbed)
    except Exception as error:
        lines = "".join(traceback.format_exception(error))
        problem = f"outcome: the scene broke with {type(error).__name__}: {error}"
        return Verdict(
            problems=(problem,), notes=(), struck=(), missed=(), wall_s=time.monotonic() - began, lines=lines
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults are injected")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn")
    parser.add_argument("--only", metavar="PATTERN", help="rows of the table whose name matches, each once")
    options = parser.parse_args(arguments)
    chosen = [row for row in ROWS if options.only and re.search(options.only, row.id)]
    rows = iter(chosen) if options.only else drawn(options.seed)
    tally = campaign(rows, minutes=options.minutes)
    for line in (f"seed {options.seed}, {options.minutes:g} minutes", *tally.lines()):
        _say(line)
    return int(tally.num_broken > 0)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

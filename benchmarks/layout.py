"""Whether the memory layout of a training moves its results, and what it costs: paired by seed, on the same images.

    python -m benchmarks.layout [--quick] [--json] [--seeds N] [--first-seed N] [--data-root DIR] [--storage DIR]

Trains the baseline of `evidence-layout.yaml` with N seeds in each layout, one after the other in this process and on one
thread, and prints for each column the means, their difference with its 95 % interval, and the p-values of the paired t test
and of Welch's. What is recorded is not computed again, so a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from scipy import stats

from benchmarks import harness
from benchmarks.evidence import complete, values_of
from eval.tables.statistics import paired_test, summarise
from orchestration.settings import read_settings
from orchestration.store.open import open_store

ROWS: Final = ("Channels last", "Contiguous")
SEEDS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One column of both layouts; rates are fractions.

    Attributes:
        column: Key of the column.
        n: Seeds that both have.
        means: Mean over these seeds of each layout, in the order of `ROWS`.
        spreads: Sample standard deviations.
        difference: Mean of (channels last - contiguous).
        interval: Its 95 % t interval, or None for one seed.
        paired_p: Two-sided p-value of the paired t test, or None for one seed.
        welch_p: Two-sided p-value of Welch's test, or None for one seed.
    """

    column: str
    n: int
    means: tuple[float, float]
    spreads: tuple[float | None, float | None]
    difference: float
    interval: tuple[float, float] | None
    paired_p: float | None
    welch_p: float | None

    def sentence(self) -> str:
        """Return the comparison in one line, in percent."""
        sides = ", ".join(
            f"{row.lower()} {100 * mean:.2f}" + ("" if spread is None else f" +- {100 * spread:.2f}")
            for row, mean, spread in zip(ROWS, self.means, self.spreads, strict=True)
        )
        if self.interval is None or self.paired_p is None or self.welch_p is None:
            return f"{self.column}: {sides}; one seed says nothing of the difference"
        low, high = self.interval
        return (
            f"{self.column}: {sides}; difference {100 * self.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}] points, "
            f"n = {self.n}, p = {self.paired_p:.4f} (paired t), {self.welch_p:.4f} (Welch)"
        )


def compare(column: str, last: Mapping[int, float], contiguous: Mapping[int, float]) -> Comparison:
    """Compare two layouts over the seeds that both have.

    Raises:
        ValueError: If no seed is common.
    """
    test = paired_test(last, contiguous)
    if test is None:
        raise ValueError(
            f"{column} needs a seed that both layouts have, but {sorted(last)} and {sorted(contiguous)} meet nowhere"
        )
    seeds = sorted(last.keys() & contiguous.keys())
    ours, theirs = ([side[seed] for seed in seeds] for side in (last, contiguous))
    of_difference = summarise([a - b for a, b in zip(ours, theirs, strict=True)])
    low, high = of_difference.low, of_difference.high
    return Comparison(
        column=column,
        n=test.n,
        means=(summarise(ours).mean, summarise(theirs).mean),
        spreads=(summarise(ours).spread, summarise(theirs).spread),
        difference=test.difference,
        interval=None if low is None or high is None else (low, high),
        paired_p=test.p_value,
        welch_p=None
        if test.n < 2
        else float(stats.ttest_ind(np.array(ours), np.array(theirs), equal_var=False).pvalue),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing and print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layout", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the smoke size: every path, no evidence")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"seeds of each layout (default {SEEDS})")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="the first of them (default 0)")
    parser.add_argument("--data-root", type=Path, default=None, help="folder of datasets (DREAMGRID_DATA)")
    parser.add_argument("--storage", default=None, help="where results are kept (DREAMGRID_STORAGE)")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, but got {options.seeds}")
    settings = read_settings(storage=options.storage, data_root=options.data_root)
    seeds = tuple(range(options.first_seed, options.first_seed + options.seeds))
    table = complete(
        "layout",
        settings=settings,
        store=open_store(settings.storage),
        quick=options.quick,
        seeds=None if options.quick else seeds,
    )
    values = values_of(table)
    found = [compare(column.key, *(values[row, column.key] for row in ROWS)) for column in table.columns]
    if options.json:
        document = {"layout": [asdict(each) for each in found], "environment": harness.environment()}
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    else:
        sys.stdout.write("".join(each.sentence() + "\n" for each in found))


if __name__ == "__main__":
    main()

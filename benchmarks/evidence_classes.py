"""AUROC per class of the outliers: which garments a network that knows digits tells from digits, from recorded predictions.

    python -m benchmarks.evidence_classes [--score NAME] [--json] [--data-root DIR] [--storage DIR] [NAME]

Trains nothing: it reads what `python -m benchmarks.evidence NAME` recorded, and shows for each class of Fashion-MNIST the
baseline's AUROC over all its test images and every other row's difference to it, with the 95 % t interval over seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import harness
from benchmarks.evidence import HERE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.metrics.scores import ScoreName
    from orchestration.settings import Settings

NAMES: Final = ("mnist", "mnist-auroc")
OUTLIERS: Final = "fashion-mnist"
GARMENTS: Final = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
ALL: Final = "all"

Classes = dict[str, float]
"""Class of the outliers, or `ALL` -> AUROC."""


def by_class(arrays: Mapping[str, NDArray[np.generic]], labels: NDArray[np.int64], score: ScoreName) -> Classes:
    """Return the AUROC of every class of outliers, and of all of them, against the test images.

    Args:
        arrays: Recorded predictions of the benchmark `ood`.
        labels: Class of each outlier, (N,).
        score: The anomaly score.

    Raises:
        ValueError: If there is no prediction for each label.
    """
    from eval.metrics.anomaly import auroc
    from eval.predictions import predictions_from

    inside = predictions_from(arrays, "in-distribution").score(score)
    outside = predictions_from(arrays, f"outliers/{OUTLIERS}").score(score)
    if len(outside) != len(labels):
        raise ValueError(f"there must be a prediction for each of {len(labels)} outliers, but got {len(outside)}")
    classes = {name: auroc(outside[labels == number], inside) for number, name in enumerate(GARMENTS)}
    return {**classes, ALL: auroc(outside, inside)}


def recorded_classes(name: str, *, settings: Settings, score: ScoreName) -> dict[str, dict[int, Classes]]:
    """Return row -> seed -> AUROC per class, of what is recorded of an evidence sweep."""
    from orchestration.cells.catalogue import builtin_catalogue
    from orchestration.cells.load import load_sweep
    from orchestration.store.open import open_store
    from trainers.datasets.load import load_split

    catalogue, store = builtin_catalogue(settings.data_root), open_store(settings.storage)
    resolved = load_sweep(str(HERE / f"evidence-{name}.yaml"), size="full", catalogue=catalogue)
    labels = load_split(OUTLIERS, "test", settings.data_root).labels
    rows: dict[str, dict[int, Classes]] = {}
    for cell in resolved.cells:
        wanted = {each.key for each in cell.benchmarks if each.name == "ood"}
        result = store.result(cell.train_key)
        for key, report in result.reports.items() if result else ():
            if key in wanted and report.outcome is not None:
                found = by_class(report.outcome.arrays, labels, score)
                rows.setdefault(cell.cell.row or cell.config.method, {})[cell.cell.seed] = found
    return rows


def lines_of(rows: Mapping[str, Mapping[int, Classes]]) -> list[str]:
    """Return a Markdown table in percent: classes by the baseline's mean and the others' differences to it."""
    from eval.tables.statistics import summarise

    base = rows["Baseline"]
    others = [row for row in rows if row != "Baseline"]
    lines = [f"| AUROC | Baseline | {' | '.join(others)} |", "|:---|---:|" + "---:|" * len(others)]
    for garment in (*GARMENTS, ALL):
        entries = [f"{100 * summarise([found[garment] for found in base.values()]).mean:.1f}"]
        for row in others:
            seeds = sorted(rows[row].keys() & base.keys())
            summary = summarise([100 * (rows[row][seed][garment] - base[seed][garment]) for seed in seeds])
            ends = "" if summary.low is None else f" [{summary.low:+.1f}, {summary.high:+.1f}]"
            entries.append(f"{summary.mean:+.1f}{ends}")
        lines.append(f"| {garment} | {' | '.join(entries)} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print AUROC per class of what is recorded; return 1 where nothing is."""
    from eval.metrics.scores import SCORES
    from orchestration.settings import read_settings

    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence_classes", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", choices=NAMES, default="mnist-auroc", help="the sweep (mnist-auroc)")
    parser.add_argument("--score", choices=SCORES, default="msp", help="the anomaly score (msp)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--data-root", type=Path, default=None, help="folder of datasets (DREAMGRID_DATA)")
    parser.add_argument("--storage", default=None, help="where results are kept (DREAMGRID_STORAGE)")
    options = parser.parse_args(arguments)
    settings = read_settings(storage=options.storage, data_root=options.data_root)
    rows = recorded_classes(options.name, settings=settings, score=options.score)
    if "Baseline" not in rows:
        sys.stderr.write(f"no baseline is recorded: run python -m benchmarks.evidence {options.name} first\n")
        return 1
    document = {"name": options.name, "score": options.score, "rows": rows, "environment": harness.environment()}
    sys.stdout.write(json.dumps(document, indent=1) + "\n" if options.json else "\n".join(lines_of(rows)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

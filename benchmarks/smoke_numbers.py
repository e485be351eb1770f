"""What every built-in sweep gives in its smallest size: weights and metrics, recorded and compared between two checkouts.

    python -m benchmarks.smoke_numbers record before.json [--storage DIR]
    python -m benchmarks.smoke_numbers compare before.json after.json

A change that moves or rewrites code must leave every number as it was, bit for bit. Cells are matched by the digest of their
weights, so that names and keys may change.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

COMMAND: Final = (sys.executable, "-m", "orchestration.cli")
MOST_SHOWN: Final = 5


def record(storage: Path) -> list[dict[str, Any]]:
    """Run all built-in sweeps in smoke size in a storage and return weights, metrics and name of each cell.

    Raises:
        subprocess.CalledProcessError: If a command fails.
    """
    subprocess.run(
        [*COMMAND, "run", "everything", "--smoke", "--storage", storage, "--tracking-uri", "none"], check=True
    )
    return numbers_in(storage)


def numbers_in(storage: Path) -> list[dict[str, Any]]:
    """Return weights, metrics and name of each cell that is recorded in a storage."""
    return [_numbers(cell["id"], storage) for cell in _document("cells", "list", storage=storage)]


def differences(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each cell that only one side has, or that has other metrics there."""
    lines: list[str] = []
    ours, theirs = Counter(map(_text, before)), Counter(map(_text, after))
    for side, only in (("before", ours - theirs), ("after", theirs - ours)):
        lines.extend(f"only {side}: {text}" for text in only.elements())
    return lines


def _document(*arguments: str, storage: Path) -> Any:
    command = [*COMMAND, *arguments, "--storage", str(storage), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _numbers(cell: str, storage: Path) -> dict[str, Any]:
    shown = _document("cells", "show", cell, storage=storage)
    config = shown["provenance"]["config"]
    reports = [{"benchmark": each["benchmark"], "metrics": each["metrics"]} for each in shown["reports"]]
    return {
        "cell": f"{config['method']} {config['dataset']} {config['model']} seed {config['seed']}",
        "weights": shown["training"]["environment"]["weights_sha256"],
        "reports": sorted(reports, key=json.dumps),
    }


def _text(cell: dict[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record or compare; exit code 1 where numbers differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smoke_numbers", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record", help="run all sweeps in smoke size and write their numbers")
    recording.add_argument("output", type=Path)
    recording.add_argument(
        "--storage", type=Path, help="an empty folder that keeps the results; default: a temporary one"
    )
    comparing = verbs.add_parser("compare", help="say what differs between two records")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    options = parser.parse_args(arguments)
    if options.verb == "record":
        with tempfile.TemporaryDirectory(prefix="dreamgrid-smoke-") as folder:
            cells = record(options.storage or Path(folder))
        options.output.write_text(json.dumps(cells, indent=1, sort_keys=True))
        print(f"{len(cells)} cells with {sum(len(cell['reports']) for cell in cells)} reports in {options.output}")
        return 0
    before, after = (json.loads(path.read_text()) for path in (options.before, options.after))
    lines = differences(before, after)
    print(f"{len(before)} cells before, {len(after)} after; {len(lines)} differences")
    for line in lines[:MOST_SHOWN]:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

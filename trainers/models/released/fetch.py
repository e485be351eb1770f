"""Getting released networks from their published addresses: `python -m trainers.models.released.fetch NAME ...`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trainers.datasets.download import download
from trainers.datasets.fetch import fetch_each
from trainers.errors import DataError
from trainers.models.released.registry import CHECKPOINTS, ReleasedCheckpoint, checkpoint_for
from trainers.models.released.weights import verified_sha256


def fetch(released: ReleasedCheckpoint, data_root: Path) -> Path:
    """Download a released network below a data root and check it; does nothing that is done already.

    Raises:
        DataError: If there is no address of the file itself, the download fails, or what came is not the published file.
    """
    path = released.path(data_root)
    if not path.is_file():
        if not released.is_direct:
            raise DataError(f"{released.name!r} has no download address: {released.how_to_get(data_root)}")
        download(released.address, path)
    verified_sha256(released, path)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Fetch the networks named on the command line, or list them all; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m trainers.models.released.fetch", description="Download released networks."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a released network; without a name, list them all")
    parser.add_argument("--data-root", default="data", type=Path, help="folder of datasets and released files")
    options = parser.parse_args(arguments)
    for name, each in CHECKPOINTS.items() if not options.names else ():
        there = "there" if each.path(options.data_root).is_file() else "missing"
        sys.stdout.write(f"{name}: {each.title}; {each.hash_note}; {there}\n  {each.address}\n")
    return fetch_each(options.names, lambda name: f"at {fetch(checkpoint_for(name), options.data_root)}")


if __name__ == "__main__":
    sys.exit(main())

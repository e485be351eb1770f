"""Getting datasets through torchvision's own download and checking them: `python -m trainers.datasets.fetch NAME ...`."""

from __future__ import annotations

import argparse
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainers.datasets.load import load_split
from trainers.datasets.registry import dataset_for
from trainers.errors import DataError, TrainingError


def fetch(name: str, data_root: str | Path) -> None:
    """Download a dataset into the data root in torchvision's layout and check it; does nothing that is done already.

    Raises:
        UnknownName: If the name is no dataset's.
        DataError: If the download fails, or what came is not the published data.
    """
    spec = dataset_for(name)
    if spec.download is not None:
        try:
            with plain_archives():
                spec.download(Path(data_root))
        except (OSError, RuntimeError, tarfile.TarError) as error:
            raise DataError(
                f"dataset {name!r} could not be downloaded ({error}); copy its files to {data_root} by hand"
            ) from error
    load_split(name, "train", data_root)
    load_split(name, "test", data_root)


@contextmanager
def plain_archives() -> Iterator[None]:
    """Let tar archives, whoever opens them, write plain files in their folder only: no escaping path, link or device."""
    before = tarfile.TarFile.__dict__.get("extraction_filter")
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        if before is None:
            del tarfile.TarFile.extraction_filter
        else:
            tarfile.TarFile.extraction_filter = before


def fetch_each(names: Sequence[str], fetch_one: Callable[[str], str]) -> int:
    """Fetch one name after the other and report each on stderr; the first failure ends it.

    Args:
        fetch_one: Fetches one and returns where it is.

    Returns:
        The exit code: 0, or at the first failure 2 for bad input and 3 for anything else.
    """
    for name in names:
        try:
            where = fetch_one(name)
        except TrainingError as error:
            sys.stderr.write(f"{error}\n")
            return 2 if isinstance(error, ValueError) else 3
        sys.stderr.write(f"{name}: complete and checked {where}\n")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Fetch the datasets named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers.datasets.fetch", description="Get and check datasets.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a dataset, for example cifar-10")
    parser.add_argument("--data-root", required=True, help="folder of datasets")
    options = parser.parse_args(arguments)

    def one(name: str) -> str:
        fetch(name, options.data_root)
        return f"in {options.data_root}"

    return fetch_each(options.names, one)


if __name__ == "__main__":
    sys.exit(main())

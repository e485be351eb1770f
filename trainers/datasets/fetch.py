"""Getting datasets through torchvision's own download and checking them: `python -m trainers.datasets.fetch NAME ...`."""

from __future__ import annotations

import argparse
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainers.datasets.fetch_command import fetch_each
from trainers.datasets.registry import dataset_for
from trainers.errors import DataError


def fetch(name: str, data_root: str | Path) -> None:
    """Download a dataset below the data root in torchvision's layout and check it; does nothing that is done already.

    Raises:
        UnknownName: If nobody knows the dataset.
        DataError: If the download fails, or what came is not the published data.
    """
    from torchvision import datasets

    from trainers.datasets.load import load_split

    spec = dataset_for(name)
    if spec.torchvision:
        dataset_class = getattr(datasets, spec.torchvision)
        try:
            with plain_archives():
                if spec.layout == "svhn":
                    for split in ("train", "test"):
                        dataset_class(data_root, split=split, download=True)
                else:
                    dataset_class(data_root, download=True)
        except (OSError, RuntimeError, tarfile.TarError) as error:
            raise DataError(
                f"dataset {name!r} could not be downloaded ({error}); copy its files below {data_root} by hand"
            ) from error
    for split in ("train", "test"):
        load_split(name, split, data_root)  # type: ignore[arg-type]


@contextmanager
def plain_archives() -> Iterator[None]:
    """Let tar archives, whoever opens them, bring plain files below their folder only: no escaping path, link or device."""
    before = tarfile.TarFile.__dict__.get("extraction_filter")
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        if before is None:
            del tarfile.TarFile.extraction_filter
        else:
            tarfile.TarFile.extraction_filter = before


def main(arguments: list[str] | None = None) -> int:
    """Fetch the datasets named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers.datasets.fetch", description="Get and check datasets.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a dataset, for example cifar-10")
    parser.add_argument("--data-root", required=True, help="folder of datasets")
    options = parser.parse_args(arguments)

    def one(name: str) -> str:
        fetch(name, options.data_root)
        return f"below {options.data_root}"

    return fetch_each(options.names, one)


if __name__ == "__main__":
    sys.exit(main())

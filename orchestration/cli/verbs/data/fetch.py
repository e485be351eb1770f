"""`data fetch`: get datasets, released networks and published benchmarks by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, echo_err, emit
from orchestration.errors import command
from orchestration.planning.costs.units import duration, size
from orchestration.settings import read_settings

SECONDS_BETWEEN_LINES: Final = 5.0


def fetch_data(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Datasets, released networks, or published benchmarks (CIFAR-10-C); see `data list`.",
        ),
    ],
    mirror: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="Folder of a server that has the benchmarks' archives [their published address].",
        ),
    ] = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Download data into the data root, check them against their published checksums, and unpack them.

    What is in the data root already, and whole, is left alone. A download that broke off is resumed by the same command.
    """
    # Imports torchvision, which the list of data does without.
    from orchestration.evaluation.fetching import check_names, fetch_by_name

    root = read_settings(data_root=data_root).data_root
    wanted = list(dict.fromkeys(names))
    check_names(wanted, root)
    rows = []
    for name in wanted:
        where = fetch_by_name(name, root, mirror=mirror, progress=progress_lines())
        echo_err(f"{name}: complete and checked in {where}")
        rows.append({"name": name, "path": where})
    emit(rows, lambda: f"next, see what is there: {command('data list')}", as_json=as_json)
    return EXIT_DONE


def progress_lines(clock: Callable[[], float] = time.monotonic) -> Callable[[str, int, int | None], None]:
    """Return a function that reports downloads on stderr, a line every few seconds with what is left."""
    began: dict[str, tuple[float, int]] = {}
    last = clock()

    def report(name: str, done: int, total: int | None) -> None:
        nonlocal last
        now = clock()
        start, kept = began.setdefault(name, (now, done))
        if now - last < SECONDS_BETWEEN_LINES:
            return
        last = now
        if total is None:
            echo_err(f"{name}: {size(done)}")
            return
        left = f", about {duration((now - start) * (total - done) / (done - kept))} left" if done > kept else ""
        echo_err(f"{name}: {100 * done / total:.0f} % of {size(total)}{left}")

    return report


VERBS: Final[Mapping[str, Callable[..., int]]] = {"fetch": fetch_data}

"""The store on an S3-compatible server of this machine against local files: the verbs that read it, and cells recorded at once.

Both sides hold the same cells and do the same; times are wall times, since a store that waits for its server uses no CPU. The
verbs run in processes of their own, start-up included, as people run them. The server is one Python process that answers one
request at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.harness import MIN_ROUNDS, Case, Measurement, measure
from benchmarks.scale_store import record, sweep_file, verb_seconds
from benchmarks.storage import s3_server, s3_store
from orchestration.cells.load import load_sweep
from orchestration.store.open import open_store

if TYPE_CHECKING:
    from orchestration.cells.identity import ResolvedCell
    from orchestration.store.files import FileStore

S3_TARGET: Final = 3.0
VERBS: Final = ("status", "table")


def remote_measurements(folder: Path, *, cells: int, writers: int) -> list[Measurement]:
    """Fill a store on each side and measure both in turn.

    Args:
        folder: Local folder to work in.
        cells: Cells of the sweep, all recorded.
        writers: Cells that are recorded at once.
    """
    sweep = sweep_file(folder, cells)
    wanted = load_sweep(str(sweep)).cells
    with s3_server() as endpoint:
        remote, local = s3_store(endpoint), open_store(str(folder / "beside-s3"))
        for store in (remote, local):
            for cell in wanted:
                record(store, cell.train_key, cell)
            verb_seconds("table", str(sweep), "--storage", store.uri)
        cases = [
            Case(
                name=f"`{verb}` of {cells} cells, S3",
                ours=_reading(verb, sweep, remote),
                peer=_reading(verb, sweep, local),
                peer_name="local files",
                target=S3_TARGET,
                at_most=True,
            )
            for verb in VERBS
        ]
        keys = (f"{number:064x}" for number in itertools.count())
        recording = Case(
            name=f"record {writers} cells at once, S3",
            ours=_recording(remote, wanted[0], writers, keys),
            peer=_recording(local, wanted[0], writers, keys),
            peer_name="local files",
            target=S3_TARGET,
            at_most=True,
        )
        return measure([*cases, recording], rounds=MIN_ROUNDS, clock="wall")


def _reading(verb: str, sweep: Path, store: FileStore) -> Callable[[], object]:
    return lambda: verb_seconds(verb, str(sweep), "--storage", store.uri)


def _recording(store: FileStore, cell: ResolvedCell, writers: int, keys: Iterator[str]) -> Callable[[], object]:
    def at_once() -> None:
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(lambda key: record(store, key, cell), list(itertools.islice(keys, writers))))

    return at_once

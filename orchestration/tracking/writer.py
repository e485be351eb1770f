"""The one writer of a driver: takes messages until the driver ends, and has them written.

It runs in its own process (`python -m orchestration.tracking.writer`, messages as JSON lines on its standard
input), so that the driver never imports MLflow and never waits.
"""

from __future__ import annotations

import json
import queue
import sys
import tempfile
import time
from typing import Final

from clusters.temporary.own import own_folder
from orchestration.store.contract import ResultsStore
from orchestration.store.open import open_store
from orchestration.tracking.content.messages import Message, messages_of_driver, report_outcome
from orchestration.tracking.gathering import Writer
from orchestration.tracking.mlflow_client import MlflowTracking

_TICK_S: Final = 0.5


def run_writer(writer: Writer, messages: queue.Queue[Message | None], *, grace_s: float) -> None:
    """Take messages until None arrives, then write what is left for at most `grace_s` seconds."""
    is_open = True
    while is_open:
        try:
            message = messages.get(timeout=_TICK_S)
            while message is not None:
                writer.take(message)
                # All that has arrived is gathered before anything is written: the calls to the server are few.
                message = messages.get_nowait()
            is_open = False
        except queue.Empty:
            writer.flush()
            if writer.must_end:
                return
    writer.close()
    patience = time.monotonic() + grace_s
    while writer.waiting:
        writer.flush(everything=True)
        if writer.is_hopeless or time.monotonic() >= patience:
            return
        time.sleep(_TICK_S if writer.waiting else 0)


def writer_of(hello: Message, store: ResultsStore) -> Writer:
    """Return the writer that a driver asks for: to which address, with which names and artifacts."""
    uri, prefix = hello["uri"], hello["prefix"]
    with_weights = hello["with_weights"]
    return Writer(lambda: MlflowTracking(uri, prefix=prefix), store, uri, hello["artifacts"], with_weights=with_weights)


def main() -> int:
    """Serve one driver: JSON lines on standard input, one JSON line with the outcome on standard output."""
    # MLflow writes every text into a temporary folder first: what a killed writer leaves is collected from there.
    tempfile.tempdir = str(own_folder())
    hello = json.loads(sys.stdin.readline() or "{}")
    if not hello:
        return 0
    writer = writer_of(hello, open_store(hello["store"]))
    run_writer(writer, messages_of_driver("tracking-messages"), grace_s=hello["grace_s"])
    report_outcome(writer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

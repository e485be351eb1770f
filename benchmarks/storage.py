"""What the results store costs: recording a cell, reading 1,000 cells of 10,000, with and without its index; local files and S3;
and what checkpoints and staged data on S3 cost a cell (`benchmarks.storage_share`).

The S3-compatible server is one in a process of its own on loopback; its own slowness counts against the store. It takes 4 to 6 ms
of CPU for any request and answers one at a time; what it takes by itself to write as many objects is measured beside.
Records have the size of a CIFAR cell: 100 epochs, six reports with 75 fine rows each.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

from benchmarks.harness import MIN_ROUNDS, Case, Report, measure, parser, show
from benchmarks.storage_share import share_measurements, staging_cases
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.store.contract import Provenance, TrainingRecord
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from trainers.job import EpochRow, TrainSummary

REPORTS: Final = ("clean", "c-generated", "p-generated", "pgd", "ood-generated", "cbar-generated")
S3_TARGET: Final = 3.0
COPY_TARGET: Final = 10.0
SINGLE_REQUESTS: Final = 2 + len(REPORTS)
"""Of a cell whose training and reports are recorded one by one: a look for tombstones, then a write for each."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; see the module."""
    options = parser("storage", "The results store on local files and on an S3-compatible server.").parse_args(
        arguments
    )
    cells, s3_cells = (300, 70) if options.quick else (10_000, 1_000)
    with tempfile.TemporaryDirectory() as folder, s3_server() as endpoint:
        report = _report(Path(folder), endpoint, cells=cells, s3_cells=s3_cells, quick=options.quick)
        show(report, as_json=options.json)


def _report(folder: Path, endpoint: str, *, cells: int, s3_cells: int, quick: bool) -> Report:
    large, small, remote = open_store(folder / "large"), open_store(folder / "small"), s3_store(endpoint)
    keys = _fill(large, cells)
    few = _fill(small, s3_cells)
    _fill(remote, s3_cells)
    for store, its_keys in ((large, keys), (small, few), (remote, few)):
        open_store(store.uri).results(its_keys)
    wanted = keys[:: max(1, cells // 1_000)]
    fresh = iter(range(1_000_000, 2_000_000))
    cases = [
        Case(
            name=f"read {len(wanted)} cells of {cells}, index",
            ours=_reader(large.uri, wanted),
            peer=_reader_without_index(large.uri, wanted, folder / "large" / "index"),
            peer_name="the same without the index",
            ours_units=len(wanted),
            peer_units=len(wanted),
        ),
        Case(
            name="record a cell, local files",
            ours=lambda: _record(small, next(fresh)),
            peer=_plain_files(folder / "plain"),
            peer_name="as many plain files with fsync",
            target=COPY_TARGET,
            at_most=True,
        ),
    ]
    cases += _s3_cases(small, remote, few, fresh, endpoint)
    cases += staging_cases(folder, f"{remote.uri}/staged", quick=quick)
    measured = measure(cases, rounds=MIN_ROUNDS, clock="wall")
    return Report(benchmark="storage", measurements=[*measured, *share_measurements(*measured[-2:], quick=quick)])


def _s3_cases(small: FileStore, remote: FileStore, few: list[str], fresh: Iterator[int], endpoint: str) -> list[Case]:
    """What the store costs on an object store, beside local files."""
    return [
        Case(
            name="record a cell at its end, S3",
            ours=lambda: _record(remote, next(fresh)),
            peer=lambda: _record(small, next(fresh)),
            peer_name="local files",
            target=S3_TARGET,
            at_most=True,
        ),
        Case(
            name="record a cell report by report, S3",
            ours=lambda: _record_one_by_one(remote, next(fresh)),
            peer=lambda: _record_one_by_one(small, next(fresh)),
            peer_name="local files",
            at_most=True,
        ),
        Case(
            name=f"what {SINGLE_REQUESTS} requests cost that server alone",
            ours=_bare_requests(endpoint),
            peer=lambda: _record_one_by_one(small, next(fresh)),
            peer_name="local files, report by report",
            at_most=True,
        ),
        Case(
            name=f"read {len(few)} cells, S3",
            ours=_reader(remote.uri, few),
            peer=_reader(small.uri, few),
            peer_name="local files",
            target=S3_TARGET,
            at_most=True,
        ),
    ]


def _reader(uri: str, keys: list[str]) -> Callable[[], object]:
    """A new process would start like this: nothing remembered, it says which reports it wants, every metric is looked at."""
    wanted = {key: [_benchmark_key(name) for name in REPORTS] for key in keys}

    def read() -> float:
        found = open_store(uri).results(keys, wanted=wanted)
        reports = (report for cell in found.values() for report in cell.reports.values())
        return sum(report.outcome.metrics["error"].value for report in reports if report.outcome)

    return read


def _reader_without_index(uri: str, keys: list[str], index: Path) -> Callable[[], object]:
    aside = index.with_name("index-aside")

    def read() -> object:
        index.rename(aside)
        try:
            return _reader(uri, keys)()
        finally:
            shutil.rmtree(index, ignore_errors=True)
            aside.rename(index)

    return read


def _plain_files(folder: Path) -> Callable[[], object]:
    folder.mkdir()
    content = b"x" * 8_000

    def write() -> None:
        for name in ("training", *REPORTS):
            with (folder / name).open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())

    return write


def _fill(store: FileStore, cells: int) -> list[str]:
    """Record many cells without waiting for the disk: only reading them is measured."""
    with patch.object(os, "fsync"):
        return [_record(store, number) for number in range(cells)]


def _record(store: FileStore, number: int) -> str:
    key = hashlib.sha256(str(number).encode()).hexdigest()
    training = training_of(key)
    store.record_cell(training, [_outcome(name) for name in REPORTS])
    return key


def _record_one_by_one(store: FileStore, number: int) -> None:
    """Record a cell as a run does whose benchmarks take minutes each: the training, then every report when it is there."""
    key = hashlib.sha256(str(number).encode()).hexdigest()
    training = training_of(key)
    store.record_training(training)
    for name in REPORTS:
        store.record_report(key, training.summary.checkpoint_sha256, _outcome(name))


def _bare_requests(endpoint: str) -> Callable[[], object]:
    """Return a function that writes as many objects as a cell has files, through a bare HTTP client and without any signing."""
    content, numbers = b"x" * 8_000, iter(range(1_000_000))

    def write() -> None:
        for _ in range(SINGLE_REQUESTS):
            connection = http.client.HTTPConnection(endpoint.removeprefix("http://"))
            connection.request("PUT", f"/benchmark/bare/{next(numbers)}", body=content, headers={"If-None-Match": "*"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.HTTPStatus.OK:
                raise SystemExit(f"the S3-compatible server refused with {answer.status}")
            connection.close()

    return write


def training_of(key: str) -> TrainingRecord:
    """Return the record of a training of 100 epochs."""
    epochs = tuple(
        EpochRow(
            epoch=epoch,
            step=391 * epoch,
            loss=2.3 / (epoch + 1),
            accuracy=1 - 0.9 / (epoch + 1),
            lr=0.1,
            images_per_s=4123.4,
            data_wait_share=0.012,
            memory_mib=1034.5,
            time=1.7e9 + 60 * epoch,
        )
        for epoch in range(100)
    )
    summary = TrainSummary(
        checkpoint_sha256=hashlib.sha256(key.encode()).hexdigest(),
        checkpoint_uri=f"checkpoints/{key}/final.pt",
        epochs=epochs,
        resumed_from_step=None,
        wall_s=6000.0,
        device_s=6000.0,
        environment={"torch": "2.14.1", "world_size": 1, "device": "cpu"},
    )
    provenance = Provenance(
        commit="0" * 40,
        dirty=False,
        config={f"field_{number}": number for number in range(40)},
        config_hash=key,
        data_identity="cifar-10",
        versions={"python": "3.11"},
        driver={"host": "here"},
        recorded_at=1.7e9,
    )
    return TrainingRecord(train_key=key, summary=summary, provenance=provenance)


def _outcome(name: str) -> MetricReport:
    rows = tuple({"corruption": f"kind-{i // 5}", "severity": i % 5 + 1, "error": 0.1 + i / 1000} for i in range(75))
    outcome = BenchmarkOutcome(metrics={"error": MetricValue(0.1, 10_000), "rms": MetricValue(0.05, 10_000)}, rows=rows)
    return MetricReport(benchmark=name, benchmark_key=_benchmark_key(name), semantics=1, outcome=outcome, wall_s=60.0)


def _benchmark_key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@contextmanager
def s3_server() -> Iterator[str]:
    """Run an S3-compatible server in a process of its own; yield its address."""
    code = (
        "import logging, sys\n"
        "from moto.server import ThreadedMotoServer\n"
        "logging.getLogger('werkzeug').setLevel(logging.ERROR)\n"
        "server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)\n"
        "server.start()\n"
        "print(server.get_host_and_port()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
        while True:
            try:
                urllib.request.urlopen(endpoint, timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        try:
            yield endpoint
        finally:
            server.stdin.close()


def s3_store(endpoint: str) -> FileStore:
    """Return a new store on such a server; processes that are started later find the server too."""
    import boto3

    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    boto3.session.Session().client("s3").create_bucket(Bucket="benchmark")
    return open_store("s3://benchmark/dreamgrid")


if __name__ == "__main__":
    main()

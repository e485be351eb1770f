"""S3 servers that do not honour conditional writes are refused before a lease is taken, wherever one would be."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clusters.storage.contract import StorageError
from clusters.storage.open import check_storage, open_storage
from clusters.temporary.owners import owner_here
from orchestration.cells.cell import Plan
from orchestration.cli import main
from orchestration.doctor.machine import examine
from orchestration.settings import read_settings
from orchestration.store.contract import SweepRecord
from orchestration.store.open import open_store
from orchestration.tracking.sync import sync
from tests.fakes.s3_servers import ConditionalServer, Conditions, conditional_server
from tests.fakes.tracking import FakeServer

CARELESS = ("ignores", "501", "501 without a document")
_NUMBERS = itertools.count()

Place = tuple[str, str, ConditionalServer]
"""URI of a storage, address of its server, the server."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Conditions], Place]]:
    """Return a function that starts a server of a kind and makes it the endpoint; all of them have the same objects."""
    import boto3

    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"conditions-{next(_NUMBERS)}"
    started: list[Any] = []

    def start(conditions: Conditions) -> Place:
        manager = conditional_server(conditions)
        address, server = manager.__enter__()
        started.append(manager)
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        boto3.session.Session().client("s3").create_bucket(Bucket=bucket)
        server.requests.clear()
        return f"s3://{bucket}/grid", address, server

    yield start
    for manager in started:
        manager.__exit__(None, None, None)


def race(uri: str, keys: list[str]) -> list[list[bool | StorageError]]:
    """Let two drivers, each with a store of its own, ask for the same leases at the same moments; return what each got."""
    together = threading.Barrier(2)

    def drive(_: int) -> list[bool | StorageError]:
        store, owner = open_store(uri), owner_here()
        got: list[bool | StorageError] = []
        for key in keys:
            together.wait(60)
            try:
                got.append(store.acquire(key, owner) is not None)
            except StorageError as error:
                got.append(error)
        return got

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(drive, range(2)))


def test_two_drivers_never_hold_one_lease_where_conditions_are_honoured(
    serve: Callable[[Conditions], Place], records: Any
) -> None:
    uri, _, _ = serve("honours")

    first, second = race(uri, [records.key(str(number)) for number in range(20)])

    assert [bool(one) + bool(other) for one, other in zip(first, second, strict=True)] == [1] * 20


def test_two_drivers_that_take_turns_never_hold_the_lease_together(
    serve: Callable[[Conditions], Place], records: Any
) -> None:
    uri, _, _ = serve("honours")
    key, inside, most, turns = records.key("a"), threading.Semaphore(1), [], threading.Barrier(2)

    def drive(_: int) -> int:
        store, owner, held = open_store(uri), owner_here(), 0
        turns.wait(60)
        for _ in range(25):
            lease = store.acquire(key, owner)
            if lease is None:
                continue
            most.append(inside.acquire(blocking=False))
            time.sleep(0.003)
            inside.release()
            store.release(lease)
            held += 1
        return held

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(drive, range(2))) == len(most) > 5
    assert all(most)


@pytest.mark.parametrize("conditions", CARELESS)
def test_two_drivers_are_both_refused_where_conditions_are_not_honoured(
    conditions: Conditions, serve: Callable[[Conditions], Place], records: Any
) -> None:
    uri, address, _ = serve(conditions)

    for got in race(uri, [records.key(str(number)) for number in range(5)]):
        for error in got:
            assert isinstance(error, StorageError)
            assert error.reason == "unsupported"
            assert f"the S3 server {address} " in str(error)
            assert "If-None-Match" in str(error)
            assert "docs/guides/storage.md" in str(error)
    assert open_storage(uri).list() == (), "neither a lease nor a probe is left"


def test_a_server_is_probed_once_for_a_bucket(serve: Callable[[Conditions], Place], records: Any) -> None:
    uri, _, server = serve("honours")

    for number in range(3):
        assert open_store(uri).acquire(records.key(str(number)), "a driver")

    probes = [method for method, path in server.requests if "/probe-" in path]
    assert probes == ["PUT", "PUT", "DELETE"]


def test_an_address_that_another_server_took_over_is_probed_as_another_endpoint(
    serve: Callable[[Conditions], Place], records: Any
) -> None:
    uri, _, _ = serve("honours")
    assert open_store(uri).acquire(records.key("a"), "a driver")
    serve("ignores")

    with pytest.raises(StorageError, match="ignores the condition"):
        open_store(uri).acquire(records.key("b"), "a driver")


def test_no_record_is_created_either_where_conditions_are_ignored(
    serve: Callable[[Conditions], Place], records: Any
) -> None:
    """The first writer of a record wins by the same condition."""
    uri, _, _ = serve("ignores")
    store = open_store(uri)
    record = SweepRecord(name="x", size="full", files={}, overrides=(), data_root="", cells=(), recorded_at=1.0)

    for write in (lambda: store.record_training(records.training("a")), lambda: store.record_sweep(record)):
        with pytest.raises(StorageError, match="ignores the condition"):
            write()
    assert open_storage(uri).list() == ()


@pytest.mark.parametrize("conditions", CARELESS)
def test_the_preflight_and_doctor_name_the_server_and_the_fix(
    conditions: Conditions, serve: Callable[[Conditions], Place], tmp_path: Path
) -> None:
    uri, address, _ = serve(conditions)

    with pytest.raises(StorageError, match=f"must be a place that can be written, but the S3 server {address} "):
        check_storage(open_storage(uri))
    settings = read_settings(storage=uri, cache_dir=tmp_path, tracking_uri="none", environment={})
    (finding,) = [each for each in examine(settings) if each.what == "storage"]

    assert finding.state == "broken"
    assert address in finding.detail
    assert "use a server that honours it" in finding.fix


@pytest.fixture
def filled(
    serve: Callable[[Conditions], Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str, str]:
    """A storage with a recorded cell of no sweep behind a server that now ignores conditions: URI, address, key of the cell."""
    from tests.orchestration.store.conftest import Records

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Ray is started")

    monkeypatch.setattr("orchestration.engine.run.connect", refuse)
    monkeypatch.setattr("orchestration.runs.screening.screen.connect", refuse)
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    uri, _, _ = serve("honours")
    store, record = open_store(uri), Records.training("a")
    store.record_training(record)
    store.record_report(record.train_key, record.summary.checkpoint_sha256, Records.report())
    _, address, _ = serve("ignores")
    return uri, address, record.train_key


DOORS = {
    "run": ["run", "demo", "--smoke", "--tracking-uri", "none"],
    "screen": ["screen", "demo", "--smoke"],
    "gc": ["cells", "gc", "--delete", "--yes"],
    "invalidate": ["cells", "invalidate", "{key}", "--reason", "test"],
    "import": ["import", "{file}", "--format", "openood", "--name", "theirs", "--dataset", "digits"],
}


@pytest.mark.parametrize("door", DOORS)
def test_every_verb_that_takes_leases_or_records_refuses(
    door: str, filled: tuple[str, str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri, address, key = filled
    file = tmp_path / "ood.csv"
    file.write_text("dataset,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC\nmnist,10.0,90.0,80.0,70.0,95.0\n")
    before = {info.path: info.etag for info in open_storage(uri).list() if not info.path.startswith("index/")}
    arguments = [word.format(key=key, file=file) for word in DOORS[door]]

    assert main([*arguments, "--storage", uri]) == 3

    printed = capfd.readouterr()
    assert f"the S3 server {address} ignores the condition of a write (If-None-Match)" in printed.err
    assert printed.err.strip().count("\n") == 0
    after = {info.path: info.etag for info in open_storage(uri).list() if not info.path.startswith("index/")}
    assert after == before


def test_showing_runs_on_a_tracking_server_refuses(filled: tuple[str, str, str]) -> None:
    uri, address, _ = filled
    plan, server = Plan(sweep="demo", cells=()), FakeServer()

    with pytest.raises(StorageError, match=f"the S3 server {address} ignores"):
        sync(open_store(uri), plan, "http://tracking", client=server)
    assert server.runs == {}


def test_adopting_a_checkpoint_refuses(
    filled: tuple[str, str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch

    from orchestration.evaluation.evaluate import network_config
    from trainers.datasets.registry import dataset_for
    from trainers.training.networks import build_classifier

    uri, address, _ = filled
    model = build_classifier(network_config("wrn-10-1", "digits"), dataset_for("digits"))
    torch.save({"state_dict": model.network.state_dict()}, tmp_path / "weights.pt")
    arguments = ["demo", str(tmp_path / "weights.pt"), "--smoke", "--row", "Baseline", "--storage", uri]

    assert main(["cells", "adopt", *arguments]) == 3

    assert f"the S3 server {address} ignores" in capfd.readouterr().err

"""An object storage that answers 503, or not at all, for a while: calls wait, people are told, nothing is written twice."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from clusters.storage import patient, s3
from clusters.storage.contract import MissingObjectError, StorageError
from clusters.storage.memory import MemoryStorage
from clusters.storage.patient import PATIENCE_S, PatientStorage, expect_mistakes, reported_to
from clusters.storage.s3 import S3Storage
from orchestration.store.leases import FileLeases


class Bucket:
    """A client of S3 over a dictionary, whose server is away until a moment of a clock."""

    meta = SimpleNamespace(endpoint_url="http://127.0.0.1:9")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.back_at = 0.0
        self.error: Callable[[], Exception] = slow_down
        self.loses_answers = False
        self.objects: dict[str, bytes] = {}
        self.calls = 0

    def _serve(self) -> None:
        self.calls += 1
        if self.clock() < self.back_at:
            raise self.error()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self._serve()
        if Key not in self.objects:
            raise answer(404, "NoSuchKey")
        body = type("Body", (), {"read": lambda _: self.objects[Key]})()
        return {"Body": body}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "") -> None:
        if self.loses_answers and self.clock() < self.back_at:
            self.objects.setdefault(Key, Body)
        self._serve()
        if IfNoneMatch and Key in self.objects:
            raise answer(412, "PreconditionFailed")
        self.objects[Key] = Body

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        self._serve()
        self.objects.pop(Key, None)


def answer(status: int, code: str) -> ClientError:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0}}
    return ClientError(response, "GetObject")  # type: ignore[arg-type]


def slow_down() -> Exception:
    return answer(503, "SlowDown")


def no_connection() -> Exception:
    return EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only waiting moves."""
    moment = [1000.0]
    monkeypatch.setattr(patient.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(patient.time, "sleep", lambda seconds: moment.__setitem__(0, moment[0] + seconds))
    return moment


@pytest.fixture
def bucket(now: list[float]) -> Bucket:
    return Bucket(lambda: now[0])


@pytest.fixture
def storage(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> PatientStorage:
    monkeypatch.setattr(patient, "_PLACES", {})
    monkeypatch.setattr(s3, "_CONDITIONAL", set())
    monkeypatch.setattr(patient, "_MISTAKES_LIKELY", patient.threading.Event())
    return PatientStorage(S3Storage("s3://bucket/x", client=bucket))


@pytest.fixture
def said() -> Iterator[list[str]]:
    sentences: list[str] = []
    with reported_to(sentences.append):
        yield sentences


@pytest.mark.parametrize("error", [slow_down, no_connection, lambda: answer(500, "InternalError")])
def test_a_minute_without_an_answer_is_waited_out_and_said(
    storage: PatientStorage, bucket: Bucket, now: list[float], said: list[str], error: Callable[[], Exception]
) -> None:
    bucket.objects["x/record"] = b"1"
    bucket.error, bucket.back_at = error, now[0] + 60

    assert storage.read_bytes("record") == b"1"

    assert now[0] == pytest.approx(1060)
    first, second, last = said
    assert "s3://bucket/x; waiting for up to 5 minutes, nothing is lost" in first
    assert ", for 30 s now: s3://bucket/x" in second
    assert last == "the object storage answers again after 60 s: s3://bucket/x"
    assert storage.back_at == now[0]


def test_patience_ends(storage: PatientStorage, bucket: Bucket, now: list[float], said: list[str]) -> None:
    bucket.back_at = now[0] + PATIENCE_S + 100

    with pytest.raises(StorageError, match="returned SlowDown"):
        storage.read_bytes("record")
    assert now[0] == pytest.approx(1000 + PATIENCE_S, abs=5)


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "InvalidRequest"), (404, "NoSuchBucket")])
def test_a_refusal_is_not_waited_for(
    storage: PatientStorage, bucket: Bucket, now: list[float], said: list[str], status: int, code: str
) -> None:
    bucket.error, bucket.back_at = lambda: answer(status, code), now[0] + 60

    with pytest.raises(StorageError):
        storage.read_bytes("record")
    assert (now[0], bucket.calls, said) == (1000.0, 1, [])


def test_what_is_absent_is_not_waited_for(storage: PatientStorage, now: list[float]) -> None:
    with pytest.raises(MissingObjectError):
        storage.read_bytes("absent")
    assert now[0] == 1000.0


def test_an_address_that_a_person_mistyped_is_an_error_at_once_and_one_that_answered_before_is_not(
    storage: PatientStorage, bucket: Bucket, now: list[float], said: list[str]
) -> None:
    expect_mistakes()
    bucket.error, bucket.back_at = no_connection, now[0] + 60
    with pytest.raises(StorageError, match="did not answer"):
        storage.read_bytes("record")
    assert now[0] == 1000.0

    bucket.back_at = 0.0
    storage.write_bytes("record", b"1")
    bucket.back_at = now[0] + 60
    assert storage.read_bytes("record") == b"1"


def test_an_exclusive_write_whose_answer_was_lost_in_the_absence_is_known_as_ours(
    storage: PatientStorage, bucket: Bucket, now: list[float], said: list[str]
) -> None:
    # The first write of its kind also tries whether the server honours its condition.
    assert storage.write_exclusive("before", b"mine")
    bucket.loses_answers, bucket.back_at = True, now[0] + 10
    assert storage.write_exclusive("lease", b"mine")
    assert not storage.write_exclusive("lease", b"mine")

    bucket.back_at = now[0] + 10
    assert not storage.write_exclusive("lease", b"theirs")


def test_another_process_gets_the_storage_and_not_the_experience(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = pickle.loads(pickle.dumps(PatientStorage(S3Storage("s3://bucket/x"))))

    assert storage.uri == "s3://bucket/x"
    assert storage.is_remote


def test_a_lease_does_not_expire_while_no_heartbeat_could_be_written() -> None:
    """After a minute of 503 the first of two drivers to look took over what the other one still worked on."""

    class Away(MemoryStorage):
        back_at = 0.0

    now, storage = [100.0], Away()
    mine, yours = (FileLeases(storage, expiry_s=60.0, clock=lambda: now[0]) for _ in range(2))
    assert mine.acquire("cell", "me") is not None
    assert yours.acquire("cell", "you") is None

    now[0] = storage.back_at = 165.0
    assert yours.acquire("cell", "you") is None
    now[0] = 226.0
    assert yours.acquire("cell", "you") is not None

"""Files that killed processes were writing into a storage: which of them count as left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from clusters.storage.leftovers import DAY_S, discard, unfinished_writes
from clusters.storage.local import LocalStorage
from clusters.storage.memory import MemoryStorage
from clusters.storage.s3 import S3Storage
from clusters.storage.unfinished import remove_unfinished
from clusters.temporary.owners import owner_here
from tests.fakes.s3_servers import conditional_server

KILLED_IN_A_WRITE = """
import os, signal, sys
from pathlib import Path
from clusters.storage.local import LocalStorage
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
LocalStorage(Path(sys.argv[1])).write_bytes("cell/step.ckpt", bytes(1000))
"""


@pytest.fixture
def killed(tmp_path: Path) -> LocalStorage:
    """A storage in which a process was killed while it wrote a checkpoint."""
    ran = subprocess.run([sys.executable, "-c", KILLED_IN_A_WRITE, str(tmp_path)], check=False)
    assert ran.returncode == -9
    return LocalStorage(tmp_path)


def write(folder: Path, *, host: str | None = None, boot: str | None = None, pid: str | None = None, age: float = 0.0):
    """Write a temporary file as a process does, by default this one."""
    parts = owner_here().split("/")
    path = folder / f".tmp-{','.join([host or parts[0], boot or parts[1], pid or parts[2], *parts[3:]])}"
    path.write_bytes(b"12345")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_what_a_killed_process_was_writing_is_found_and_counts_as_nothing(killed: LocalStorage) -> None:
    (left,) = unfinished_writes(killed)

    assert left.size == 1000
    assert left.of.startswith("process ")
    assert killed.list() == ()


def test_whoever_writes_there_next_removes_it(killed: LocalStorage, tmp_path: Path) -> None:
    ours = write(tmp_path / "cell")

    killed.write_bytes("other/step.ckpt", b"1")
    assert len(unfinished_writes(killed)) == 1
    assert killed.write_exclusive("cell/training.json", b"1")

    assert unfinished_writes(killed) == ()
    assert ours.exists()


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path: Path) -> None:
    remove_unfinished(tmp_path / "absent")


@pytest.mark.parametrize(
    ("of", "age", "is_left"),
    [
        ({}, 0.0, False),
        ({}, DAY_S + 60, False),
        ({"pid": "99999999"}, 0.0, True),
        ({"boot": "an-earlier-boot"}, 60.0, False),
        ({"boot": "an-earlier-boot"}, DAY_S + 60, True),
        ({"host": "elsewhere", "pid": "99999999"}, DAY_S + 60, False),
    ],
    ids=["ours", "ours, old", "dead", "earlier boot", "earlier boot, old", "another host, old"],
)
def test_a_file_is_left_when_its_process_is_gone_or_cannot_be_seen_and_it_is_old(
    tmp_path: Path, of: dict[str, str], age: float, is_left: bool
) -> None:
    path = write(tmp_path, age=age, **of)

    assert [left.path for left in unfinished_writes(LocalStorage(tmp_path))] == [str(path)] * is_left


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_left_alone(tmp_path: Path) -> None:
    os.chown(write(tmp_path, pid="99999999", age=DAY_S + 60), 12345, -1)

    assert unfinished_writes(LocalStorage(tmp_path)) == ()


def test_a_storage_whose_writes_are_whole_has_none() -> None:
    assert unfinished_writes(MemoryStorage()) == ()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an empty object store with the bucket `grid`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with conditional_server("honours") as (address, _):
        made: Any = boto3.session.Session().client("s3", endpoint_url=address)
        made.create_bucket(Bucket="grid")
        yield made


def begin_upload(client: Any, key: str) -> None:
    number = client.create_multipart_upload(Bucket="grid", Key=key)["UploadId"]
    client.upload_part(Bucket="grid", Key=key, UploadId=number, PartNumber=1, Body=b"12345")


def test_an_upload_that_nobody_finished_for_a_day_is_found_and_its_parts_are_deleted(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_upload(client, "mine/cell/step.ckpt")
    begin_upload(client, "other/cell/step.ckpt")
    storage = S3Storage("s3://grid/mine", client)
    began = client.list_multipart_uploads(Bucket="grid")["Uploads"][0]["Initiated"].timestamp()
    monkeypatch.setattr(time, "time", lambda: began + DAY_S - 60)
    assert unfinished_writes(storage) == ()

    monkeypatch.setattr(time, "time", lambda: began + DAY_S + 60)
    (left,) = unfinished_writes(storage)
    discard(left, storage)

    assert (left.path.partition("?")[0], left.size) == ("s3://grid/mine/cell/step.ckpt", 5)
    assert [each["Key"] for each in client.list_multipart_uploads(Bucket="grid")["Uploads"]] == ["other/cell/step.ckpt"]
    storage.abandon(left.path.removeprefix("s3://grid/mine/"))


def test_a_server_that_may_not_be_asked_for_uploads_has_none(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(params: Any, **_: Any) -> None:
        error = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        raise ClientError(error, "ListMultipartUploads")

    client.meta.events.register("before-call.s3.ListMultipartUploads", deny)

    assert S3Storage("s3://grid/mine", client).unfinished() == ()

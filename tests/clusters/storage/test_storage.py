"""Storage: the same promises from a local folder, from an S3-compatible server and from memory."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clusters.errors import ClusterError
from clusters.storage.contract import MissingObjectError, Storage, StorageError
from clusters.storage.memory import MemoryStorage
from clusters.storage.open import check_storage, join, open_storage
from clusters.storage.s3 import S3Storage


@pytest.fixture(params=["local", "s3", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "memory":
        return MemoryStorage()
    uri = str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("s3_uri")
    return open_storage(uri)


def test_bytes_come_back_as_written(storage: Storage) -> None:
    storage.write_bytes("a/b/c.json", b"first")
    storage.write_bytes("a/b/c.json", b"second")

    assert storage.read_bytes("a/b/c.json") == b"second"
    assert storage.exists("a/b/c.json")
    assert not storage.exists("a/b")


def test_a_part_of_an_object_can_be_read(storage: Storage) -> None:
    storage.write_bytes("x", b"0123456789")

    assert storage.read_range("x", 3, 4) == b"3456"
    assert storage.read_range("x", 8, 100) == b"89"


def test_reading_what_is_not_there_names_the_path(storage: Storage) -> None:
    with pytest.raises(MissingObjectError, match=r"the object does not exist.*nothing/here"):
        storage.read_bytes("nothing/here")


def test_exclusive_creation_succeeds_once(storage: Storage) -> None:
    assert storage.write_exclusive("lease", b"mine")
    assert not storage.write_exclusive("lease", b"yours")
    assert storage.read_bytes("lease") == b"mine"


def test_exclusive_creation_has_one_winner_among_many_threads(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: storage.write_exclusive("race", b"%d" % i), range(8)))

    assert sum(won) == 1
    assert storage.read_bytes("race") == b"%d" % won.index(True)


def test_listing_is_recursive_sorted_and_keeps_to_its_folder(storage: Storage) -> None:
    for path in ["results/b/2", "results/a/1", "results-of-others/x", "top"]:
        storage.write_bytes(path, path.encode())

    assert [(info.path, info.size) for info in storage.list("results")] == [("results/a/1", 11), ("results/b/2", 11)]
    assert storage.names() == ("results-of-others/", "results/", "top")
    assert storage.names("results/a") == ("1",)
    assert storage.list("absent") == ()
    assert storage.names("absent") == ()


def test_listing_passes_the_page_size_of_the_server(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusters.storage.s3.PAGE_SIZE", 3)
    storage = open_storage(s3_uri)
    for i in range(10):
        storage.write_bytes(f"many/{i}", b"")

    assert len(storage.list("many")) == len(storage.names("many")) == 10


def test_an_etag_changes_with_a_rewrite(storage: Storage) -> None:
    storage.write_bytes("x", b"1")
    before = storage.stat("x")
    storage.write_bytes("x", b"2")
    after = storage.stat("x")

    assert before is not None
    assert after is not None
    assert before.etag != after.etag
    assert storage.stat("y") is None


def test_deleting_is_idempotent(storage: Storage) -> None:
    storage.write_bytes("x", b"1")
    storage.delete("x")
    storage.delete("x")

    assert not storage.exists("x")


@pytest.mark.parametrize("size", [0, 1000, 17 * 2**20 + 3])
def test_files_travel_unharmed(storage: Storage, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(os.urandom(size))
    expected = hashlib.sha256(source.read_bytes()).hexdigest()

    assert storage.upload_file(source, "checkpoints/final.pt") == expected
    assert storage.download_file("checkpoints/final.pt", target, sha256=expected) == expected
    assert target.read_bytes() == source.read_bytes()


def test_a_damaged_file_is_refused_and_leaves_no_target(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    storage.write_bytes("file", b"damaged")

    with pytest.raises(StorageError, match="the SHA-256 must be 0000") as refusal:
        storage.download_file("file", tmp_path / "target", sha256="0" * 64)

    assert refusal.value.reason == "corrupt"
    assert not (tmp_path / "target").exists()


def test_what_is_not_there_has_no_part(storage: Storage) -> None:
    with pytest.raises(MissingObjectError):
        storage.read_range("absent", 0, 4)


def test_downloading_what_is_not_there_is_named(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(MissingObjectError):
        storage.download_file("absent", tmp_path / "target")


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "a\\b", "a\0b"])
def test_no_path_leaves_the_storage(storage: Storage, path: str) -> None:
    with pytest.raises(StorageError, match="relative"):
        storage.write_bytes(path, b"")


def test_the_preflight_passes_and_cleans_up(storage: Storage) -> None:
    check_storage(storage)

    assert storage.list() == ()


def test_the_preflight_refuses_a_storage_that_overwrites_what_must_be_exclusive(tmp_path: Path) -> None:
    class Careless(type(open_storage(tmp_path))):  # type: ignore[misc]
        def write_exclusive(self, path: str, data: bytes, *, durable: bool = True) -> bool:
            self.write_bytes(path, data)
            return True

    with pytest.raises(StorageError, match="it does not reject a second creation of an object"):
        check_storage(Careless(tmp_path))


def test_the_preflight_refuses_a_storage_that_does_not_list_what_was_written(tmp_path: Path) -> None:
    class Forgetful(type(open_storage(tmp_path))):  # type: ignore[misc]
        def names(self, folder: str = "") -> tuple[str, ...]:
            return ()

    with pytest.raises(StorageError, match="it does not list what was written"):
        check_storage(Forgetful(tmp_path))


def test_the_preflight_leaves_nothing_in_a_folder(tmp_path: Path) -> None:
    check_storage(open_storage(tmp_path / "new"))

    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("storage", ["local", "s3"], indirect=True)
def test_a_storage_can_be_sent_to_another_process(storage: Storage) -> None:
    storage.write_bytes("x", b"1")

    assert pickle.loads(pickle.dumps(storage)).read_bytes("x") == b"1"


def test_a_kill_in_the_middle_of_a_write_leaves_nothing_half_read(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from clusters.storage.open import open_storage\n"
        "os.fsync = lambda fd: os.kill(os.getpid(), 9)\n"
        "getattr(open_storage(sys.argv[1]), sys.argv[2])('record', b'x' * 100_000)\n"
    )
    for call in ("write_bytes", "write_exclusive"):
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path), call]).returncode == -9

    storage = open_storage(tmp_path)
    assert not storage.exists("record")
    assert storage.list() == ()
    assert storage.write_exclusive("record", b"whole")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StorageError, match=r"no space is left.*free some space") as refusal:
        open_storage(tmp_path).write_bytes("x", b"1")

    assert refusal.value.reason == "no-space"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", denied)
        with pytest.raises(StorageError, match=r"access is denied.*give this user the right"):
            open_storage(tmp_path).write_bytes("x", b"1")


def test_a_file_is_no_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="must be a folder"):
        open_storage(tmp_path / "file")


@pytest.mark.parametrize("uri", ["gs://bucket/x", "", "http://host/x", "s3://", "s3:/bucket/x", "file:/x"])
def test_an_unknown_kind_of_uri_is_refused_with_the_known_ones(uri: str) -> None:
    with pytest.raises(ClusterError, match="s3://bucket/prefix"):
        open_storage(uri)


def test_a_missing_bucket_is_named(s3_uri: str) -> None:
    with pytest.raises(StorageError, match="the bucket does not exist"):
        open_storage("s3://absent-bucket/x").write_bytes("x", b"1")


def test_an_unreachable_server_is_named(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(StorageError, match=r"did not answer.*AWS_ENDPOINT_URL") as refusal:
        open_storage("s3://bucket/x", is_patient=False).read_bytes("x")

    assert refusal.value.reason == "unreachable"


def test_a_retried_exclusive_write_knows_its_own_first_try(s3_uri: str) -> None:
    import boto3
    from botocore.exceptions import ClientError

    assert open_storage(s3_uri).write_exclusive("lease", b"mine")

    class AnswerLost:
        def __init__(self, client: object) -> None:
            self._client = client

        def __getattr__(self, name: str) -> object:
            return getattr(self._client, name)

        def put_object(self, **_: object) -> None:
            meta = {"RetryAttempts": 1, "HTTPStatusCode": 412}
            raise ClientError({"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": meta}, "PutObject")

    storage = S3Storage(s3_uri, client=AnswerLost(boto3.session.Session().client("s3")))

    assert storage.write_exclusive("lease", b"mine")
    assert not storage.write_exclusive("lease", b"theirs")


def test_local_use_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom clusters.storage.open import open_storage\n"
        "open_storage(sys.argv[1]).write_bytes('x', b'1')\n"
        "print(sorted({'boto3', 'botocore', 'numpy', 'fsspec', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_uris_are_joined() -> None:
    assert join("s3://bucket/a/", "b", "c.json") == "s3://bucket/a/b/c.json"
    assert join("/tmp/x", "y/") == "/tmp/x/y"

"""The documented policy is enough for a storage and for nothing beside it, on an S3-compatible server that enforces policies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.storage.contract import StorageError
from clusters.storage.open import check_storage, open_storage

DOCS = Path(__file__).resolve().parents[3] / "docs" / "guides"
SET_UP_CALLS = 5
"""What the owner does before policies are enforced: two buckets, a user, its policy, its key."""


def policy(bucket: str, prefix: str) -> str:
    text = (DOCS / "s3-policy.json").read_text(encoding="utf-8")
    return text.replace("BUCKET", bucket).replace("PREFIX", prefix)


def test_the_page_shows_the_policy_file() -> None:
    page = (DOCS / "storage.md").read_text(encoding="utf-8")

    assert (DOCS / "s3-policy.json").read_text(encoding="utf-8").strip() in page


def test_the_policy_grants_no_wildcard_action_and_no_other_bucket() -> None:
    statements = json.loads(policy("grid", "mine"))["Statement"]

    assert not [action for one in statements for action in one["Action"] if "*" in action]
    assert {arn for one in statements for arn in one["Resource"]} == {"arn:aws:s3:::grid", "arn:aws:s3:::grid/mine/*"}


@pytest.fixture(scope="module")
def enforcing_server() -> Iterator[str]:
    """The address of an S3-compatible server that enforces policies after the set-up calls."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP_CALLS)}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.2)
        yield address
    finally:
        server.kill()
        server.wait(30)


@pytest.fixture
def limited(enforcing_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the key of a user who has the documented policy, and nothing else."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", enforcing_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "owner")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "owner")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    session: Any = boto3.session.Session()
    for bucket in ("grid", "other"):
        session.client("s3").create_bucket(Bucket=bucket)
    users = session.client("iam")
    users.create_user(UserName="sweeps")
    users.put_user_policy(UserName="sweeps", PolicyName="sweeps", PolicyDocument=policy("grid", "mine"))
    key = users.create_access_key(UserName="sweeps")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


@pytest.mark.usefixtures("limited")
def test_the_policy_is_enough_for_a_storage_and_for_nothing_else(tmp_path: Path) -> None:
    storage = open_storage("s3://grid/mine")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(20 << 20))

    check_storage(storage)
    digest = storage.upload_file(large, "checkpoints/large")
    assert storage.download_file("checkpoints/large", tmp_path / "back", sha256=digest) == digest
    assert storage.names("checkpoints") == ("large",)
    storage.delete("checkpoints/large")
    for uri in ("s3://other/mine", "s3://grid/theirs"):
        with pytest.raises(StorageError, match="access is denied") as refusal:
            open_storage(uri).write_bytes("a", b"")
        assert refusal.value.reason == "permission"
        with pytest.raises(StorageError, match=f"a place that can be written, but access is denied: '{uri}'"):
            check_storage(open_storage(uri))

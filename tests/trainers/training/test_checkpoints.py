import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from clusters.storage.contract import StorageError
from clusters.storage.local import LocalStorage
from clusters.storage.open import open_storage
from clusters.storage.s3 import S3Storage
from trainers.errors import CheckpointError, NoSpace
from trainers.training.checkpoints import Checkpoints, pack, unpack

KEY = "cd" * 32


def state(value: float) -> dict[str, object]:
    return {"model": {"weight": torch.full((3,), value)}, "step": int(value), "rows": [{"loss": 0.5}], "name": "x"}


def test_state_comes_back_as_it_was() -> None:
    back = unpack(pack(state(2.0)), "here")
    assert torch.equal(back["model"]["weight"], torch.full((3,), 2.0))
    assert (back["step"], back["rows"], back["name"]) == (2, [{"loss": 0.5}], "x")


def test_last_two_are_kept_until_the_final_one_stands(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), KEY)
    for step in (1, 2, 3):
        checkpoints.save(state(step), step)
    names = sorted(path.name for path in (tmp_path / KEY).glob("*.ckpt"))
    assert names == ["step-000000000002.ckpt", "step-000000000003.ckpt"]
    final = checkpoints.save_final(state(4))
    assert [path.name for path in (tmp_path / KEY).glob("*.ckpt")] == ["final.ckpt"]
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.is_final
    assert newest.sha256 == final.sha256
    assert newest.state["step"] == 4


@pytest.mark.parametrize("kept", [0, 10, 60, 200, -1])
def test_truncated_checkpoint_is_named_and_the_one_before_is_used(tmp_path: Path, kept: int) -> None:
    checkpoints = Checkpoints(str(tmp_path), KEY)
    checkpoints.save(state(1), 1)
    checkpoints.save(state(2), 2)
    path = tmp_path / KEY / "step-000000000002.ckpt"
    path.write_bytes(path.read_bytes()[:kept])
    told: list[str] = []
    newest = checkpoints.newest(told.append)
    assert newest is not None
    assert newest.state["step"] == 1
    assert len(told) == 1
    assert "step-000000000002.ckpt" in told[0]


def test_one_flipped_bit_is_noticed() -> None:
    data = bytearray(pack(state(1)))
    data[-40] ^= 1
    with pytest.raises(CheckpointError, match="truncated or changed"):
        unpack(bytes(data), "here")


def test_checkpoint_of_another_cell_is_refused(tmp_path: Path) -> None:
    Checkpoints(str(tmp_path), KEY).save(state(1), 1)
    (tmp_path / KEY).rename(tmp_path / ("ef" * 32))
    with pytest.raises(CheckpointError, match="must belong to cell efefefefefef, but was written by cdcdcdcdcdcd"):
        Checkpoints(str(tmp_path), "ef" * 32).newest()


def test_nothing_but_tensors_and_plain_values_is_read(tmp_path: Path) -> None:
    data = pack({"thing": Path("/tmp")})
    with pytest.raises(CheckpointError, match="more than tensors and plain values"):
        unpack(data, "here")


def test_missing_final_checkpoint_names_the_cell_to_train(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), KEY)
    assert checkpoints.newest() is None
    with pytest.raises(CheckpointError, match=r"final checkpoint of cdcdcdcdcdcd .* train that cell first"):
        checkpoints.final()


def test_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(str(tmp_path), KEY)

    def full(storage: LocalStorage, path: str, data: bytes, *, durable: bool = True) -> None:
        raise StorageError("no-space", path, "the disk is full")

    monkeypatch.setattr(LocalStorage, "write_bytes", full)
    with pytest.raises(NoSpace, match="free some space") as caught:
        checkpoints.save(state(1), 1)
    assert caught.value.error_class == "no-space"


@pytest.fixture
def slow_bucket(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Uploads to object storage wait for this."""
    may_go, write_bytes = threading.Event(), S3Storage.write_bytes

    def write(storage: S3Storage, name: str, data: bytes, **more: Any) -> None:
        assert may_go.wait(60)
        write_bytes(storage, name, data, **more)

    monkeypatch.setattr(S3Storage, "write_bytes", write)
    return may_go


def test_checkpoint_travels_to_object_storage_while_training_goes_on(slow_bucket: threading.Event, s3_uri: str) -> None:
    checkpoints, changing = Checkpoints(s3_uri, KEY), torch.zeros(3)
    with checkpoints.sending():
        checkpoints.save({"model": {"weight": changing}, "step": 1}, 1)
        assert checkpoints.newest() is None
        changing += 7
        slow_bucket.set()
    newest = checkpoints.newest()
    assert newest is not None
    assert torch.equal(newest.state["model"]["weight"], torch.zeros(3))


def test_last_two_of_many_that_travelled_are_kept_in_order(s3_uri: str) -> None:
    checkpoints = Checkpoints(s3_uri, KEY)
    with checkpoints.sending():
        for step in (1, 2, 3):
            checkpoints.save(state(step), step)
    assert sorted(open_storage(f"{s3_uri}/{KEY}").names()) == ["step-000000000002.ckpt", "step-000000000003.ckpt"]


def test_checkpoint_that_does_not_arrive_is_told_at_the_end_at_the_latest(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("no-space", "s3://bucket", "the quota is used up")

    monkeypatch.setattr(S3Storage, "write_bytes", full)
    checkpoints = Checkpoints(s3_uri, KEY)
    with pytest.raises(NoSpace, match="the quota is used up"), checkpoints.sending():
        checkpoints.save(state(1), 1)

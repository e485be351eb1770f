"""A forgetting that is cut short between any two of its steps never brings an invalidated checkpoint back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from clusters.storage.contract import StorageError
from clusters.storage.local import LocalStorage
from orchestration.planning.checkpoints import forget
from orchestration.results.collection import Collection, Unwanted, delete
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from tests.fakes.records import make_training
from trainers.training.checkpoints import Checkpoints, fault_of_final, move_into_era, pack

KEYS = ("ab" * 32, "cd" * 32)
OPERATIONS = ("write_bytes", "write_exclusive", "delete", "names", "list", "read_bytes", "stat")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def state(value: float) -> dict[str, Any]:
    return {"model": {"weight": torch.full((3,), value)}, "environment": {}, "progress": {}, "resumed_from": None}


def trained(folder: Path, key: str, value: float) -> None:
    """Train a cell as a worker and its driver do: a checkpoint on the way, the final one, the record."""
    store = open_store(folder / "storage")
    lease = store.acquire(key, "driver")
    assert lease is not None
    checkpoints = Checkpoints(str(folder / "checkpoints"), key, era=store.era(key))
    final = checkpoints.save_final(state(value))
    checkpoints.save(state(value + 0.5), 7)
    store.record_training(
        make_training(key, checkpoint_sha256=final.sha256, checkpoint_uri=final.uri, recorded_at=value)
    )
    store.release(lease)


def weights_found(folder: Path, key: str) -> float | None:
    """Return what a worker would take over, as its driver would ask it to."""
    store = open_store(folder / "storage")
    newest = Checkpoints(str(folder / "checkpoints"), key, era=store.era(key)).newest()
    return None if newest is None else float(newest.state["model"]["weight"][0])


def is_recorded(folder: Path, key: str) -> bool:
    return open_store(folder / "storage").result(key) is not None


def forgotten(folder: Path, store: FileStore) -> None:
    forget(KEYS, store=store, checkpoints=str(folder / "checkpoints"), reason="wrong")


def collected(folder: Path, store: FileStore) -> None:
    cells = tuple(
        Unwanted(train_key=key, row="", sweep="", seed=0, recorded_at=0.0, checkpoint_bytes=1) for key in KEYS
    )
    delete(
        Collection(unwanted=cells, kept=(), dropped=()),
        store,
        checkpoints=str(folder / "checkpoints"),
    )


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Return a function that runs something and ends it at its n-th operation on a storage, and tells whether it came so far."""

    def ended(call: Callable[[], None], n: int, *, after: bool) -> bool:
        done: list[str] = []

        def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*values: Any, **named: Any) -> Any:
                done.append(operation.__name__)
                if len(done) > n or (len(done) == n and not after):
                    raise Killed  # a dead process tidies nothing up
                result = operation(*values, **named)
                if len(done) == n:
                    raise Killed
                return result

            return wrapped

        with monkeypatch.context() as patch:
            for name in OPERATIONS:
                patch.setattr(LocalStorage, name, counted(getattr(LocalStorage, name)))
            try:
                call()
            except Killed:
                return True
        return False

    return ended


@pytest.mark.parametrize(("act", "after"), [(forgotten, False), (forgotten, True), (collected, False)])
def test_killed_at_any_operation(
    tmp_path: Path, cut_short: Callable[..., bool], act: Callable[[Path, FileStore], None], after: bool
) -> None:
    step, was_cut = 0, True
    while was_cut:
        step += 1
        folder = tmp_path / str(step)
        for key in KEYS:
            trained(folder, key, 1.0)
        store = open_store(folder / "storage", lease_expiry_s=0.001)
        was_cut = cut_short(lambda: act(folder, store), step, after=after)  # noqa: B023
        for key in KEYS:
            assert weights_found(folder, key) is None or is_recorded(folder, key), f"{key[:2]} came back at step {step}"
        again = open_store(folder / "storage", lease_expiry_s=1e-9)
        again.holders(KEYS)  # the first look at the lease of the killed one; the second finds it silent
        act(folder, again)
        for key in KEYS:
            assert not is_recorded(folder, key)
            assert weights_found(folder, key) is None
            assert not list((folder / "checkpoints" / key).rglob("*.ckpt")), "what was left is deleted"
    assert step > 20


def test_a_folder_that_cannot_be_written_keeps_files_that_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path, KEYS[0], 1.0)

    removed = LocalStorage.delete

    def refuse(self: LocalStorage, path: str) -> None:
        if path.endswith(".ckpt"):
            raise StorageError("permission", path, "read-only file system")
        removed(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "delete", refuse)
        with pytest.raises(StorageError, match="read-only"):
            forgotten(tmp_path, open_store(tmp_path / "storage"))
    assert list((tmp_path / "checkpoints").rglob("final.ckpt"))
    assert not is_recorded(tmp_path, KEYS[0])
    assert weights_found(tmp_path, KEYS[0]) is None

    trained(tmp_path, KEYS[0], 2.0)

    assert weights_found(tmp_path, KEYS[0]) == 2.0
    names = [path.relative_to(tmp_path / "checkpoints" / KEYS[0]).parts[0] for path in tmp_path.rglob("*.ckpt")]
    assert set(names) == {"era-1"}, "the next training deletes what was left"


def test_a_driver_that_lost_its_lease_records_nothing_in_the_new_era(tmp_path: Path) -> None:
    slow = open_store(tmp_path / "storage")
    lease = slow.acquire(KEYS[0], "slow driver")
    assert lease is not None
    other = open_store(tmp_path / "storage", lease_expiry_s=1e-9)
    other.holders([KEYS[0]])
    forget([KEYS[0]], store=other, checkpoints=str(tmp_path / "checkpoints"), reason="wrong")

    final = Checkpoints(str(tmp_path / "checkpoints"), KEYS[0], era=slow.era(KEYS[0])).save_final(state(1.0))
    slow.record_training(
        make_training(KEYS[0], checkpoint_sha256=final.sha256, checkpoint_uri=final.uri, recorded_at=1.0)
    )

    assert not is_recorded(tmp_path, KEYS[0])
    assert weights_found(tmp_path, KEYS[0]) is None


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated or changed"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:]), "truncated or changed"),
        (lambda path: path.write_bytes(b""), "truncated or changed"),
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.touch(), None),
    ],
    ids=["truncated", "changed", "emptied", "deleted", "touched"],
)
def test_the_fault_of_a_final_checkpoint(
    tmp_path: Path, damage: Callable[[Path], object], expected: str | None
) -> None:
    final = Checkpoints(str(tmp_path), KEYS[0]).save_final(state(1.0))
    assert fault_of_final(str(tmp_path), KEYS[0], 0, etag=final.etag) is None
    damage(tmp_path / KEYS[0] / "final.ckpt")
    for etag in (final.etag, ""):
        fault = fault_of_final(str(tmp_path), KEYS[0], 0, etag=etag)
        assert (fault is None) if expected is None else (fault is not None and expected in fault)


def test_an_object_store_answers_for_its_objects(s3_uri: str) -> None:
    assert "is gone" in str(fault_of_final(s3_uri, KEYS[0], 0))
    final = Checkpoints(s3_uri, KEYS[0], era=2).save_final(state(1.0))
    assert fault_of_final(s3_uri, KEYS[0], 2, etag=final.etag) is None
    assert fault_of_final(s3_uri, KEYS[0], 2) is None
    assert "is gone" in str(fault_of_final(s3_uri, KEYS[0], 0))


def test_a_checkpoint_of_an_earlier_version_without_eras_is_known_by_the_recorded_hash_of_its_file(
    tmp_path: Path,
) -> None:
    invalidated = pack({**state(1.0), "train_key": KEYS[0], "at": 1})
    retrained = pack({**state(1.0), "train_key": KEYS[0], "at": 2})
    recorded = hashlib.sha256(retrained).hexdigest()
    flat = tmp_path / KEYS[0] / "final.ckpt"
    flat.parent.mkdir()

    flat.write_bytes(invalidated)
    assert "is gone" in str(fault_of_final(str(tmp_path), KEYS[0], 1, recorded=recorded))
    assert not move_into_era(str(tmp_path), KEYS[0], 1, recorded=recorded)

    flat.write_bytes(retrained)
    assert fault_of_final(str(tmp_path), KEYS[0], 1, recorded=recorded) is None
    assert move_into_era(str(tmp_path), KEYS[0], 1, recorded=recorded)
    assert not flat.exists()
    newest = Checkpoints(str(tmp_path), KEYS[0], era=1).newest()
    assert newest is not None
    assert newest.state["at"] == 2
    assert not move_into_era(str(tmp_path), KEYS[0], 1, recorded=recorded), "once is enough"

"""A storage that cannot be written is one line and exit code 3, before Ray starts or a network is evaluated."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusters.storage.contract import StorageError
from clusters.storage.local import LocalStorage
from orchestration.cli import main
from orchestration.evaluation.checkpoints import evaluate_network

LIMIT_S = 10.0
RUN = ["run", "demo", "--smoke", "--tracking-uri", "none"]
SCREEN = ["screen", "demo", "--smoke"]


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fail where a Ray would be started."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Ray is started")

    monkeypatch.setattr("orchestration.engine.run.connect", refuse)
    monkeypatch.setattr("orchestration.runs.screening.screen.connect", refuse)
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def a_file(folder: Path) -> str:
    (folder / "file").write_text("")
    return str(folder / "file")


def in_a_file(folder: Path) -> str:
    return f"{a_file(folder)}/deeper/storage"


def a_dangling_link(folder: Path) -> str:
    (folder / "link").symlink_to(folder / "nowhere" / "at" / "all")
    return str(folder / "link")


def in_the_kernel(folder: Path) -> str:
    return "/proc/dreamgrid/storage"


def with_no_right(folder: Path) -> str:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (folder / "mine").mkdir(mode=0o500)
    return str(folder / "mine" / "storage")


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """Run a verb and return its one line."""
    began = time.monotonic()

    assert main(arguments) == 3

    assert time.monotonic() - began < LIMIT_S
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (a_file, "a storage must be a folder, but this is a file: '{}'"),
        (in_a_file, "in its path is a file: '{}'"),
        (a_dangling_link, "a folder cannot be created where a link or a file has its name: '{}'"),
        (in_the_kernel, "but it cannot be created: '{}'"),
        (with_no_right, "a storage must be a place that can be written, but access is denied: '{}'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("verb", [RUN, SCREEN], ids=["run", "screen"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(
    verb: list[str], place: Callable[[Path], str], expected: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    storage = place(tmp_path)

    assert expected.format(storage) in refused([*verb, "--storage", storage], capfd)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (("permission", "the file system is read-only"), "but the file system is read-only"),
        (("no-space", "no space is left"), "but no space is left"),
        (("unsupported", "exclusive creation needs hard links"), "but exclusive creation needs hard links"),
    ],
)
@pytest.mark.parametrize("verb", [RUN, SCREEN], ids=["run", "screen"])
def test_a_storage_that_refuses_writes_is_told_with_its_own_name(
    verb: list[str],
    error: tuple[Any, str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(self: LocalStorage, path: str, data: bytes, *, durable: bool = True) -> bool:
        raise StorageError(error[0], f"{self.uri}/{path}", error[1])

    monkeypatch.setattr(LocalStorage, "write_exclusive", refuse)

    text = refused([*verb, "--storage", str(tmp_path / "storage")], capfd)

    assert f"a storage must be a place that can be written, {expected}: '{tmp_path / 'storage'}';" in text


@pytest.mark.parametrize("verb", [RUN, SCREEN], ids=["run", "screen"])
def test_a_bucket_that_does_not_exist_is_told(
    verb: list[str], s3_uri: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "the bucket does not exist" in refused([*verb, "--storage", "s3://no-such-bucket/prefix"], capfd)


def test_a_bucket_without_an_endpoint_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("ENDPOINT_URL", "http://127.0.0.1:9"), ("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda *_, **__: 0.0)

    assert "check the network, the address (AWS_ENDPOINT_URL)" in refused([*RUN, "--storage", "s3://bucket/x"], capfd)


def test_submit_refuses_a_file_and_cannot_know_more(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "demo", "--storage", in_a_file(tmp_path)]) == 2

    assert "in its path is a file" in capfd.readouterr().err


def test_a_run_with_nothing_to_do_needs_no_right_to_write(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "--mode", "read-only", "--storage", str(tmp_path / "absent")]) in (0, 1)

    assert not (tmp_path / "absent").exists()


def test_the_folder_of_an_evaluation_is_checked_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch

    from orchestration.evaluation.evaluate import network_config
    from trainers.datasets.registry import dataset_for
    from trainers.training.networks import build_classifier

    model = build_classifier(network_config("wrn-10-1", "digits"), dataset_for("digits"))
    torch.save({"state_dict": model.network.state_dict()}, tmp_path / "weights.pt")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network is evaluated")

    monkeypatch.setattr(f"{evaluate_network.__module__}.evaluate_network", refuse)
    arguments = [str(tmp_path / "weights.pt"), "--model", "wrn-10-1", "--dataset", "digits", "--benchmarks", "clean"]

    text = refused(["evaluate", *arguments, "--save", in_a_file(tmp_path)], capfd)

    assert "the folder of --save must be one that can be written" in text

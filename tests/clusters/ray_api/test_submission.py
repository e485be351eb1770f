"""Sweeps as jobs: what is uploaded, what is refused beforehand, and the real thing on a head on loopback."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.code.upload import Upload, check_upload, measure_upload
from clusters.errors import ClusterError
from clusters.ray_api.jobs import JobServer, _Log
from orchestration.errors import InputError
from orchestration.runs.submit import SubmitRequest, exit_code, job_order
from orchestration.store.open import open_store
from tests.fakes.cluster_files import filled_text

REPOSITORY = Path(__file__).resolve().parents[3]
SWEEP = """
name: tiny
title: Tiny
base: {dataset: digits, model: small-cnn, recipe: digits}
axes:
  cells:
    - {row: Baseline, method: baseline}
seeds: [0]
workers: 1
table: {columns: [clean/error]}
benchmarks:
  clean: {max_images: 100}
"""


@pytest.fixture
def request_of(tmp_path: Path) -> Callable[..., SubmitRequest]:
    """Build a request; the folder is empty but for what a test puts there."""

    def build(sweep: str = "demo", *arguments: str, carried: tuple[str, ...] = (), **parsed: Any) -> SubmitRequest:
        return SubmitRequest(sweep=sweep, arguments=arguments, parsed=parsed, folder=tmp_path, carried=carried)

    return build


def test_this_repository_may_be_uploaded() -> None:
    upload = measure_upload(REPOSITORY)

    check_upload(upload)
    assert {"orchestration/cli/main.py", "augment/methods/pixmix/pixmix.py"} <= upload.sizes.keys()
    assert not [name for name in upload.sizes if name.startswith(("tests/", ".git/", ".venv/", "docs/"))]


@pytest.mark.parametrize("storage", ["/shared/res%20x", "/shared/a?b #1 ü", "/shared/it's", "file:///shared/a%20b"])
def test_a_storage_of_any_name_reaches_the_job_as_it_is(storage: str, request_of: Callable[..., SubmitRequest]) -> None:
    order = job_order(request_of("demo", "--storage", storage, storage=storage), environment={})
    by_variable = job_order(request_of("demo"), environment={"DREAMGRID_STORAGE": storage})

    assert shlex.split(order.entrypoint)[-2:] == ["--storage", storage]
    assert shlex.split(by_variable.entrypoint)[-2:] == ["--storage", storage]


def test_a_prefix_that_addresses_cut_is_refused_before_anything_is_uploaded(
    request_of: Callable[..., SubmitRequest],
) -> None:
    with pytest.raises(InputError, match="no '\\?' and no '#'"):
        job_order(request_of("demo", storage="s3://bucket/a?b"), environment={})


def test_a_large_folder_is_refused_with_its_largest_files(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\0" * (6 * 2**20))
    (tmp_path / "small.py").write_text("")

    with pytest.raises(ClusterError, match=r"must be below 5 MiB.*data.bin \(6.0 MiB\).*\.rayignore"):
        check_upload(measure_upload(tmp_path))


def test_what_is_ignored_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\0" * (6 * 2**20))
    (tmp_path / "kept.bin").write_bytes(b"\0")
    (tmp_path / ".rayignore").write_text("data.bin\n")
    (tmp_path / ".gitignore").write_text("other/\n")

    assert measure_upload(tmp_path).sizes.keys() == {"kept.bin", ".rayignore", ".gitignore"}


def test_what_is_ignored_is_what_ray_ignores(tmp_path: Path) -> None:
    # Ray's own function, which is private: only a test may ask it.
    from ray._private.runtime_env.packaging import _dir_travel

    rules = {
        ".rayignore": "build/\n*.pyc\n!kept.pyc\n/top.txt\n# a remark\n\nlogs\n",
        ".gitignore": "deep/**/x.bin\n[ab]?.c\n\\#odd\n",
        "sub/.gitignore": "/only_here\nout\n!out/kept\n",
    }
    names = (
        *rules, "build/a", "build/b/c", "x.pyc", "kept.pyc", "sub/x.pyc", "top.txt", "sub/top.txt", "logs/a", "sub/logs/b/c",
        "deep/1/2/x.bin", "deep/x.bin", "deep/1/y.bin", "a1.c", "sub/b2.c", "c3.c", "#odd", "sub/only_here", "only_here",
        "sub/more/only_here", "sub/out/kept", "sub/out/other", "sub/more/out/kept", ".hidden", "sub/.hidden/a",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(rules.get(name, name))
    theirs: set[str] = set()
    _dir_travel(tmp_path, [], lambda path: theirs.add(str(path.relative_to(tmp_path))), include_gitignore=True)

    assert measure_upload(tmp_path).sizes.keys() == {name for name in theirs if (tmp_path / name).is_file()}
    assert "sub/out/kept" not in measure_upload(tmp_path).sizes


@pytest.mark.parametrize("name", [".env", "id_rsa", "server.pem", "auth_token", "credentials"])
def test_credentials_are_not_uploaded(tmp_path: Path, name: str) -> None:
    upload = Upload(folder=tmp_path, sizes={f"conf/{name}": 10})

    with pytest.raises(ClusterError, match="credentials must not be uploaded"):
        check_upload(upload)


def test_the_command_of_a_job_is_that_of_a_run(request_of: Callable[..., SubmitRequest]) -> None:
    order = job_order(request_of("demo", "--set", "train.epochs=2"), {"DREAMGRID_STORAGE": "s3://bucket/grid"})

    assert order.entrypoint == ("python -m dreamgrid run demo --set train.epochs=2 --storage s3://bucket/grid")
    assert order.environment["RAY_JOB_STOP_WAIT_TIME_S"] == "60"
    assert order.metadata["sweep"] == "demo"


def test_the_same_request_is_found_again_and_another_is_not(request_of: Callable[..., SubmitRequest]) -> None:
    surroundings = {"DREAMGRID_STORAGE": "/shared/grid"}
    first, again = (job_order(request_of("demo", "--smoke"), surroundings) for _ in range(2))
    other = job_order(request_of("demo"), surroundings)

    assert first.metadata == again.metadata
    assert first.submission_id != again.submission_id
    assert first.metadata != other.metadata


def test_every_mistake_of_a_submission_is_told_at_once(request_of: Callable[..., SubmitRequest]) -> None:
    request = request_of(
        "/elsewhere/mine.yaml", carried=("AWS_SECRET_ACCESS_KEY", "ABSENT"), tracking_uri="http://me:word@host:5000"
    )

    with pytest.raises(InputError) as refusal:
        job_order(request, {"AWS_SECRET_ACCESS_KEY": "planted"})

    text = str(refusal.value)
    assert "planted" not in text
    assert "word@" not in text
    for part in (
        "a sweep file must be in the uploaded folder",
        "needs a storage that every node sees",
        "AWS_SECRET_ACCESS_KEY looks like a secret",
        "ABSENT is not set here",
        "this address contains a password",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 2, 2),
        ("FAILED", 1, 1),
        ("FAILED", None, 3),
        ("STOPPED", -15, 1),
        ("FAILED", -9, 3),
    ],
)
def test_a_job_ends_with_the_exit_code_of_its_sweep(status: str, code: int | None, expected: int) -> None:
    assert exit_code(status, code) == expected


def test_a_log_that_is_sent_again_is_told_once() -> None:
    told: list[str] = []
    log = _Log(told.append)
    log.restart()
    log.add("one\n")
    log.add("two\n")
    log.restart()
    log.add("one\ntw")
    log.add("o\nthree\n")

    assert "".join(told) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(("state", "expected"), [("ALIVE", "job-1"), ("DEAD", None)])
def test_a_job_whose_node_is_gone_is_not_under_way(
    state: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    raylet = {"nodeId": "a1", "state": state}
    answer = SimpleNamespace(status_code=200, json=lambda: {"data": {"summary": [{"raylet": raylet}]}})
    job = SimpleNamespace(metadata={"sweep": "x"}, status="RUNNING", submission_id="job-1", driver_node_id="a1")
    client = SimpleNamespace(list_jobs=lambda: [job], _do_request=lambda *_: answer)
    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", lambda _: client)
    monkeypatch.setattr("clusters.ray_api.jobs._check_version", lambda named: None)

    assert JobServer("http://127.0.0.1:9").find({"sweep": "x"}) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["submit", "demo", "--smok"], "No such option"),
        (["submit", "dmo", "--storage", "/shared"], "did you mean 'demo'"),
        (["submit", "demo"], "needs a storage that every node sees"),
        (["cluster", "up", "clusters/manifests/aws.yaml"], "every place must be filled in"),
        (["cluster", "down", "clusters/manifests/kuberay-job.yaml"], "kubectl delete -f"),
        (["cluster", "check", "pyproject.toml"], "must be YAML"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.cli import main

    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("DREAMGRID_STORAGE", raising=False)

    assert main(arguments) == 2
    assert expected in capsys.readouterr().err


def test_a_cluster_file_is_checked_before_ray_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from clusters.cluster_files import launcher
    from orchestration.cli import main

    ready = tmp_path / "mine.yaml"
    ready.write_text(filled_text("aws.yaml"))
    asked: list[list[str]] = []

    def remember(command: list[str], **_: object) -> Any:
        asked.append(command)
        return type("Ended", (), {"returncode": 0})()

    monkeypatch.setattr(launcher.subprocess, "run", remember)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "absent"))
    assert main(["cluster", "up", str(ready)]) == 2
    assert "a cluster needs an authentication token" in capsys.readouterr().err
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)
    assert main(["cluster", "up", str(ready)]) == 0
    assert main(["cluster", "down", str(ready)]) == 0

    assert [command[3:6] for command in asked] == [["up", "--yes", str(ready)], ["down", "--yes", str(ready)]]


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1300)
def test_a_submitted_sweep_runs_stops_and_goes_on(ray_head: Any, upload_of: Any, tmp_path: Path) -> None:
    folder, storage = tmp_path / "upload", tmp_path / "storage"
    upload_of(folder)
    (folder / "tiny.yaml").write_text(SWEEP)
    submit = ["submit", str(folder / "tiny.yaml"), "--address", ray_head.url, "--working-dir", str(folder)]
    options = ["--storage", str(storage), "--set", "train.epochs=60"]

    started = ray_head.dreamgrid(*submit, *options, "--no-wait")
    assert started.returncode == 0, started.stderr
    assert "uploading" in started.stderr
    job = started.stdout.strip()
    checkpoints = storage / "checkpoints"
    ray_head.wait_until(lambda: any(checkpoints.rglob("*")), "the job writes no checkpoint")
    stopped = ray_head.dreamgrid(*submit, *options, "--stop")
    assert stopped.stderr.strip().endswith(f"{job}: STOPPED"), stopped.stderr
    (cell,) = json.loads(ray_head.dreamgrid("status", str(folder / "tiny.yaml"), *options, "--json").stdout)["cells"]
    assert cell["state"] == "waiting"

    resumed = ray_head.dreamgrid(*submit, *options)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "| Baseline |" in resumed.stdout
    store = open_store(str(storage))
    (result,) = store.results(store.train_keys()).values()
    assert result.training.summary.resumed_from_step is not None
    assert [row.epoch for row in result.training.summary.epochs] == list(range(60))

    ray = str(Path(sys.executable).with_name("ray"))
    plain = [ray, "job", "submit", "--address", ray_head.url, "--working-dir", str(folder), "--"]
    run = ["python", "-m", "dreamgrid", "run", "tiny.yaml"]
    began = time.monotonic()
    again = ray_head.run(*plain, *run, *options)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "| Baseline |" in again.stdout
    assert time.monotonic() - began < 300
    assert ray_head.run(*plain, *run, "--smok").returncode != 0

    stranger = ray_head.dreamgrid(*submit, *options, RAY_AUTH_TOKEN="f" * 64)
    assert stranger.returncode == 3
    assert "demands its cluster's token" in stranger.stderr

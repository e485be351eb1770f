"""Forgetting, adopting, collecting and evaluating cells; steering a sweep from another terminal; running with nothing to run."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from clusters.storage.open import join, open_storage
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.engine.options import RunOutcome
from orchestration.engine.run import execute as execute_plan
from orchestration.errors import InputError, SweepError
from orchestration.evaluation.checkpoints import load_network
from orchestration.planning.checkpoints import forget
from orchestration.planning.plan import make_plan
from orchestration.planning.sweep_records import reachable_keys
from orchestration.runs.run import run_sweep
from orchestration.settings import Settings, read_settings
from orchestration.store.contract import AttemptRecord
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from trainers.training.checkpoints import Checkpoints
from trainers.training.networks import build_classifier


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DREAMGRID_DATA", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return read_settings()


@pytest.fixture
def store(settings: Settings) -> FileStore:
    return open_store(settings.storage)


def smoke_plan(store: FileStore) -> Plan:
    return make_plan(load_sweep("demo", size="smoke"), store=store)


@pytest.fixture
def weights(store: FileStore, tmp_path: Path) -> Path:
    """A file of weights such as another trainer writes it, for the network of the demo's baseline."""
    cell = smoke_plan(store).cells[0]
    model = build_classifier(cell.config, builtin_catalogue().dataset("digits"))
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": {f"module.{name}": value for name, value in model.network.state_dict().items()}}, path)
    return path


def adopted(weights: Path, row: str = "Baseline") -> str:
    assert main(["cells", "adopt", "demo", str(weights), "--smoke", "--row", row]) == 0
    return str(weights)


def test_an_adopted_checkpoint_is_trained_and_only_to_be_evaluated(store: FileStore, weights: Path) -> None:
    adopted(weights)

    cell = smoke_plan(store).cells[0]
    assert cell.trained
    assert len(cell.missing) == len(cell.benchmarks)
    result = store.result(cell.train_key)
    assert result is not None
    assert result.training.summary.environment["adopted_from"] == str(weights)


def test_a_trained_cell_takes_no_other_checkpoint(
    weights: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted(weights)

    assert main(["cells", "adopt", "demo", str(weights), "--smoke", "--row", "Baseline"]) == 2
    assert "trained already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--row", "Basline"], "did you mean 'Baseline'?"),
        (["--row", "Baseline", "--smoke", "--small"], "choose one"),
    ],
)
def test_an_adoption_must_name_a_cell(
    weights: Path, settings: Settings, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cells", "adopt", "demo", str(weights), *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_weights_of_another_network_are_refused(store: FileStore, weights: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, weights)

    with pytest.raises(InputError, match="must fit wrn-10-1 on digits"):
        load_network(weights, config=smoke_plan(store).cells[0].config)


def test_a_file_that_would_run_code_is_refused(store: FileStore, tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"state_dict": Path("x")}, path)

    with pytest.raises(InputError, match="without running code"):
        load_network(path, config=smoke_plan(store).cells[0].config)


def test_any_checkpoint_can_be_evaluated(weights: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "evaluate",
        str(weights),
        "--model",
        "wrn-10-1",
        "--dataset",
        "digits",
        "--benchmarks",
        "clean",
        "--json",
    ]

    assert main([*command, "--set", "benchmarks.clean.max_images=20"]) == 0

    report = json.loads(capsys.readouterr().out)["reports"][0]
    assert report["benchmark"] == "clean"
    assert 0 <= report["metrics"]["error"]["value"] <= 1
    assert report["metrics"]["error"]["n"] == 20


def test_a_checkpoint_of_ours_says_itself_what_it_holds(
    weights: Path, store: FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted(weights)
    result = store.result(smoke_plan(store).cells[0].train_key)
    assert result is not None
    capsys.readouterr()

    assert main(["evaluate", result.training.summary.checkpoint_uri, "--benchmarks", "clean", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["dataset"] == "digits"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--benchmarks", "clean"], "give --model and --dataset"),
        (["--model", "wrn-10-1"], "name both"),
        (["--benchmarks", "cleen"], "clean"),
    ],
)
def test_an_evaluation_must_know_its_network_and_benchmarks(
    weights: Path, settings: Settings, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(weights), *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_an_invalidated_cell_is_missing_and_its_checkpoint_gone(
    weights: Path, settings: Settings, store: FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted(weights)
    key = smoke_plan(store).cells[0].train_key
    assert open_storage(join(settings.checkpoints, key)).list()

    assert main(["cells", "invalidate", key[:12], "--reason", "a test"]) == 0

    assert not smoke_plan(open_store(settings.storage)).cells[0].trained
    assert not open_storage(join(settings.checkpoints, key)).list()
    capsys.readouterr()
    assert main(["cells", "list"]) == 0
    assert f"{key[:12]}                                not valid: invalidated" in capsys.readouterr().out


def test_a_cell_under_work_is_not_forgotten(weights: Path, settings: Settings, store: FileStore) -> None:
    adopted(weights)
    key = smoke_plan(store).cells[0].train_key
    lease = store.acquire(key, "another driver")
    assert lease is not None

    with pytest.raises(SweepError, match="another driver"):
        forget([key], store=store, checkpoints=settings.checkpoints, reason="x")

    assert store.result(key) is not None
    store.release(lease)


def test_cells_of_built_in_sweeps_and_adopted_ones_are_kept(
    weights: Path, store: FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted(weights)
    assert main(["cells", "adopt", "demo", str(weights), "--smoke", "--row", "Cutout", "--seed", "77"]) == 0
    capsys.readouterr()

    assert main(["cells", "gc", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert main(["cells", "gc", "--drop", "demo-smoke", "--json"]) == 0
    dropped = json.loads(capsys.readouterr().out)

    assert kept["cells"] == []
    assert [(cell["row"], cell["sweep"], cell["seed"]) for cell in dropped["details"]] == [("Cutout", "demo-smoke", 77)]
    assert smoke_plan(store).cells[0].trained


def test_every_parent_of_a_wanted_cell_is_wanted() -> None:
    keys = reachable_keys()
    cells = make_plan(load_sweep("mixing-sets"), store=open_store("memory:")).cells

    assert {cell.train_key for cell in cells} <= keys
    assert any(cell.supporting for cell in cells)


def test_a_pause_stands_until_it_is_taken_back(settings: Settings, store: FileStore) -> None:
    Path(settings.storage).mkdir()

    assert main(["pause", "demo", "--smoke"]) == 0
    assert store.requested("demo-smoke", pytest.fail) == "pause"

    assert main(["stop", "demo", "--smoke"]) == 0
    assert store.requested("demo-smoke", pytest.fail) == "stop"

    assert main(["resume", "demo", "--smoke"]) == 0
    assert store.requested("demo-smoke", pytest.fail) is None


def test_status_tells_failed_cells_with_their_reason(store: FileStore, capsys: pytest.CaptureFixture[str]) -> None:
    key = smoke_plan(store).cells[0].train_key
    store.record_attempt(
        AttemptRecord(
            train_key=key, attempt=1, error_class="nan", message="it left the numbers", started_at=1.0, ended_at=2.0
        )
    )

    assert main(["status", "demo", "--smoke"]) == 1
    told = capsys.readouterr().out
    assert "1 failed, 4 waiting" in told
    assert "it left the numbers" in told

    assert main(["cells", "logs", key[:12]]) == 0
    assert "attempt 1: nan: it left the numbers" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b'{"action": "stop"}', b"[" * 10_000])
def test_garbage_in_the_place_of_a_request_is_reported_in_one_line_and_counts_as_none(
    store: FileStore, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """`status` ended with code 3, and the advice was to run the sweep again."""
    store.storage.write_bytes("control/demo-smoke.json", content)

    assert main(["status", "demo", "--smoke"]) == 0
    shown = capsys.readouterr()
    assert "5 waiting" in shown.out
    assert "asked to" not in shown.out
    (line,) = shown.err.splitlines()
    assert "control/demo-smoke.json'; it counts as no request; remove it with: dreamgrid resume demo --smoke" in line

    assert main(["resume", "demo", "--smoke"]) == 0
    capsys.readouterr()
    assert main(["status", "demo", "--smoke"]) == 0
    assert capsys.readouterr().err == ""


def test_watching_a_sweep_of_failed_and_done_cells_ends(store: FileStore, capsys: pytest.CaptureFixture[str]) -> None:
    for cell in smoke_plan(store).cells:
        store.record_attempt(
            AttemptRecord(
                train_key=cell.train_key, attempt=1, error_class="bug", message="x", started_at=1.0, ended_at=2.0
            )
        )

    store.storage.write_bytes("control/demo-smoke.json", b"garbage")

    assert main(["watch", "demo", "--smoke", "--every", "0.2"]) == 1
    shown = capsys.readouterr()
    assert "5 failed" in shown.out
    assert shown.err.count("left out because it is damaged") == 1


def test_a_cell_shows_everything_that_is_recorded_of_it(
    weights: Path, store: FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted(weights)
    key = smoke_plan(store).cells[0].train_key
    capsys.readouterr()

    assert main(["cells", "show", key[:8], "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["train_key"] == key
    assert document["training"]["environment"]["adopted_from"] == str(weights)

    assert main(["cells", "show", key[:8]]) == 0
    assert "method: baseline" in capsys.readouterr().out


def test_a_run_with_nothing_to_run_starts_nothing(
    settings: Settings, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("orchestration.engine.run.connect", never)
    sweep = load_sweep("demo", size="smoke")

    made = run_sweep(sweep, settings=settings, store=store, mode="read-only")

    assert made.outcome.status == "complete"
    assert len(made.outcome.unfinished) == 5


def test_failed_cells_of_before_make_a_run_fail_and_force_forgets_first(
    settings: Settings, store: FileStore, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted(weights)
    seen: list[Plan] = []

    def execute(plan: Plan, **kwargs: Any) -> RunOutcome:
        seen.append(plan)
        return execute_plan(replace(plan, cells=tuple(plan.set_aside)), **kwargs)  # without what would be trained

    monkeypatch.setattr("orchestration.runs.run.execute", execute)
    sweep = load_sweep("demo", size="smoke")
    broken = smoke_plan(store).cells[1].train_key
    store.record_attempt(
        AttemptRecord(train_key=broken, attempt=1, error_class="nan", message="x", started_at=1.0, ended_at=2.0)
    )

    cached = run_sweep(sweep, settings=settings, store=store)
    forced = run_sweep(sweep, settings=settings, store=store, mode="force")

    assert cached.outcome.status == "failed"
    assert cached.outcome.failed == {broken: "nan: x"}
    assert broken not in [cell.train_key for cell in seen[0].to_run]
    assert forced.outcome.status == "complete"
    assert len(seen[1].to_run) == 5
    assert not smoke_plan(open_store(settings.storage)).cells[0].trained


def test_force_takes_over_no_checkpoint_recorded_or_not(
    settings: Settings, store: FileStore, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted(weights)
    first, second = (cell.train_key for cell in smoke_plan(store).cells[:2])
    state = {"model": {"w": torch.zeros(1)}, "environment": {}}
    Checkpoints(settings.checkpoints, second).save_final(state)  # as by a driver that died before it could record it

    class Killed(BaseException):
        """Stands for SIGKILL as training begins."""

    def execute(*_: Any, **__: Any) -> RunOutcome:
        raise Killed

    monkeypatch.setattr("orchestration.runs.run.execute", execute)
    with pytest.raises(Killed):
        run_sweep(
            load_sweep("demo", size="smoke"),
            settings=settings,
            store=store,
            mode="force",
        )

    later = open_store(settings.storage)
    for key in (first, second):
        assert later.result(key) is None
        assert Checkpoints(settings.checkpoints, key, era=later.era(key)).newest() is None


def test_force_forgets_nothing_where_data_are_missing(
    settings: Settings, store: FileStore, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted(weights)

    def lacking(*values: Any, **named: Any) -> Plan:
        return dataclasses.replace(make_plan(*values, **named), missing_data=("digits are not there",))

    monkeypatch.setattr("orchestration.runs.run.make_plan", lacking)
    with pytest.raises(InputError, match="digits are not there"):
        run_sweep(
            load_sweep("demo", size="smoke"),
            settings=settings,
            store=store,
            mode="force",
        )
    assert smoke_plan(open_store(settings.storage)).cells[0].trained


def test_data_and_mixing_sets_are_listed(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    datasets = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert datasets["digits"]["is_there"]
    assert datasets["cifar-10"]["get_it_with"]

    assert main(["mixing-set", "list", "--json"]) == 0
    assert "fractals" in {row["name"] for row in json.loads(capsys.readouterr().out)}


def test_data_are_verified_and_missing_ones_refused(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "digits"]) == 0
    assert "whole" in capsys.readouterr().out

    assert main(["data", "verify", "svhn"]) == 3
    assert "missing" in capsys.readouterr().out


def test_a_sheet_of_a_mixing_set_is_drawn(settings: Settings, tmp_path: Path) -> None:
    from PIL import Image

    sheet = tmp_path / "sheet.png"

    assert (
        main(["mixing-set", "preview", "dead-leaves-squares", "-o", str(sheet), "--images", "5", "--side", "16"]) == 0
    )

    assert Image.open(sheet).size == (48, 32)


def test_a_mixing_set_is_made_once(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["mixing-set", "generate", "dead-leaves-squares", "--images", "3", "--side", "16", "--json"]

    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    second = json.loads(capsys.readouterr().out)

    assert first["was_built"] is True
    assert second["was_built"] is False
    assert first["sha256"] == second["sha256"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["mixing-set", "generate", "fractal"],
        ["mixing-set", "generate", "fractals", "--set", "density"],
        ["mixing-set", "generate", "fractals", "--set", "densty=3"],
        ["data", "verify", "mnits"],
    ],
)
def test_mistaken_names_are_refused(
    settings: Settings, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err

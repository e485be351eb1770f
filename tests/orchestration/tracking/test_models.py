"""Logged models in MLflow itself: one a cell, loaded by MLflow's own functions, without a pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestration.settings import sqlite_address
from orchestration.tracking.content.state import run_state
from orchestration.tracking.content.tracked_values import tracked_sweep
from orchestration.tracking.models.pointer import archive_of, pointer_in_archive, read_pointer
from orchestration.tracking.projection import PROJECTED_TAG
from orchestration.tracking.sync import sync
from trainers.datasets.registry import dataset_for
from trainers.errors import CheckpointError
from trainers.models.normalize import Classifier
from trainers.training.checkpoints import Checkpoints
from trainers.training.networks import build_classifier, network_facts


@dataclass
class Shown:
    """A trained cell that MLflow shows."""

    plan: Any
    network: Classifier
    client: Any
    experiment: str
    checkpoints: Path

    @property
    def run(self) -> Any:
        (run,) = self.client.search_runs([self.experiment], "tags.kind = 'cell'")
        return run

    @property
    def model(self) -> Any:
        (model,) = self.client.search_logged_models([self.experiment])
        return model


def trained(
    store: Any,
    lab: Any,
    cell: Any,
    folder: Path,
    *,
    seed: int = 0,
    at: float = 2000.0,
    reports: tuple[str, ...] = ("clean", "pgd"),
) -> Classifier:
    """Record a cell with a real checkpoint and reports of its benchmarks."""
    network = build_classifier(replace(cell.config, seed=seed), dataset_for("digits")).eval()
    facts = {"network": network_facts(cell.config), "environment": {"weights_sha256": ""}}
    stored = Checkpoints(str(folder), cell.train_key).save_final({"model": network.state_dict(), **facts})
    training = lab.training(cell, at=at)
    summary = replace(training.summary, checkpoint_sha256=stored.sha256, checkpoint_uri=stored.uri)
    store.record_training(type(training)(train_key=cell.train_key, summary=summary, provenance=training.provenance))
    for name in reports:
        store.record_report(cell.train_key, stored.sha256, lab.report(name))
    return network


@pytest.fixture
def shown(store: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shown]:
    """Trains and shows one cell in an SQLite file."""

    def show(**options: Any) -> Shown:
        import mlflow

        plan = lab.plan(seeds=1, methods=("pixmix",))
        checkpoints = tmp_path / "checkpoints"
        network = trained(store, lab, plan.cells[0], checkpoints)
        uri = sqlite_address(tmp_path / "mlflow.db")
        done = sync(store, lab.done(plan), uri, **options)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        return Shown(plan, network, mlflow.MlflowClient(uri), done.experiment_id, checkpoints)

    return show


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def with_pickle_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own processes forbid MLflow to read pickles; `mlflow.pytorch` is what people call in theirs."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")


def test_mlflow_loads_the_classifier_of_a_cell(shown: Any, images: torch.Tensor) -> None:
    import mlflow

    found = shown()
    uri = f"models:/{found.model.model_id}"
    expected = found.network(images).detach().numpy()

    network = mlflow.pytorch.load_model(uri)
    wrapped = mlflow.pyfunc.load_model(uri, model_config={"device": "cpu"})

    assert isinstance(network, torch.nn.Module)
    assert not network.training
    assert np.array_equal(network(images).detach().numpy(), expected)
    assert np.array_equal(wrapped.predict(images.numpy()), expected)
    assert wrapped.metadata.signature.inputs.inputs[0].shape == (-1, 1, 32, 32)
    assert wrapped.metadata.signature.outputs.inputs[0].shape == (-1, 10)
    example = mlflow.models.Model.load(uri).load_input_example(uri)
    assert (example.shape, example.dtype, wrapped.predict(example).shape) == ((1, 1, 32, 32), np.float32, (1, 10))
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"Shape of input .* does not match"):
        wrapped.predict(images.numpy()[:, :, :8])


def test_the_wrapped_model_loads_where_mlflow_may_read_no_pickle(
    shown: Any, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    found = shown()
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

    wrapped = mlflow.pyfunc.load_model(f"models:/{found.model.model_id}")

    assert wrapped.predict(images.numpy()).shape == (5, 10)


def test_a_model_is_linked_to_its_run_its_results_and_the_data_that_they_are_of(shown: Any) -> None:
    found = shown()
    run, model = found.run, found.model

    assert (model.source_run_id, str(model.status), model.name) == (run.info.run_id, "READY", "Pixmix · seed 0")
    assert run.data.tags["model_id"] == model.model_id
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert {metric.key for metric in model.metrics} >= {"clean/error", "pgd/rms"}
    assert not any(metric.key.startswith("train/") for metric in model.metrics)
    assert model.params["train.weight_decay"] == "0.0005"
    assert model.tags["row"] == "Pixmix"


@pytest.mark.slow
def test_a_model_goes_through_a_server_and_back(
    shown: Any, store: Any, lab: Any, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    from orchestration.cli.main import main
    from orchestration.tracking.server.run import serve_ui

    found = shown()
    cell = found.plan.cells[0]
    with serve_ui(sqlite_address(tmp_path / "other" / "mlflow.db"), log=tmp_path / "ui.log") as ui:
        done = sync(store, lab.done(found.plan), ui.url, with_weights=True)
        arguments = [cell.cell_id, "pixmix", "--alias", "champion", "--storage", store.uri, "--tracking-uri", ui.url]
        assert main(["cells", "register", *arguments]) == 0
        monkeypatch.setenv("MLFLOW_TRACKING_URI", ui.url)
        (model,) = mlflow.MlflowClient(ui.url).search_logged_models([done.experiment_id])
        (found.checkpoints / cell.train_key / "final.ckpt").unlink()

        for address in (f"models:/{model.model_id}", "models:/pixmix@champion"):
            assert torch.equal(mlflow.pytorch.load_model(address)(images), found.network(images))


def test_models_are_found_by_their_results(shown: Any) -> None:
    found = shown()
    client, experiment = found.client, found.experiment

    assert len(client.search_logged_models([experiment], "metrics.`clean/error` < 0.3")) == 1
    assert not client.search_logged_models([experiment], "metrics.`clean/error` > 0.3")


def test_a_replay_makes_no_second_model_and_a_new_training_does(
    shown: Any, store: Any, lab: Any, images: torch.Tensor
) -> None:
    import mlflow

    found = shown()
    uri, first = found.client.tracking_uri, found.model
    assert sync(store, lab.done(found.plan), uri).written == 0
    (cell,) = found.plan.cells
    store.invalidate(cell.train_key, "wrong data")
    again = trained(store, lab, cell, found.checkpoints, seed=1, at=5000.0)

    sync(store, lab.done(found.plan), uri)
    sync(store, lab.done(found.plan), uri)

    assert len(found.client.search_logged_models([found.experiment])) == 2
    newest = found.run.data.tags["model_id"]
    assert newest != first.model_id
    assert torch.equal(mlflow.pytorch.load_model(f"models:/{newest}")(images), again(images))
    with pytest.raises(CheckpointError, match=r"must have the weights with SHA-256 .* was trained again"):
        mlflow.pytorch.load_model(f"models:/{first.model_id}")


def test_a_result_that_was_replaced_is_not_written_to_its_model_again(store: Any, lab: Any, tmp_path: Path) -> None:
    import mlflow

    plan, uri = lab.plan(seeds=1, methods=("pixmix",)), sqlite_address(tmp_path / "mlflow.db")
    trained(store, lab, plan.cells[0], tmp_path / "checkpoints", reports=("clean",))
    experiment = sync(store, lab.done(plan), uri).experiment_id
    client = mlflow.MlflowClient(uri)
    (model,) = client.search_logged_models([experiment])
    # More was evaluated: the seconds of evaluation are others now, and have a later time.
    store.record_report(plan.cells[0].train_key, model.tags["checkpoint_sha256"], lab.report("pgd"))
    sync(store, lab.done(plan), uri)
    (before,) = client.search_runs([experiment], "tags.kind = 'cell'")
    client.set_tag(before.info.run_id, PROJECTED_TAG, "")

    again = sync(store, lab.done(plan), uri)

    assert again.written == 1
    (run,) = client.search_runs([experiment], "tags.kind = 'cell'")
    assert run.data.tags[PROJECTED_TAG] == before.data.tags[PROJECTED_TAG]
    assert run.data.metrics == before.data.metrics
    shown = client.get_logged_model(model.model_id).metrics
    assert {one.key for one in shown} >= {"clean/error", "pgd/error", "cost/evaluation_s"}
    assert (
        max((one.timestamp, one.value) for one in shown if one.key == "cost/evaluation_s")[1]
        == (run.data.metrics["cost/evaluation_s"])
    )


def test_a_pointer_needs_the_checkpoint_and_logged_weights_do_not(
    shown: Any, store: Any, lab: Any, images: torch.Tensor
) -> None:
    import mlflow

    found = shown()
    uri = f"models:/{found.model.model_id}"
    sync(store, lab.done(found.plan), found.client.tracking_uri, with_weights=True)
    (found.checkpoints / found.plan.cells[0].train_key / "final.ckpt").unlink()

    assert torch.equal(mlflow.pytorch.load_model(uri)(images), found.network(images))
    assert sync(store, lab.done(found.plan), found.client.tracking_uri, with_weights=True).written == 0
    assert found.run.data.tags["model_weights"] == "logged"


def test_a_model_whose_checkpoint_is_gone_says_where_it_was(shown: Any) -> None:
    import mlflow

    found = shown()
    file = found.checkpoints / found.plan.cells[0].train_key / "final.ckpt"
    file.unlink()

    with pytest.raises(CheckpointError, match=rf"must be at {file}, but nothing is; .* --log-weights"):
        mlflow.pyfunc.load_model(f"models:/{found.model.model_id}")


def test_no_file_of_a_model_is_a_pickle(shown: Any, tmp_path: Path) -> None:
    import mlflow

    for weights in (False, True):
        found = shown(with_weights=weights)
        place = tmp_path / f"with weights {weights}"
        place.mkdir()
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{found.model.model_id}", dst_path=str(place)))
        with zipfile.ZipFile(folder / "data" / "model.pth") as archive:
            assert archive.read("model/data.pkl").startswith(b'{"format": "dreamgrid classifier 1"')
        assert weights or sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 20_000


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04N.", b"[]", b'{"format": "other"}', b'{"format": "dreamgrid classifier 1", "sha256": [1]}']
)
def test_what_is_no_pointer_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError, match="must begin with a line of format"):
        read_pointer(data)


def test_an_archive_says_what_was_written(store: Any, lab: Any, tmp_path: Path) -> None:
    (cell,) = lab.plan(seeds=1, methods=("pixmix",)).cells
    lab.finish(store, cell)
    (tracked,) = tracked_sweep(replace(lab.plan(), cells=(cell,))).cells
    state = run_state(tracked, store.result(cell.train_key), (), live=False)
    assert state is not None
    assert state.model is not None
    (tmp_path / "model.pth").write_bytes(archive_of(state.model, b"a\nb"))

    pointer = pointer_in_archive(str(tmp_path / "model.pth"))

    assert (pointer.train_key, pointer.uri, pointer.checkpoint) == (cell.train_key, "/checkpoints/x", b"a\nb")
    assert pointer.hashes[0] == state.model.sha256


def test_a_server_that_knows_no_models_shows_everything_else(store: Any, lab: Any, server: Any) -> None:
    server.knows_models = False
    plan = lab.plan()
    for cell in plan.cells:
        lab.finish(store, cell)

    assert sync(store, lab.done(plan), "fake", client=server).written == 4
    assert [server.of(cell).status for cell in plan.cells] == ["FINISHED"] * 4
    assert sum(call[0] == "log_model" for call in server.calls) == 1
    assert {server.of(cell).tags["model_refused"] for cell in plan.cells} == {"no such endpoint"}


def test_a_registered_cell_is_loaded_by_its_alias_with_its_numbers_as_tags(
    shown: Any, store: Any, images: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    from orchestration.cli.main import main

    found = shown()
    cell, uri = found.plan.cells[0], found.client.tracking_uri
    arguments = [cell.cell_id, "pixmix", "--storage", store.uri, "--tracking-uri", uri]

    assert main(["cells", "register", *arguments, "--alias", "champion"]) == 0
    assert main(["cells", "register", *arguments]) == 0

    printed = capsys.readouterr().out
    assert (
        f"cell {cell.cell_id} is version 1 of pixmix\nload it: mlflow.pytorch.load_model('models:/pixmix/1')" in printed
    )
    assert "is version 1 of pixmix, as before" in printed
    version = found.client.get_model_version_by_alias("pixmix", "champion")
    assert (str(version.version), version.run_id) == ("1", found.run.info.run_id)
    assert version.source == f"models:/{found.model.model_id}"
    assert float(version.tags["clean/error"]) == found.run.data.metrics["clean/error"]
    assert (version.tags["row"], version.tags["method"]) == ("Pixmix", "pixmix")
    assert len(found.client.search_model_versions("name = 'pixmix'")) == 1
    network = mlflow.pytorch.load_model("models:/pixmix@champion")
    assert torch.equal(network(images), found.network(images))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "a/b"}, "NAME: must be 1 to 250 characters without"),
        ({"alias": "it's"}, "--alias: must be 1 to 250 characters without"),
        ({"tracking": "none"}, "the registry is on a tracking server, but the address is 'none'"),
        ({"cell": "ffff0000"}, "nothing is recorded of a cell 'ffff0000'"),
        ({}, "the tracking server shows no model of cell"),
    ],
)
def test_what_cannot_be_registered_is_refused_with_a_fix(
    changes: dict[str, str], text: str, store: Any, lab: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from orchestration.cli.main import main

    (cell,) = lab.plan(seeds=1, methods=("pixmix",)).cells
    lab.finish(store, cell)
    uri = changes.get("tracking", sqlite_address(tmp_path / "mlflow.db"))
    named = [changes.get("cell", cell.cell_id), changes.get("name", "pixmix")]
    alias = ["--alias", changes["alias"]] if "alias" in changes else []

    assert main(["cells", "register", *named, *alias, "--storage", store.uri, "--tracking-uri", uri]) == 2

    assert text in " ".join(capsys.readouterr().err.split())

"""Released networks: read from old files without running them, checked, renamed, evaluated in a row of their own."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from eval.benchmarks.contract import BenchmarkRequest
from trainers.datasets.registry import dataset_for
from trainers.errors import CheckpointError, CorruptData, DataError, ImpossibleJob, MissingData, UnknownName
from trainers.job import JobRequest
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for
from trainers.models.released.fetch import fetch, main
from trainers.models.released.registry import (
    CHECKPOINTS,
    ReleasedCheckpoint,
    check_fits,
    checkpoint_for,
    missing_checkpoints,
)
from trainers.models.released.weights import load_released
from trainers.models.weights.contents import contents_of
from trainers.models.weights.load import weights_for
from trainers.models.weights.reading import read_contents
from trainers.recipes import resolve_recipe
from trainers.training.checkpoints import unpack
from trainers.training.group import OneWorker
from trainers.worker.run_job import run_job

SMALL = ReleasedCheckpoint(
    name="small",
    title="a small Wide ResNet of the digits",
    method="pixmix",
    dataset="digits",
    model="wrn-10-1",
    file="small.pth.tar",
    address="https://example.org/small.pth.tar",
    mean=(0.5,),
    std=(0.5,),
    source="this test",
    licence="none",
)


class Runs:
    """Runs a command when it is unpickled by a reader that lets it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def network(name: str = "wrn-10-1", channels: int = 1) -> torch.nn.Module:
    torch.manual_seed(3)
    return model_for(name).build({"dropout": 0.0}, ModelInput(image_size=32, num_channels=channels, num_classes=10))


def their_name(name: str) -> str:
    """Our name of a weight of a Wide ResNet in the naming of the published code."""
    parts = name.split(".")
    if parts[0] == "groups":
        rest = [part.replace("shortcut", "convShortcut") for part in parts[2:]]
        return f"block{int(parts[1]) + 1}.layer.{'.'.join(rest)}"
    return ".".join([{"stem": "conv1", "bn": "bn1", "linear": "fc"}[parts[0]], *parts[1:]])


def write_release(path: Path, weights: dict[str, torch.Tensor], *, trap: Path | None = None, old: bool = True) -> None:
    """Write a checkpoint as training scripts of 2018 did: data-parallel names, options and optimiser beside the weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "epoch": 100,
        "arguments": argparse.Namespace(lr=0.1),
        "state_dict": collections.OrderedDict((f"module.{name}", value) for name, value in weights.items()),
        **({"trap": Runs(trap)} if trap is not None else {}),
    }
    torch.save(state, path, _use_new_zipfile_serialization=not old, pickle_protocol=2)


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> ReleasedCheckpoint:
    monkeypatch.setattr("trainers.models.released.registry.CHECKPOINTS", {**CHECKPOINTS, "small": SMALL})
    return SMALL


@pytest.fixture
def file(released: ReleasedCheckpoint, tmp_path: Path) -> Path:
    """The released file below a data root, without the counters that old versions of PyTorch did not have."""
    weights = {their_name(name): value for name, value in network().state_dict().items() if "num_batches" not in name}
    path = released.path(tmp_path / "data")
    write_release(path, weights)
    return path


@pytest.mark.parametrize("old", [True, False])
def test_weights_are_read_from_a_file_full_of_other_objects_and_nothing_in_it_runs(tmp_path: Path, old: bool) -> None:
    path, trap = tmp_path / "old.pth", tmp_path / "sprung"
    write_release(path, {"fc.weight": torch.arange(6.0).reshape(2, 3)}, trap=trap, old=old)
    weights = read_contents(path).tensors
    assert list(weights) == ["state_dict.module.fc.weight"]
    assert torch.equal(weights["state_dict.module.fc.weight"], torch.arange(6.0).reshape(2, 3))
    assert not trap.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02cos\nsystem\n(S'true'\ntR."])
def test_what_is_no_checkpoint_is_refused_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.pth must .*(state_dict\(\)|copy it again)"):
        read_contents(tmp_path / "bad.pth")


def test_whole_pickled_network_is_read_by_the_names_of_its_state(tmp_path: Path) -> None:
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), tmp_path / "whole.pth")
    assert [*read_contents(tmp_path / "whole.pth").tensors] == ["0.weight", "0.bias"]


def test_names_of_the_published_wide_resnet_become_ours() -> None:
    ours = network("wrn-40-4", channels=3)
    theirs = contents_of({their_name(name): value for name, value in ours.state_dict().items()})
    found = weights_for(ours, theirs, num_channels=3, subject="it")
    assert list(found.weights) == list(ours.state_dict())


def test_an_attackers_copy_is_left_out_and_its_normaliser_is_read() -> None:
    weights = network(channels=3).state_dict()
    beside = {"normalizer.new_mean": torch.full((3, 1, 1), 0.485), "normalizer.new_std": torch.full((3, 1, 1), 0.229)}
    inside = {f"model.{name}": value for name, value in weights.items()} | beside
    attacker = {f"attacker.{name}": value for name, value in inside.items()}
    contents = contents_of({"model": {f"module.{name}": value for name, value in (inside | attacker).items()}})
    found = weights_for(network(channels=3), contents, num_channels=3, subject="it")
    assert found.notes == ()
    assert found.stated is not None
    assert found.stated.source == "from the file: model.module.normalizer.new_mean, model.module.normalizer.new_std"


def released_job(make: Callable[..., JobRequest], data_root: Path) -> JobRequest:
    request = make(method="pixmix", recipe=None, released="small", model_params={"dropout": 0.0}, train_key="cd" * 32)
    config = dataclasses.replace(request.config, recipe=resolve_recipe("released", {}))
    clean = BenchmarkRequest(name="clean", params={"max_images": 50}, key="clean")
    paths = dataclasses.replace(request.paths, data_root=str(data_root))
    return dataclasses.replace(request, config=config, benchmarks=(clean,), paths=paths)


def test_released_row_is_evaluated_without_training(
    file: Path, tmp_path: Path, small_job: Callable[..., JobRequest], sink: Any
) -> None:
    result = run_job(released_job(small_job, tmp_path / "data"), group=OneWorker(torch.device("cpu")), sink=sink)
    assert result.training.epochs == ()
    origin = result.training.environment["released"]
    assert origin["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert origin["address"] == SMALL.address
    assert result.reports[0].outcome is not None
    stored = unpack(Path(result.training.checkpoint_uri).read_bytes(), "it")
    ours = network().state_dict()
    assert all(torch.equal(stored["model"][f"network.{name}"], value) for name, value in ours.items())


def test_the_record_of_a_released_row_says_what_is_assumed_and_what_was_tried(
    file: Path, tmp_path: Path, small_job: Callable[..., JobRequest], sink: Any
) -> None:
    """The row may say another normalisation than the published one; the network is then evaluated with it."""
    request = released_job(small_job, tmp_path / "data")
    request = dataclasses.replace(request, config=dataclasses.replace(request.config, normalize=((0.25,), (0.125,))))
    result = run_job(request, group=OneWorker(torch.device("cpu")), sink=sink)
    assumed = result.training.environment["assumed"]
    assert (assumed["mean"], assumed["std"], assumed["source"]) == ([0.25], [0.125], "as the row says: normalize")
    assert assumed["tried"]["errors"].keys() == {"none", "half", "mnist", "fashion-mnist", "bytes"}
    stored = unpack(Path(result.training.checkpoint_uri).read_bytes(), "it")
    assert stored["model"]["normalize.mean"].item() == 0.25


def test_missing_file_is_named_with_the_command(
    released: ReleasedCheckpoint, tmp_path: Path, small_job: Callable[..., JobRequest], sink: Any
) -> None:
    with pytest.raises(MissingData, match=r"small\.pth\.tar; get it with: dreamgrid data fetch small"):
        run_job(released_job(small_job, tmp_path), group=OneWorker(torch.device("cpu")), sink=sink)
    (line,) = missing_checkpoints(["pixmix-cifar-10"], tmp_path)
    assert "drive.google.com" in line


def classifier() -> Any:
    from trainers.models.normalize import Classifier, Normalize

    return Classifier(Normalize((0.5,), (0.5,)), network())


def test_file_that_changes_after_it_was_first_read_is_refused(file: Path, tmp_path: Path) -> None:
    digits = dataset_for("digits")
    load_released(SMALL, classifier(), dataset=digits, data_root=tmp_path / "data")
    write_release(file, {"other": torch.ones(1)})
    with pytest.raises(CorruptData, match="must have the SHA-256"):
        load_released(SMALL, classifier(), dataset=digits, data_root=tmp_path / "data")


def test_published_hashes_are_compared(file: Path, tmp_path: Path) -> None:
    for wrong in (dataclasses.replace(SMALL, sha256="0676ba61"), dataclasses.replace(SMALL, md5="0" * 32)):
        with pytest.raises(CorruptData, match="download it again"):
            load_released(wrong, classifier(), dataset=dataset_for("digits"), data_root=tmp_path / "data")


def test_file_of_another_network_says_what_is_missing_and_what_is_too_much(file: Path, tmp_path: Path) -> None:
    write_release(file, {"fc.weight": torch.zeros(10, 64), "strange": torch.ones(1)})
    with pytest.raises(
        CheckpointError,
        match=r"the file lacks stem\.weight, .* and \d+ more; it has strange, which the network does not",
    ):
        load_released(SMALL, classifier(), dataset=dataset_for("digits"), data_root=tmp_path / "data")


def test_a_released_network_keeps_the_normalisation_that_it_was_published_with(file: Path, tmp_path: Path) -> None:
    """The normalisation of the dataset here is another: it must not be taken."""
    other = dataclasses.replace(SMALL, mean=(0.1307,), std=(0.3081,))
    model = classifier()
    _, taken, _ = load_released(other, model, dataset=dataset_for("digits"), data_root=tmp_path / "data")
    assert str(taken) == "mean 0.1307, std 0.3081 (mnist), as published with the weights"
    assert float(model.normalize.mean) == pytest.approx(0.1307)


def test_a_released_file_that_states_another_normalisation_than_the_published_one_is_refused(
    file: Path, tmp_path: Path
) -> None:
    weights = {**network().state_dict(), "mu": torch.zeros(1), "sigma": torch.ones(1)}
    write_release(file, weights)
    with pytest.raises(
        CheckpointError,
        match=r"its file states mean 0, std 1 \(none\).*name the right one in the row: normalize: 'none'",
    ):
        load_released(SMALL, classifier(), dataset=dataset_for("digits"), data_root=tmp_path / "data")


def test_row_must_be_that_of_the_network() -> None:
    with pytest.raises(ImpossibleJob, match="method 'pixmix', not 'ant' and of dataset 'digits', not 'mnist'"):
        check_fits(SMALL, method="ant", dataset="mnist", model="wrn-10-1")
    with pytest.raises(UnknownName, match="did you mean 'pixmix-cifar-10'"):
        checkpoint_for("pixmix-cifar10")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_release_names_source_licence_and_a_network_that_exists(name: str) -> None:
    from augment.registry import METHODS

    each = CHECKPOINTS[name]
    assert each.name == name
    assert each.method in METHODS
    assert each.address.startswith("http")
    assert each.source
    assert each.licence
    assert model_for(each.model).name == each.model
    spec = dataset_for(each.dataset)
    assert (each.mean, each.std) == (spec.mean, spec.std)


def test_fetching_knows_what_is_there_and_what_has_no_address(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(SMALL, tmp_path / "data") == file
    with pytest.raises(DataError, match=r"no download address: download it from https://drive"):
        fetch(CHECKPOINTS["pixmix-cifar-100"], tmp_path)
    assert main(["nobody", "--data-root", str(tmp_path)]) == 2
    assert main(["--data-root", str(tmp_path)]) == 0
    assert "unknown: recorded on first read" in capsys.readouterr().out

"""What a network costs: formulas against torch's own counter, and networks without a formula counted once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from trainers.models.contract import ModelInput, ModelSpec
from trainers.models.counting import counted
from trainers.models.registry import MODELS, model_for, num_weights, operations

INPUTS = [(32, 3, 10), (33, 1, 7), (64, 3, 200)]


def built_on_meta(spec: ModelSpec, size: int, channels: int, classes: int) -> torch.nn.Module:
    with torch.device("meta"):
        given = ModelInput(image_size=size, num_channels=channels, num_classes=classes)
        return spec.build(spec.resolve({}), given).eval()


@pytest.mark.parametrize(("size", "channels", "classes"), INPUTS)
@pytest.mark.parametrize("name", [*MODELS, "wrn-22-3"])
def test_the_formula_of_a_model_gives_what_torch_counts(name: str, size: int, channels: int, classes: int) -> None:
    network = built_on_meta(model_for(name), size, channels, classes)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, channels, size, size, device="meta"))
    assert operations(name, size, channels, classes) == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", MODELS)
def test_the_formula_of_a_model_gives_the_weights_of_its_layers(name: str) -> None:
    layers = built_on_meta(MODELS[name], 32, 3, 10).modules()
    expected = sum(layer.weight.numel() for layer in layers if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear))
    assert num_weights(name, 32, 3, 10) == expected


def test_a_network_of_torchvision_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path))
    assert operations("torchvision:resnet50", 224, 3, 1000) == operations("resnet-50", 224, 3, 1000)


def test_a_counted_network_is_not_counted_again_by_another_process(tmp_path: Path) -> None:
    code = """
import sys
from trainers.models.registry import operations
print(operations("torchvision:squeezenet1_1", 96, 3, 11), "torch" in sys.modules)
"""
    environment = {"DREAMGRID_CACHE": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", code]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert first[0] == second[0]
    assert [first[1], second[1]] == ["True", "False"]


def test_a_network_that_cannot_be_built_costs_an_unknown_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path))

    def broken(params: object, given: object) -> torch.nn.Module:
        raise KeyError("no such thing")

    spec = replace(MODELS["small-cnn"], name="broken", build=broken, layers=None)
    assert counted(spec, ModelInput(image_size=32, num_channels=3, num_classes=10)) is None

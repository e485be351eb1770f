import copy
import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from trainers.config import RecipeConfig
from trainers.training import optim
from trainers.training.optim import build_optimiser, learning_rate, restore_optimiser


def test_published_cosine_starts_at_a_tenth_and_ends_at_about_a_millionth() -> None:
    recipe = RecipeConfig()
    assert learning_rate(recipe, 0, 391) == 0.1
    assert learning_rate(recipe, 39_099, 391) == pytest.approx(1e-6, rel=0.01)
    assert learning_rate(recipe, 19_550, 391) == pytest.approx((0.1 + 1e-6) / 2)
    t = 12_345
    assert learning_rate(recipe, t, 391) == pytest.approx(
        1e-6 + (0.1 - 1e-6) * (1 + math.cos(math.pi * t / 39_100)) / 2
    )


def test_cosine_falls_at_every_step() -> None:
    rates = [learning_rate(RecipeConfig(epochs=3), step, 20) for step in range(60)]
    assert all(left > right for left, right in pairwise(rates))


def test_steps_fall_at_their_epochs() -> None:
    recipe = RecipeConfig(schedule="step", lr=1.0, step_epochs=(2, 4), step_gamma=0.1, epochs=6)
    assert [round(learning_rate(recipe, step, 10), 6) for step in (0, 19, 20, 39, 40, 59)] == [
        1,
        1,
        0.1,
        0.1,
        0.01,
        0.01,
    ]


def test_warm_up_climbs_to_the_schedule() -> None:
    recipe = RecipeConfig(schedule="constant", lr=1.0, warmup_steps=4)
    assert [learning_rate(recipe, step, 10) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def a_step(optimiser: torch.optim.Optimizer, network: nn.Module) -> list[float]:
    for parameter in network.parameters():
        parameter.grad = torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape)
    optimiser.step()
    return [value for parameter in network.parameters() for value in parameter.flatten().tolist()]


def a_network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Linear(5, 3)


def test_a_cpu_does_not_step_by_the_fused_kernel() -> None:
    (group,) = build_optimiser(RecipeConfig(), a_network()).param_groups
    assert (group["fused"], group["foreach"]) == (None, True)
    assert {"cuda"} == optim.FUSED_DEVICES


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_a_state_of_another_device_leaves_the_implementation_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, network, other = RecipeConfig(optimiser=kind), a_network(), a_network()  # type: ignore[arg-type]
    optimiser = build_optimiser(recipe, network)
    with monkeypatch.context() as patch:
        patch.setattr(optim, "FUSED_DEVICES", {"cpu"})  # torch has a fused kernel for CPUs too
        fused = build_optimiser(recipe, other)
    assert fused.param_groups[0]["fused"] is True
    first = a_step(optimiser, network)
    assert a_step(fused, other) == pytest.approx(first, abs=1e-6)
    state = copy.deepcopy(fused.state_dict())
    restore_optimiser(optimiser, state)
    assert (optimiser.param_groups[0]["fused"], optimiser.param_groups[0]["foreach"]) == (None, True)
    assert state["param_groups"][0]["fused"] is True
    assert a_step(optimiser, network) == pytest.approx(a_step(fused, other), abs=1e-6)

"""Attacks: budgets kept, known answers on a linear network, the reference's wider reach, masking told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from eval.benchmarks.pgd import PgdConfig, masking, run
from eval.errors import EvalError
from eval.inference.attacks import pgd, reference_pgd


class Linear(nn.Module):
    """Two classes; the gradient of the loss has one direction everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor([[1.0, -2.0, 0.5, 3.0], [-1.0, 2.0, -0.5, -3.0]]).T)

    def forward(self, images):
        return (images.flatten(1) - 0.5) @ self.weights


@pytest.fixture
def grey_images():
    return torch.full((3, 1, 2, 2), 0.5), torch.tensor([0, 1, 0])


INDICES = np.array([4, 7, 9])
DEFAULTS = {name: getattr(PgdConfig(), name) for name in ("norm", "epsilon", "step_size", "steps", "random_start")}


def attack(model, images, labels, *, indices=INDICES, seed=0, restart=0, **fields):
    return pgd(model, images, labels, **{**DEFAULTS, **fields}, indices=indices, seed=seed, restart=restart)


def test_linf_attack_on_a_linear_network_ends_in_the_corner_of_the_box(grey_images):
    images, labels = grey_images
    result = attack(Linear().eval(), images, labels, epsilon=0.1, step_size=0.05, steps=10)
    towards = torch.tensor([-1.0, 1.0, -1.0, -1.0]).reshape(1, 1, 2, 2)
    expected = images + 0.1 * torch.cat([towards, -towards, towards])
    assert torch.allclose(result.images, expected, atol=1e-6)


def test_l2_attack_on_a_linear_network_ends_on_the_sphere_along_the_gradient(grey_images):
    images, labels = grey_images
    result = attack(Linear().eval(), images, labels, norm="l2", epsilon=0.2, step_size=0.1, steps=60)
    moved = (result.images - images).flatten(1)
    direction = torch.tensor([-1.0, 2.0, -0.5, -3.0])
    assert torch.allclose(moved.norm(dim=1), torch.full((3,), 0.2), atol=1e-5)
    assert torch.allclose(moved[0] / 0.2, direction / direction.norm(), atol=2e-2)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_strict_attack_never_leaves_the_ball_nor_the_pixel_range(tiny_net, norm, steps):
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    images[0], images[1] = 0.0, 1.0
    labels = torch.arange(5)
    budget = 2 / 255 if norm == "linf" else 0.5
    result = attack(
        tiny_net, images, labels, indices=np.arange(5), norm=norm, epsilon=budget, step_size=budget, steps=steps
    )
    change = (result.images - images).flatten(1)
    reach = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert reach.max() <= budget + 1e-6
    assert 0.0 <= result.images.min() <= result.images.max() <= 1.0
    assert len(result.loss_by_step) == steps + 1


def test_the_reference_attack_reaches_beyond_its_budget_but_not_beyond_twice_of_it(tiny_net):
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * 0.6 + 0.2
    labels = torch.arange(8)
    result = reference_pgd(
        tiny_net, images, labels, epsilon=2 / 255, step_size=0.5 / 255, steps=20, indices=np.arange(8), seed=0
    )
    reach = float((result.images - images).abs().max())
    assert 2 / 255 * 1.2 < reach <= 4 / 255 + 1e-6


def test_an_attack_raises_the_loss(tiny_net):
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    result = attack(tiny_net, images, torch.arange(8), indices=np.arange(8), epsilon=0.03, step_size=0.01, steps=8)
    assert np.all(np.diff(result.loss_by_step) > -1e-3)
    assert result.loss_by_step[-1] > result.loss_by_step[0]


def test_the_random_start_belongs_to_the_image_and_not_to_its_batch(tiny_net):
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    labels = torch.arange(6)
    for norm in ("linf", "l2"):
        whole = attack(tiny_net, images, labels, indices=np.arange(6), norm=norm, steps=0, epsilon=0.1)
        part = attack(tiny_net, images[4:], labels[4:], indices=np.arange(4, 6), norm=norm, steps=0, epsilon=0.1)
        other = attack(tiny_net, images, labels, indices=np.arange(6), norm=norm, steps=0, epsilon=0.1, restart=1)
        assert torch.equal(whole.images[4:], part.images)
        assert not torch.equal(whole.images, other.images)


def test_without_random_start_and_steps_the_image_stays_as_it_is(tiny_net):
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    before = images.clone()
    result = attack(tiny_net, images, torch.arange(2), indices=np.arange(2), steps=0, random_start=False)
    assert torch.equal(result.images, before)
    attack(tiny_net, images, torch.arange(2), indices=np.arange(2), steps=3)
    assert torch.equal(images, before)


def test_a_zero_gradient_moves_nothing_and_gives_no_nan():
    class Constant(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :2] * 0.0

    images = torch.full((2, 1, 2, 2), 0.5)
    result = attack(
        Constant().eval(),
        images,
        torch.tensor([0, 1]),
        indices=np.arange(2),
        norm="l2",
        epsilon=0.1,
        random_start=False,
    )
    assert torch.equal(result.images, images)


def test_training_mode_and_broken_losses_are_refused(tiny_net, grey_images):
    images, labels = grey_images
    with pytest.raises(EvalError, match="evaluation mode"):
        attack(Linear().train(), images, labels)

    class Diverged(nn.Module):
        def forward(self, originals):
            return originals.flatten(1)[:, :2] * torch.nan

    with pytest.raises(EvalError, match="must be finite"):
        attack(Diverged().eval(), images, labels)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda images: images.detach().flatten(1)[:, :2], "but its logits do not require grad"),
        (lambda images: torch.zeros(len(images), 2, requires_grad=True) + 1.0, "but its logits do not depend on them"),
        (
            lambda images: torch.from_numpy(images.numpy()).flatten(1)[:, :2],
            "torch says: Can't call numpy\\(\\) on Tensor",
        ),
    ],
)
def test_a_network_without_gradients_is_refused_with_the_fix(grey_images, function, found):
    class Opaque(nn.Module):
        def forward(self, originals):
            return function(originals)

    with pytest.raises(
        EvalError, match=f"an attack needs a network that gradients pass through.*{found}.*leave the att"
    ):
        attack(Opaque().eval(), *grey_images)


def test_another_error_of_a_network_stays_as_it_is(grey_images):
    class Broken(nn.Module):
        def forward(self, originals):
            raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match=r"^shapes cannot be multiplied$"):
        attack(Broken().eval(), *grey_images)


def test_masking_is_suspected_when_the_loss_falls_over_the_attack():
    assert masking(np.array([1.0, 1.5, 2.0])) == "none seen"
    assert masking(np.array([2.0, 1.5, 1.0])).startswith("suspected: the mean loss fell from 2 to 1")
    assert masking(np.array([1.0, 3.0, 2.0])).startswith("suspected: the mean loss ended at 2")


def test_more_restarts_never_lower_the_error(make_subject):
    fields = {"epsilon": 0.05, "step_size": 0.02, "steps": 2}
    one = run(PgdConfig(**fields), make_subject())
    three = run(PgdConfig(**fields, restarts=3), make_subject())
    assert three.metrics["error"].value >= one.metrics["error"].value
    assert not np.any(three.arrays["survived"] & ~one.arrays["survived"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epsilon": -1.0}, "epsilon >= 0"),
        ({"restarts": 0}, "at least 1"),
        ({"restarts": 2, "random_start": False}, "repeat one attack"),
        ({"max_images": 0}, "max_images must be at least 1"),
    ],
)
def test_impossible_attacks_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        PgdConfig(**fields)

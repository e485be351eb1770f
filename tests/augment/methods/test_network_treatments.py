"""Noise2Net, ANT, EDSR and SIN against their formulas, and what of them must survive a resume."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from augment.errors import AugmentError
from augment.kernels.counters import StepKeys
from augment.methods.ant import Ant, AntConfig, add_scaled
from augment.methods.edsr import WEIGHT_EDITS, Edsr, EdsrConfig, body_edit, damaged_weights, head_edit
from augment.methods.noise2net import Branch, Noise2Net, Noise2NetConfig, draw_branches, random_block
from augment.methods.sin import Sin, SinConfig
from augment.networks.edsr import Upsampler
from augment.networks.noise_generator import NoiseGenerator
from augment.networks.style.adain import adaptive_instance_norm
from augment.networks.weights import reset_convolutions
from augment.treatment import TreatmentContext

pytestmark = pytest.mark.usefixtures("one_torch_thread")

KEYS = StepKeys(3, 5, 0)


def context(channels: int = 3, size: int = 16) -> TreatmentContext:
    styles = np.random.default_rng(0).integers(0, 256, (5, size + 4, size + 4, channels), dtype=np.uint8)
    return TreatmentContext(
        image_size=size, num_channels=channels, num_classes=4, mean=(0.5,) * channels, mixing_set=styles
    )


def originals(count: int = 8, channels: int = 3, size: int = 16) -> Tensor:
    return torch.rand((count, channels, size, size), generator=torch.Generator().manual_seed(0))


def classifier(channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))


CLASSES = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def test_noise2net_changes_the_first_half_of_a_batch_only() -> None:
    images = originals(7)
    changed, targets = Noise2Net(Noise2NetConfig(), context()).batch(classifier(), images, CLASSES[:7], KEYS)
    assert (changed[:3] != images[:3]).flatten(1).any(1).all()
    assert torch.equal(changed[3:], images[3:])
    assert torch.equal(targets, CLASSES[:7])


def test_every_image_of_noise2net_has_its_own_network() -> None:
    images = originals(1).repeat(6, 1, 1, 1)
    changed, _ = Noise2Net(Noise2NetConfig(), context()).batch(classifier(), images, CLASSES[:6], KEYS)
    assert not torch.allclose(changed[0], changed[1], atol=0.02)


def test_without_strength_noise2net_returns_the_images() -> None:
    changed, _ = Noise2Net(Noise2NetConfig(max_strength=0.0), context()).batch(classifier(), originals(), CLASSES, KEYS)
    assert torch.allclose(changed, originals(), atol=1e-6)


def test_a_grouped_random_block_equals_one_network_after_the_other() -> None:
    images = originals(3)
    branches = (Branch(3, 1), Branch(1, 2), Branch(3, 3))
    together = random_block(images, branches, 4, torch.Generator().manual_seed(9))
    source = torch.Generator().manual_seed(9)
    shapes = [(16, 3, 1), (4, 4, 3), (4, 4, 1), (4, 4, 3), (3, 16, 1)]
    weights = []
    for out, given, kernel in shapes:
        bound = (given * kernel**2) ** -0.5
        weights.append(torch.empty((3 * out, given, kernel, kernel)).uniform_(-bound, bound, generator=source))
    for i in range(3):
        first, a, b, c, last = [w.reshape(3, -1, *w.shape[1:])[i] for w in weights]
        x = torch.relu(functional.instance_norm(functional.conv2d(images[i : i + 1], first)))
        one, two, three, four = x.chunk(4, dim=1)
        one = torch.relu(functional.instance_norm(functional.conv2d(one, a, padding=1)))
        two = torch.relu(functional.instance_norm(functional.conv2d(two + one, b)))
        three = torch.relu(functional.instance_norm(functional.conv2d(three + two, c, padding=3, dilation=3)))
        x = functional.conv2d(torch.cat([one, two, three, four], dim=1), last)
        assert torch.allclose(together[i : i + 1], functional.instance_norm(x), atol=1e-4)


def test_branches_change_with_the_epoch_and_cover_all_kinds() -> None:
    drawn = {branch for epoch in range(40) for block in draw_branches(1, epoch, 4) for branch in block}
    assert drawn == {Branch(kernel, dilation) for kernel in (1, 3) for dilation in (1, 2, 3)}
    assert draw_branches(1, 0, 4) != draw_branches(1, 1, 4)


def test_noise2net_restores_the_epoch_of_its_architecture() -> None:
    ours, theirs = Noise2Net(Noise2NetConfig(), context()), Noise2Net(Noise2NetConfig(), context())
    ours.start_epoch(classifier(), 7)
    theirs.load_state_dict(ours.state_dict())
    batches = [t.batch(classifier(), originals(), CLASSES, KEYS)[0] for t in (ours, theirs)]
    assert torch.equal(*batches)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0, 6.0])
def test_clipped_noise_has_exactly_the_wanted_norm(epsilon: float) -> None:
    images = originals(5)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    noisy = add_scaled(images, noise, epsilon)
    assert 0.0 <= float(noisy.min()) <= float(noisy.max()) <= 1.0
    assert (noisy - images).flatten(1).norm(dim=1).tolist() == pytest.approx([epsilon] * 5, rel=1e-4)


def test_the_scale_agrees_with_bisection() -> None:
    image, noise = torch.tensor([[0.2, 0.9, 0.5, 0.05]]), torch.tensor([[-1.0, 0.5, 2.0, -3.0]])
    low, high = 0.0, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        change = (image + middle * noise).clamp(0, 1) - image
        low, high = (middle, high) if float(change.norm()) < 0.4 else (low, middle)
    expected = (image + low * noise).clamp(0, 1)
    ours = add_scaled(image.reshape(1, 1, 2, 2), noise.reshape(1, 1, 2, 2), 0.4)
    assert torch.allclose(ours.flatten(), expected.flatten(), atol=1e-6)


def test_a_norm_out_of_reach_saturates_every_value() -> None:
    noise = torch.randn(originals(2).shape, generator=torch.Generator().manual_seed(1))
    assert set(add_scaled(originals(2), noise, 1e3).flatten().tolist()) == {0.0, 1.0}


def test_a_new_generator_passes_noise_nearly_as_it_is() -> None:
    generator = NoiseGenerator(3, 20, 1)
    reset_convolutions(generator, torch.Generator().manual_seed(0), std=0.01)
    noise = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(generator(noise), noise, atol=1e-3)


def test_half_of_an_ant_batch_stays_clean_and_the_rest_has_the_norm() -> None:
    images = originals(20)
    treatment = Ant(AntConfig(), context())
    treatment.start_epoch(classifier(), 0)
    changed, _ = treatment.batch(classifier(), images, CLASSES.repeat(3)[:20], KEYS)
    norms = (changed - images).flatten(1).norm(dim=1)
    epsilon = 135.0 * (16 * 16 / 224**2) ** 0.5
    assert int((norms == 0).sum()) == 10
    assert norms[norms > 0].tolist() == pytest.approx([epsilon] * 10, rel=1e-3)


def test_the_generator_learns_to_hurt_the_classifier() -> None:
    model, images, targets = classifier(), originals(8), CLASSES
    with torch.no_grad():
        model[0].weight[0] = 1.0  # a channel that answers to the sum of a patch, which uncorrelated noise hardly moves
        model[4].weight[:, 0] = torch.tensor([8.0, -8.0, 8.0, -8.0])
    treatment = Ant(AntConfig(generator_lr=0.05, retrain_steps=0), context())
    treatment.start_epoch(model, 0)
    noise = torch.randn((8, 3, 16, 16), generator=torch.Generator().manual_seed(4))

    def loss() -> float:
        with torch.no_grad():
            noisy = add_scaled(images, treatment._players[0].generator(noise), 9.6)
            return float(functional.cross_entropy(model(noisy), targets))

    treatment.batch(model, images, targets, StepKeys(3, 0, 0))
    before = loss()
    for step in range(1, 40):
        treatment.batch(model, images, targets, StepKeys(3, step, 0))
    assert loss() > before


def test_an_epoch_stores_the_generator_and_replays_it() -> None:
    treatment, model = Ant(AntConfig(retrain_steps=1), context()), classifier()
    for epoch in range(3):
        treatment.start_epoch(model, epoch)
        treatment.batch(model, originals(20), CLASSES.repeat(3)[:20], StepKeys(3, epoch, 0))
    assert len(treatment.state_dict()["players"][0]["memory"]) == 2


def test_ant_keeps_a_generator_for_each_shard() -> None:
    alone, both = Ant(AntConfig(), context()), Ant(AntConfig(), context())
    for treatment in (alone, both):
        treatment.start_epoch(classifier(), 0)
    both.batch(classifier(), originals(), CLASSES, StepKeys(3, 0, 0))
    results = [t.batch(classifier(), originals(), CLASSES, StepKeys(3, 0, 1))[0] for t in (alone, both)]
    assert torch.equal(*results)


def test_a_resumed_ant_goes_on_bit_for_bit() -> None:
    config = AntConfig(retrain_steps=2)
    ours, theirs = Ant(config, context()), Ant(config, context())
    for epoch in range(2):
        ours.start_epoch(classifier(), epoch)
        ours.batch(classifier(), originals(), CLASSES, StepKeys(3, epoch, 0))
    theirs.load_state_dict(copy.deepcopy(dict(ours.state_dict())))
    for step in (2, 3):
        results = [t.batch(classifier(), originals(), CLASSES, StepKeys(3, step, 0))[0] for t in (ours, theirs)]
        assert torch.equal(*results)


@pytest.mark.parametrize("name", sorted(WEIGHT_EDITS))
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_weight_edit_keeps_shape_and_its_input(name: str, kernel: int) -> None:
    weights = torch.randn((6, 4, kernel, kernel), generator=torch.Generator().manual_seed(0))
    given = weights.clone()
    edited = WEIGHT_EDITS[name](weights, torch.Generator().manual_seed(1))
    assert edited.shape == weights.shape
    assert torch.isfinite(edited).all()
    assert torch.equal(weights, given)


def test_some_weight_edits_by_hand() -> None:
    weights = torch.arange(9.0).reshape(1, 1, 3, 3)
    source = torch.Generator().manual_seed(0)
    assert WEIGHT_EDITS["flip"](weights, source)[0, 0, 0].tolist() == [2.0, 1.0, 0.0]
    assert WEIGHT_EDITS["max-tap"](weights, source).flatten().tolist() == [0.0] * 8 + [8.0]
    assert WEIGHT_EDITS["laplacian"](weights, source).flatten().tolist() == [0, -1, 0, -3, 16, -5, 0, -7, 0]
    assert len(WEIGHT_EDITS) == 17


def test_the_head_edit_swaps_five_pairs_of_channels() -> None:
    features = torch.arange(32.0).reshape(1, 32, 1, 1)
    swapped = head_edit(0, 32, torch.Generator().manual_seed(0))(features).flatten()
    moved = (swapped != features.flatten()).nonzero().flatten().tolist()
    assert len(moved) == 10
    assert all(int(swapped[int(swapped[i])]) == i for i in moved)


@pytest.mark.parametrize(("kind", "expected"), [(0, [1.0, -2.0]), (1, [0.0, 2.0]), (3, [2.0, -1.0]), (4, [0.0, 0.0])])
def test_body_edits_by_hand(kind: int, expected: list[float]) -> None:
    assert body_edit(kind)(torch.tensor([[-1.0, 2.0]])).flatten().tolist() == expected


def test_damage_changes_at_most_as_many_layers_as_edits() -> None:
    network = Upsampler(3, 8, 2)
    damaged = damaged_weights(network, 3, torch.Generator().manual_seed(0))
    before = dict(network.named_parameters())
    assert 1 <= sum(not torch.equal(damaged[name], before[name]) for name in before) <= 3


def smooth_images(count: int = 16) -> Tensor:
    coarse = torch.rand((count, 3, 4, 4), generator=torch.Generator().manual_seed(2))
    return functional.interpolate(coarse, size=(16, 16), mode="bilinear")


def test_the_substitute_of_edsr_learns_to_redraw_images() -> None:
    images = smooth_images()
    errors = []
    for steps in (0, 60):
        treatment = Edsr(EdsrConfig(train_steps=steps, hidden=12, num_blocks=2), context())
        treatment.batch(classifier(), images, torch.zeros(16, dtype=torch.long), KEYS)
        with torch.no_grad():
            errors.append(float((treatment._networks[0](images) - images).abs().mean()))
    assert errors[1] < 0.1 < errors[0]


def test_content_takes_the_moments_of_the_style() -> None:
    content, style = originals(2, 4, 8) * 3, originals(2, 4, 10) - 1
    mixed = adaptive_instance_norm(content, style)
    assert torch.allclose(mixed.mean((2, 3)), style.mean((2, 3)), atol=1e-4)
    assert torch.allclose(mixed.std((2, 3)), style.std((2, 3)), atol=1e-3)
    assert torch.allclose(adaptive_instance_norm(content, content), content, atol=1e-4)


def test_sin_without_images_to_take_a_style_from_is_refused() -> None:
    bare = TreatmentContext(image_size=16, num_channels=3, num_classes=4, mean=(0.5,) * 3)
    with pytest.raises(AugmentError, match="there is no mixing set; name one"):
        Sin(SinConfig(), bare)


def treatment_of(kind: str, **changes: Any) -> Edsr | Sin:
    if kind == "edsr":
        return Edsr(EdsrConfig(train_steps=3, hidden=6, num_blocks=2, **changes), context())
    return Sin(SinConfig(train_steps=3, hidden=4, **changes), context())


@pytest.mark.parametrize("kind", ["edsr", "sin"])
def test_a_share_of_zero_changes_nothing_and_of_one_everything(kind: str) -> None:
    images = smooth_images(8)
    same, _ = treatment_of(kind, share=0.0).batch(classifier(), images, CLASSES, KEYS)
    assert torch.equal(same, images)
    changed, _ = treatment_of(kind, share=1.0).batch(classifier(), images, CLASSES, KEYS)
    assert (changed != images).flatten(1).any(1).all()


@pytest.mark.parametrize("kind", ["edsr", "sin"])
def test_a_resumed_substitute_is_not_trained_again(kind: str) -> None:
    ours, theirs = treatment_of(kind), treatment_of(kind)
    ours.batch(classifier(), smooth_images(8), CLASSES, KEYS)
    theirs.load_state_dict(copy.deepcopy(dict(ours.state_dict())))
    other = StepKeys(3, 9, 0)
    results = [t.batch(classifier(), originals(8), CLASSES, other)[0] for t in (ours, theirs)]
    assert torch.equal(*results)

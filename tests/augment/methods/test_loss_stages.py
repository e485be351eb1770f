"""Outlier Exposure, adversarial training and iterative PixMix: terms, balls and buffers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from augment.errors import AugmentError
from augment.kernels.counters import SampleKeys, StepKeys
from augment.methods.adversarial import Adversarial, AdversarialConfig, AdversarialL2Config
from augment.methods.outlier_exposure import OutlierExposure, OutlierExposureConfig, uniform_cross_entropy
from augment.methods.pixmix.iterative import IterativeConfig, PixMixIterative
from augment.networks.modes import evaluating
from augment.treatment import TreatmentContext

pytestmark = pytest.mark.usefixtures("one_torch_thread")

CONTEXT = TreatmentContext(
    image_size=8,
    num_channels=1,
    num_classes=3,
    mean=(0.5,),
    outliers=np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2),
)


def a_network() -> nn.Module:
    """Return a small network with batch norm and drop-out, in training mode."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 3)
    )


def a_shard() -> tuple[torch.Tensor, torch.Tensor]:
    """Return images in [0, 1] and classes."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand((5, 1, 8, 8), generator=generator), torch.tensor([0, 1, 2, 0, 1])


def test_the_outlier_term_is_cross_entropy_to_the_uniform_distribution() -> None:
    logits = torch.randn((7, 10), generator=torch.Generator().manual_seed(0))
    uniform = torch.full((7, 10), 0.1)
    assert float(uniform_cross_entropy(logits)) == pytest.approx(
        float(nn.functional.cross_entropy(logits, uniform)), abs=1e-6
    )


def test_the_loss_is_cross_entropy_plus_half_the_outlier_term_from_one_pass() -> None:
    model, (images, targets) = a_network().eval().requires_grad_(False), a_shard()
    outliers = torch.rand((10, 1, 8, 8), generator=torch.Generator().manual_seed(1))
    outcome = OutlierExposure(OutlierExposureConfig(), CONTEXT).loss(
        model, images, targets, outliers, StepKeys(0, 0, 0)
    )
    wanted = nn.functional.cross_entropy(model(images), targets) + 0.5 * uniform_cross_entropy(model(outliers))
    assert float(outcome.loss) == pytest.approx(float(wanted), abs=1e-6)
    assert outcome.logits.shape == (5, 3)


def _first_values(config: OutlierExposureConfig, indices: list[int], epoch: int) -> list[int]:
    stream = OutlierExposure(config, CONTEXT).extra(SampleKeys(0, epoch, np.array(indices)))
    return stream[:, 0, 0, 0].tolist()


def test_an_epoch_reads_one_stretch_of_the_outliers_in_any_order_of_batches() -> None:
    config = OutlierExposureConfig(crop_padding=0, flip=False)
    whole = _first_values(config, list(range(10)), 0)
    assert sorted((value - whole[0]) % 40 for value in whole) == list(range(20))
    assert _first_values(config, [4], 0) + _first_values(config, [9, 2], 0) == whole[8:10] + whole[18:20] + whole[4:6]
    assert _first_values(config, list(range(10)), 1) != whole


def test_outliers_are_required_and_must_fit() -> None:
    with pytest.raises(AugmentError, match="needs outlier images, but got none"):
        OutlierExposure(OutlierExposureConfig(), dataclasses.replace(CONTEXT, outliers=None))
    with pytest.raises(AugmentError, match=r"must be \(M, 8, 8, 1\) like the training images, but got \(4, 9, 9, 1\)"):
        OutlierExposure(
            OutlierExposureConfig(), dataclasses.replace(CONTEXT, outliers=np.zeros((4, 9, 9, 1), dtype=np.uint8))
        )
    images, targets = a_shard()
    with pytest.raises(AugmentError, match="got no outliers with this batch"):
        OutlierExposure(OutlierExposureConfig(), CONTEXT).loss(a_network(), images, targets, None, StepKeys(0, 0, 0))


@pytest.mark.parametrize("random_start", [False, True])
def test_an_attack_stays_in_its_ball_and_raises_the_loss(random_start: bool) -> None:
    images, targets = a_shard()
    model = a_network()
    for config, size in (
        (AdversarialConfig(random_start=random_start), lambda change: change.abs().flatten(1).max(dim=1).values),
        (AdversarialL2Config(random_start=random_start), lambda change: change.flatten(1).norm(dim=1)),
    ):
        adversarial, answered = Adversarial(config, CONTEXT).batch(model, images, targets, StepKeys(0, 0, 0))
        assert float(size(adversarial - images).max()) <= config.epsilon + 1e-6
        assert 0.0 <= float(adversarial.min()) <= float(adversarial.max()) <= 1.0
        assert answered is targets
        with evaluating(model), torch.no_grad():
            losses = [float(nn.functional.cross_entropy(model(pixels), targets)) for pixels in (images, adversarial)]
        assert losses[1] > losses[0]


def test_one_step_without_start_is_the_sign_of_the_gradient() -> None:
    images, targets = a_shard()
    images = images * 0.5 + 0.25
    model = a_network()
    config = AdversarialConfig(steps=1, epsilon=0.1, step_size=0.02)
    adversarial, _ = Adversarial(config, CONTEXT).batch(model, images, targets, StepKeys(0, 0, 0))
    model.eval()
    pixels = images.clone().requires_grad_()
    nn.functional.cross_entropy(model(pixels), targets).backward()
    assert pixels.grad is not None
    assert torch.allclose(adversarial, images + 0.02 * pixels.grad.sign(), atol=1e-7)


class _Counter:
    """A visualiser that paints its images in the number of its call."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, model: nn.Module, keys: SampleKeys, *, side: int, steps: int) -> NDArray[np.uint8]:
        self.calls.append((keys.epoch, len(keys)))
        return np.full((len(keys), side, side, 1), len(self.calls), dtype=np.uint8)


ITERATIVE = IterativeConfig(images=3, ascent_steps=1, refresh_every=5, buffer_size=7)


def test_the_buffer_is_refreshed_when_due_once_per_step_and_overwrites_the_oldest() -> None:
    counter, (images, targets) = _Counter(), a_shard()
    treatment = PixMixIterative(ITERATIVE, CONTEXT, visualise=counter)
    for step in range(12):
        for shard in range(2):
            treatment.batch(a_network(), images, targets, StepKeys(0, step, shard))
    assert counter.calls == [(0, 3), (5, 3), (10, 3)]
    assert treatment.state_dict()["buffer"][:, 0, 0, 0].tolist() == [3, 3, 1, 2, 2, 2, 3]


def test_a_resumed_treatment_neither_refreshes_early_nor_mixes_differently() -> None:
    images, targets = a_shard()
    treatment = PixMixIterative(ITERATIVE, CONTEXT, visualise=_Counter())
    treatment.batch(a_network(), images, targets, StepKeys(0, 0, 0))
    resumed_counter = _Counter()
    resumed = PixMixIterative(ITERATIVE, CONTEXT, visualise=resumed_counter)
    resumed.load_state_dict(treatment.state_dict())
    ours = treatment.batch(a_network(), images, targets, StepKeys(0, 3, 0))[0]
    assert torch.equal(ours, resumed.batch(a_network(), images, targets, StepKeys(0, 3, 0))[0])
    assert resumed_counter.calls == []


def test_the_default_visualiser_makes_images_of_the_network_and_leaves_it_alone() -> None:
    model, (images, targets) = a_network(), a_shard()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    treatment = PixMixIterative(ITERATIVE, CONTEXT)
    mixed, _ = treatment.batch(model, images, targets, StepKeys(0, 0, 0))
    made = treatment.state_dict()["buffer"][:3]
    assert mixed.shape == images.shape
    assert made.float().std() > 1.0
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

"""Feature visualisation raises the activation it is asked to raise, and leaves the network alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augment.errors import AugmentError
from augment.feature_visualisation.layers import Layer, activations, input_channels, visual_layers
from augment.feature_visualisation.untrained import untrained_network
from augment.feature_visualisation.visualise import (
    COLOUR_ROOT,
    FvisConfig,
    Unit,
    all_units,
    answers_at_rest,
    frequency_scale,
    objective,
    render,
    transform,
    visualise,
)
from augment.kernels.counters import SampleKeys
from augment.networks.modes import frozen

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def keys(count: int) -> SampleKeys:
    return SampleKeys(1, 0, np.arange(count, dtype=np.int64))


def mean_activation(model: nn.Module, drawn_images: np.ndarray, unit: Unit) -> float:
    images = torch.from_numpy(drawn_images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return float(activations(model, images, [unit.layer])[unit.layer][:, unit.channel].mean())


def excitement(model: nn.Module, drawn_images: np.ndarray, unit: Unit) -> float:
    images = torch.from_numpy(drawn_images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        rest = answers_at_rest(model, [unit.layer], drawn_images.shape[1])
        maps = activations(model, images, [unit.layer])
        return float(objective(maps, rest, [[unit]] * len(images)).mean())


@pytest.mark.parametrize("channels", [1, 3])
def test_more_steps_excite_the_unit_more(channels: int) -> None:
    model, unit = untrained_network(0, channels), Unit("blocks.1", 3)
    scores = []
    for steps in (0, 20):
        drawn_images = visualise(model, [[unit], [unit]], keys(2), side=16, config=FvisConfig(steps=steps, lr=0.3))
        assert drawn_images.shape == (2, 16, 16, channels)
        scores.append(excitement(model, drawn_images, unit))
    assert scores[1] > scores[0] + 0.05


def test_a_negative_weight_lowers_the_activation() -> None:
    model = untrained_network(0, 3)
    scores = []
    for weight in (-1.0, 1.0):
        drawn_images = visualise(model, [[Unit("blocks.1", 3, weight)]], keys(1), side=16, config=FvisConfig(steps=12))
        scores.append(mean_activation(model, drawn_images, Unit("blocks.1", 3)))
    assert scores[0] < scores[1]


def test_a_colour_detector_gets_its_colour() -> None:
    model = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1))
    image = visualise(model, [[Unit("0", 0)]], keys(1), side=12, config=FvisConfig(steps=40, lr=0.5))[0]
    red, green, blue = image.reshape(-1, 3).mean(0)
    assert red > green + 30
    assert red > blue + 30


def test_the_network_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 4, 3)).train()
    model[4].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    visualise(model, [[Unit("4", 0)]], keys(1), side=12, config=FvisConfig(steps=2))
    assert all(module.training for module in model.modules())
    assert [p.requires_grad for p in model.parameters()] == [True, True, True, True, False, True]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model[0]._forward_hooks


def test_a_frozen_network_comes_back_after_an_error() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).train()
    with pytest.raises(KeyError), frozen(model):
        raise KeyError
    assert model.training
    assert model[0].weight.requires_grad


def test_layers_of_a_residual_network_are_its_stem_and_blocks() -> None:
    layers = visual_layers(untrained_network(0, 3), 16)
    assert [layer.name for layer in layers] == ["stem", *(f"blocks.{i}" for i in range(6))]
    assert [layer.num_channels for layer in layers] == [16, 16, 16, 32, 32, 64, 64]


def test_layers_of_a_plain_network_are_its_convolutions() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(6 * 64, 2))
    assert visual_layers(model, 12) == (Layer(name="0", num_channels=4), Layer(name="2", num_channels=6))


def test_a_network_without_convolutions_is_refused() -> None:
    with pytest.raises(AugmentError, match=r"needs a convolutional network, but Linear has no nn\.Conv2d"):
        input_channels(nn.Linear(3, 2))


def test_the_pass_ends_at_the_deepest_wanted_layer() -> None:
    class Explodes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("must not be reached")

    model = nn.Sequential(nn.Conv2d(3, 4, 1), Explodes())
    assert activations(model, torch.zeros(1, 3, 4, 4), ["0"])["0"].shape == (1, 4, 4, 4)


def test_the_frequency_scale_falls_as_one_over_the_frequency() -> None:
    scale = frequency_scale(8, 1.0)
    assert scale.shape == (8, 5)
    assert scale[0, 0] == scale[0, 1] == 8.0
    assert scale[0, 4] == 2.0
    assert scale[3, 4] == pytest.approx(1 / (0.375**2 + 0.5**2) ** 0.5)


def test_a_constant_spectrum_is_a_flat_image_in_correlated_colour() -> None:
    spectrum = torch.zeros(1, 3, 8, 5, 2)
    spectrum[0, 0, 0, 0, 0] = 1.0
    image = render(spectrum, torch.ones(8, 5), 8)
    root = np.array(COLOUR_ROOT)
    expected = 1 / (1 + np.exp(-(1 / 8 / 4) * root[:, 0] / np.linalg.norm(root, axis=0).max()))
    assert image[0, :, 0, 0].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert torch.allclose(image, image[:, :, :1, :1].expand_as(image), atol=1e-6)


def test_the_identity_view_shows_the_image_and_a_shift_fills_with_grey() -> None:
    images = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    assert torch.allclose(transform(images, identity), images, atol=1e-6)
    shifted = transform(images, identity + torch.tensor([[[0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]]))  # one of four pixels
    assert torch.allclose(shifted[..., :3], images[..., 1:], atol=1e-6)
    assert torch.allclose(shifted[..., 3], torch.tensor(0.5), atol=1e-6)


def test_the_objective_sums_weighted_means_of_what_is_beyond_rest() -> None:
    maps = {"a": torch.arange(8.0).reshape(1, 2, 2, 2), "b": torch.ones(1, 1, 1, 1)}
    rest = {"a": torch.tensor([0.0, 5.0]), "b": torch.tensor([0.5])}
    found = objective(maps, rest, [[Unit("a", 1, 2.0), Unit("b", 0, -1.0)]])
    assert found.tolist() == pytest.approx([2 * (-0.1 + 0 + 1 + 2) / 4 - 0.5])


def test_an_edge_detector_gets_edges_and_no_flat_image() -> None:
    """A linear filter that answers to brightness too: the plain mean would be greatest for a white image."""
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-1.0, 0.0, 1.2]] * 3).reshape(1, 1, 3, 3))
    image = visualise(model, [[Unit("0", 0)]], keys(1), side=16, config=FvisConfig(steps=80))[0, :, :, 0]
    across = np.abs(np.diff(image[2:-2, 2:-2].astype(float), axis=1)).mean()
    along = np.abs(np.diff(image[2:-2, 2:-2].astype(float), axis=0)).mean()
    assert image.std() > 40
    assert across > 1.2 * along


def test_rest_is_the_answer_to_a_grey_image() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1))
    rest = answers_at_rest(model, ["0"], 4)["0"]
    wanted = 0.5 * model[0].weight.sum((1, 2, 3)) + model[0].bias
    assert torch.allclose(rest, wanted, atol=1e-6)


def test_every_channel_is_a_unit() -> None:
    units = all_units((Layer(name="x", num_channels=2), Layer(name="y", num_channels=1)))
    assert units == (Unit("x", 0), Unit("x", 1), Unit("y", 0))


def test_no_image_is_visualised_for_no_unit() -> None:
    assert visualise(untrained_network(0, 3), [], keys(0), side=8, config=FvisConfig(steps=1)).shape == (0, 8, 8, 3)


def test_negative_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="steps must be at least 0"):
        FvisConfig(steps=-1)

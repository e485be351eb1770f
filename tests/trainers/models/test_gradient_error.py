"""Gradients in float32 are those of float64, within rounding: every model, in either memory layout, on every device.

Every ReLU is smoothed: a unit that is switched on by rounding changes gradients by its whole share, which is no error of a sum.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.models.batch_norm import CascadeBatchNorm2d, with_exact_sums
from trainers.models.contract import ModelInput
from trainers.models.normalize import Classifier, Normalize, laid_out
from trainers.models.registry import MODELS, model_for

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]),
]
DEEP = {"wrn-40-2", "wrn-40-4", "resnext-29", "densenet-bc-100-12", "resnet-18", "resnet-50"}
"""Models that take more than a CPU second."""

MEDIAN, LARGEST = 2e-5, 1e-4
"""Bounds of the relative error of a parameter's gradient: its median over parameters, and its largest."""


@pytest.fixture
def smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smooth every ReLU, and let GPUs compute in float32 as a worker does."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(functional, "relu", lambda x, inplace=False: functional.softplus(x))
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: functional.softplus(x))


def relative(found: Tensor, exact: Tensor) -> float:
    return float((found.double().cpu() - exact.cpu()).norm() / exact.norm().cpu())


def gradients(model: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def network_of(name: str, side: int) -> nn.Module:
    spec = model_for(name)
    values = {key: value for key, value in {"dropout": 0.0, "weights": "none"}.items() if key in spec.params}
    torch.manual_seed(0)
    return spec.build(spec.resolve(values), ModelInput(image_size=side, num_channels=3, num_classes=10)).train()


@pytest.mark.usefixtures("smooth")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in DEEP else []) for name in MODELS]
)
def test_gradients_are_those_of_float64(name: str, device: str) -> None:
    side = (
        64 if name.startswith("resnet-") else 32
    )  # at 32 px its last batch norm has eight values, which is no test of sums
    network, images, labels = network_of(name, side), torch.rand(8, 3, side, side), torch.arange(8)
    exact = gradients(
        Classifier(Normalize((0.5,) * 3, (0.25,) * 3), copy.deepcopy(network), channels_last=False).double(),
        images.double(),
        labels,
    )
    for channels_last in (False, True):
        model = Classifier(Normalize((0.5,) * 3, (0.25,) * 3), copy.deepcopy(network), channels_last=channels_last)
        found = gradients(model.to(device), images.to(device), labels.to(device))
        errors = [relative(ours, true) for ours, true in zip(found, exact, strict=True) if true.norm() > 1e-10]
        assert statistics.median(errors) < MEDIAN
        assert max(errors) < LARGEST


def of_batch_norm(layer: nn.BatchNorm2d, images: Tensor, given: Tensor, *, channels_last: bool) -> list[Tensor]:
    """Return output, gradients of input, weight and bias, and running statistics."""
    x = (
        laid_out(images, channels_last=channels_last)
        .detach()
        .clone(memory_format=torch.preserve_format)
        .requires_grad_()
    )
    output = layer(x)
    output.backward(laid_out(given, channels_last=channels_last))
    assert x.grad is not None
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    assert layer.running_mean is not None
    assert layer.running_var is not None
    return [output.detach(), x.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]


@pytest.fixture
def batch() -> Callable[[torch.dtype], tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    images, given = (torch.randn(64, 16, 32, 32, generator=generator) for _ in range(2))
    return lambda kind: ((0.5 * images + 1.0).to(kind), given.to(kind))


def layer_like(kind: type[nn.BatchNorm2d], dtype: torch.dtype) -> nn.BatchNorm2d:
    layer = kind(16, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.5, 2, 16))
        layer.bias.copy_(torch.linspace(-1, 1, 16))
    return layer


@pytest.mark.parametrize("channels_last", [False, True])
def test_batch_norm_is_that_of_float64_in_either_layout(batch, channels_last: bool) -> None:
    """torch's own sums are off by 1e-5 here where images lie channels last."""
    exact = of_batch_norm(layer_like(nn.BatchNorm2d, torch.float64), *batch(torch.float64), channels_last=False)
    found = of_batch_norm(
        layer_like(CascadeBatchNorm2d, torch.float32), *batch(torch.float32), channels_last=channels_last
    )
    assert [relative(ours, true) for ours, true in zip(found, exact, strict=True)] == pytest.approx([0] * 6, abs=1e-6)


def test_torch_still_adds_up_value_by_value(batch) -> None:
    """Once this fails, torch is mended, and `trainers.models.batch_norm` can go."""
    exact = of_batch_norm(layer_like(nn.BatchNorm2d, torch.float64), *batch(torch.float64), channels_last=False)
    found = of_batch_norm(layer_like(nn.BatchNorm2d, torch.float32), *batch(torch.float32), channels_last=True)
    assert relative(found[2], exact[2]) > 2e-6


def test_running_statistics_follow_only_where_they_are_tracked(batch) -> None:
    ours, theirs = layer_like(CascadeBatchNorm2d, torch.float32), layer_like(nn.BatchNorm2d, torch.float32)
    images = laid_out(batch(torch.float32)[0], channels_last=True)
    for layer in (ours, theirs):
        layer(images)
        layer.track_running_stats = False
        layer(2 * images)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 1
    assert torch.allclose(ours.running_mean, theirs.running_mean, rtol=1e-4)
    assert torch.allclose(ours.running_var, theirs.running_var, rtol=1e-4)
    ours.eval(), theirs.eval()
    assert torch.allclose(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_networks_keep_their_parameters_state_and_mode() -> None:
    network = network_of("resnet-18", 64)
    before = {name: value.data_ptr() for name, value in network.state_dict().items()}
    parameters = [id(parameter) for parameter in network.parameters()]
    state = torch.get_rng_state()
    assert with_exact_sums(network) is network
    assert torch.equal(torch.get_rng_state(), state)
    assert {name: value.data_ptr() for name, value in network.state_dict().items()} == before
    assert [id(parameter) for parameter in network.parameters()] == parameters
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(layers) == 20
    assert all(isinstance(layer, CascadeBatchNorm2d) and layer.training for layer in layers)


def test_gradients_of_gradients_are_refused_rather_than_wrong(batch) -> None:
    layer = layer_like(CascadeBatchNorm2d, torch.float32)
    images = (
        laid_out(batch(torch.float32)[0][:2], channels_last=True)
        .clone(memory_format=torch.preserve_format)
        .requires_grad_()
    )
    (gradient,) = torch.autograd.grad(layer(images).square().sum(), images, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()

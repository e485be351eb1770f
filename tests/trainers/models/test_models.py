import dataclasses

import pytest
import torch

from trainers.config import JobConfig, RecipeConfig
from trainers.datasets.registry import DATASETS
from trainers.errors import ImpossibleJob, UnknownName
from trainers.models.contract import ModelInput
from trainers.models.from_torchvision import TORCHVISION_NAMES
from trainers.models.normalize import Classifier, Normalize
from trainers.models.registry import MODELS, model_for
from trainers.training.networks import build_classifier

RGB_32 = ModelInput(image_size=32, num_channels=3, num_classes=10)


def job(model: str, dataset: str = "digits", seed: int = 0, **recipe: object) -> JobConfig:
    return JobConfig(
        method="baseline",
        method_params={},
        dataset=dataset,
        model=model,
        recipe=RecipeConfig(**recipe),  # type: ignore[arg-type]
        seed=seed,
    )


def num_parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "num_classes", "expected"),
    [
        ("wrn-40-4", 10, 8_949_210),
        ("wrn-40-4", 100, 8_972_340),
        ("wrn-40-2", 10, 2_243_546),
        ("wrn-40-2", 100, 2_255_156),
    ],
)
def test_wide_resnets_have_the_published_number_of_parameters(name: str, num_classes: int, expected: int) -> None:
    network = model_for(name).build({"dropout": 0.3}, dataclasses.replace(RGB_32, num_classes=num_classes))
    assert num_parameters(network) == expected


def test_wide_resnet_40_has_40_convolutions_and_37_batch_norms() -> None:
    modules = list(model_for("wrn-40-4").build({"dropout": 0.3}, RGB_32).modules())
    assert sum(isinstance(module, torch.nn.Conv2d) for module in modules) == 40
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in modules) == 37


def test_small_cnn_has_the_published_number_of_parameters_at_28_px() -> None:
    given = ModelInput(image_size=28, num_channels=1, num_classes=10)
    assert num_parameters(model_for("small-cnn").build({"dropout": 0.5}, given)) == 21_840


def test_wide_resnet_starts_from_the_published_distributions() -> None:
    torch.manual_seed(0)
    network = model_for("wrn-16-4").build({"dropout": 0.0}, RGB_32)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.numel() > 20_000:
            expected = (2.0 / (module.kernel_size[0] ** 2 * module.out_channels)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.03)
        if isinstance(module, torch.nn.Linear):
            assert module.bias.abs().max() == 0


@pytest.mark.parametrize("size", [28, 32, 64])
def test_wide_resnet_takes_other_sizes_through_global_pooling(size: int) -> None:
    network = model_for("wrn-10-1").build({"dropout": 0.0}, dataclasses.replace(RGB_32, image_size=size))
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 10)


def test_global_pooling_equals_the_published_8x8_pooling_at_32_px() -> None:
    torch.manual_seed(0)
    network = model_for("wrn-10-1").build({"dropout": 0.0}, RGB_32).eval()
    images = torch.rand(2, 3, 32, 32)
    features = torch.relu(network.bn(network.groups(network.stem(images))))
    assert features.shape[2:] == (8, 8)
    expected = network.linear(torch.nn.functional.avg_pool2d(features, 8).flatten(1))
    assert torch.allclose(network(images), expected, atol=1e-5)


def test_dropout_acts_in_training_only() -> None:
    network = model_for("wrn-10-1").build({"dropout": 0.5}, RGB_32)
    images = torch.rand(4, 3, 32, 32)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_normalisation_is_the_first_layer_and_no_part_of_the_state() -> None:
    model = Classifier(Normalize((0.5,), (0.25,)), torch.nn.Flatten())
    assert torch.equal(model(torch.tensor([[[[0.0, 0.5], [1.0, 0.75]]]])), torch.tensor([[-2.0, 0.0, 2.0, 1.0]]))
    assert model.state_dict() == {}


def test_bf16_network_returns_float32_logits_close_to_float32() -> None:
    exact = build_classifier(job("wrn-10-1"), DATASETS["digits"]).eval()
    coarse = build_classifier(job("wrn-10-1", precision="bf16"), DATASETS["digits"]).eval()
    images = torch.rand(2, 1, 32, 32)
    assert coarse(images).dtype == torch.float32
    assert not torch.equal(exact(images), coarse(images))
    assert torch.allclose(exact(images), coarse(images), atol=0.1)


def test_initial_weights_are_a_function_of_the_seed_alone() -> None:
    first = build_classifier(job("wrn-10-1", seed=3), DATASETS["digits"]).state_dict()
    torch.rand(7)
    again = build_classifier(job("wrn-10-1", seed=3), DATASETS["digits"]).state_dict()
    other = build_classifier(job("wrn-10-1", seed=4), DATASETS["digits"]).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["network.stem.weight"], other["network.stem.weight"])


def test_resnets_take_grey_images_and_any_number_of_classes() -> None:
    given = ModelInput(image_size=32, num_channels=1, num_classes=7)
    network = model_for("resnet-18").build({"weights": "none"}, given)
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("name", MODELS)
def test_every_built_in_model_is_found_under_its_own_name(name: str) -> None:
    assert model_for(name) == MODELS[name]
    assert MODELS[name].name == name


def test_bad_names_options_and_sizes_are_refused_with_a_way_out() -> None:
    with pytest.raises(UnknownName, match=r"unknown model 'resnet18' \(did you mean 'resnet-18'\?\)"):
        model_for("resnet18")
    with pytest.raises(ImpossibleJob, match="depth 6n \\+ 4"):
        model_for("wrn-41-4")
    with pytest.raises(UnknownName, match="did you mean 'dropout'"):
        model_for("wrn-40-4").resolve({"droput": 0.1})
    with pytest.raises(ImpossibleJob, match=r"'dropout' .* must be in \[0, 1\), but got 1.5"):
        model_for("wrn-40-4").resolve({"dropout": 1.5})
    with pytest.raises(ImpossibleJob, match="needs images of at least 32 px, but 'mnist' has 28 px"):
        build_classifier(job("resnet-18", dataset="mnist"), DATASETS["mnist"])


@pytest.mark.parametrize(
    ("name", "size"), [("densenet-bc-100-12", 769_162), ("densenet-40-12", 1_059_298), ("allconv", 1_409_674)]
)
def test_networks_of_the_published_experiments_have_their_published_size(name: str, size: int) -> None:
    """Counted in the published classes; the paper gives 0.8M and 1.0M for the DenseNets."""
    assert num_parameters(model_for(name).build({"dropout": 0.5}, RGB_32)) == size


def test_the_average_of_allconv_leaves_out_the_last_two_rows_and_columns() -> None:
    """The published AvgPool2d(8) meets 10x10 values at 32 px and gives one."""
    network = model_for("allconv").build({"dropout": 0.0}, RGB_32).eval()
    values = network.features(torch.rand(2, 3, 32, 32))  # type: ignore[operator]
    assert values.shape[2:] == (10, 10)
    pooled = torch.nn.functional.avg_pool2d(values, 8).flatten(1)
    assert torch.allclose(network.classifier(pooled), network.classifier(values[:, :, :8, :8].mean(dim=(2, 3))))  # type: ignore[operator]


def test_resnext_29_has_as_many_parameters_as_its_layers_add_up_to() -> None:
    network = model_for("resnext-29").build({}, RGB_32)
    total = 3 * 64 * 9 + 2 * 64
    num_in = 64
    for width in (64, 128, 256):
        inner, out = 2 * width, 4 * width
        for position in range(3):
            total += num_in * inner + inner * (inner // 4) * 9 + inner * out + 2 * (inner + inner + out)
            total += num_in * out + 2 * out if position == 0 else 0
            num_in = out
    assert num_parameters(network) == total + num_in * 10 + 10


@pytest.mark.parametrize("name", ["resnext-29", "densenet-bc-100-12", "densenet-40-12", "allconv"])
def test_rival_networks_take_grey_images_of_28_px(name: str) -> None:
    spec = model_for(name)
    network = spec.build(spec.resolve({}), ModelInput(image_size=28, num_channels=1, num_classes=10))
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_torchvision_names_exist_there_and_wrong_ones_are_refused() -> None:
    from torchvision import models

    assert set(TORCHVISION_NAMES) <= set(models.list_models(module=models))
    spec = model_for("torchvision:mobilenet_v3_small")
    network = spec.build(spec.resolve({}), ModelInput(image_size=64, num_channels=1, num_classes=7))
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 7)
    with pytest.raises(UnknownName, match="did you mean 'torchvision:convnext_tiny'"):
        model_for("torchvision:convnext_tin")

"""Weights of other trainers: found under any wrapping and spelling; what else a file holds and what does not fit is said."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.errors import CheckpointError
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for
from trainers.models.weights.contents import contents_of
from trainers.models.weights.load import ForeignWeights, weights_for
from trainers.models.weights.reading import read_contents

Weights = dict[str, Tensor]


def network(name: str = "wrn-10-1", channels: int = 3) -> nn.Module:
    spec = model_for(name)
    torch.manual_seed(3)
    return spec.build(spec.resolve({}), ModelInput(image_size=32, num_channels=channels, num_classes=10))


def weights(name: str = "wrn-10-1", shift: float = 0.0) -> Weights:
    return {key: value + shift for key, value in network(name).state_dict().items()}


def prefixed(given: Mapping[str, Tensor], prefix: str) -> Weights:
    return {f"{prefix}{name}": value for name, value in given.items()}


def found(file: Mapping[str, Any], choice: str | None = None, name: str = "wrn-10-1") -> ForeignWeights:
    contents = contents_of(file)
    return weights_for(network(name), contents, num_channels=3, subject=f"{name} on cifar-10", choice=choice)


def is_same(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return given.keys() == expected.keys() and all(torch.equal(given[name], expected[name]) for name in expected)


PREFIXES = ("", "module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.", "model.", "net.", "network.")
NESTED = ("model.module.", "module.model.net.", "_orig_mod.model._orig_mod.", "backbone.", "a.b.c.")


@pytest.mark.parametrize("prefix", [*PREFIXES, *NESTED])
@pytest.mark.parametrize("container", ["", "state_dict", "model", "checkpoint.weights"])
def test_prefixes_and_containers_in_any_order_and_nesting_are_understood(prefix: str, container: str) -> None:
    file: dict[str, Any] = dict(prefixed(weights(), prefix))
    for part in reversed(container.split(".") if container else []):
        file = {part: file, "epoch": 7}
    taken = found(file)
    assert is_same(taken.weights, weights())
    assert taken.notes == ()


def test_parts_that_were_compiled_or_wrapped_on_their_own_are_understood() -> None:
    file = {name.replace("groups.", "groups._orig_mod.module."): value for name, value in weights().items()}
    assert is_same(found({"model": file}).weights, weights())


def test_a_checkpoint_of_lightning_is_understood() -> None:
    file = {
        "state_dict": prefixed(weights(), "model."),
        "pytorch-lightning_version": "2.4.0",
        "epoch": 7,
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(4)}}}],
        "hyper_parameters": {"lr": 0.1, "dataset": "cifar10"},
    }
    taken = found(file)
    assert is_same(taken.weights, weights())
    assert taken.record["hyper_parameters.dataset"] == "cifar10"
    assert taken.notes == ()


def test_an_averaged_model_says_over_how_many_states() -> None:
    averaged = {"n_averaged": torch.tensor(5), **prefixed(weights(), "module.")}
    taken = found(averaged)
    assert is_same(taken.weights, network().state_dict())
    assert taken.notes == ("the weights are an average over 5 states (n_averaged)",)


def published_wide_resnet() -> Weights:
    """A WRN-10-1 under the names of google-research/augmix and andyzoujm/pixmix, typed from their class definitions."""
    ours = weights()
    names = {"conv1": "stem", "bn1": "bn", "fc": "linear"}
    for group in range(3):
        for layer in ("bn1", "conv1", "bn2", "conv2"):
            names[f"block{group + 1}.layer.0.{layer}"] = f"groups.{group}.0.{layer}"
    names["block2.layer.0.conv_shortcut"] = "groups.1.0.shortcut"
    names["block3.layer.0.conv_shortcut"] = "groups.2.0.shortcut"
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    made = {
        f"{theirs}.{kind}": ours[f"{own}.{kind}"]
        for theirs, own in names.items()
        for kind in kinds
        if f"{own}.{kind}" in ours
    }
    assert len(made) == len(ours)
    return made


@pytest.mark.parametrize("shortcut", ["conv_shortcut", "convShortcut"])
def test_what_the_published_training_script_writes_is_understood(tmp_path: Path, shortcut: str) -> None:
    """`cifar.py` of PixMix and AugMix: epoch, dataset, model, state_dict under DataParallel, best_acc and the optimiser."""
    spelled = {name.replace("conv_shortcut", shortcut): value for name, value in published_wide_resnet().items()}
    state = {index: {"momentum_buffer": value} for index, value in enumerate(weights().values())}
    file = {
        "epoch": 99,
        "dataset": "cifar10",
        "model": "wrn",
        "state_dict": prefixed(spelled, "module."),
        "best_acc": torch.tensor(0.96),
        "optimizer": {"state": state, "param_groups": [{"lr": 0.1, "params": list(state)}]},
    }
    torch.save(file, tmp_path / "checkpoint.pth.tar")
    taken = weights_for(network(), read_contents(tmp_path / "checkpoint.pth.tar"), num_channels=3, subject="it")
    assert is_same(taken.weights, weights())
    assert (taken.stated, taken.notes) == (None, ())
    assert taken.record == {"epoch": 99, "dataset": "cifar10", "model": "wrn", "best_acc": pytest.approx(0.96)}


def test_the_published_resnext_is_understood() -> None:
    """The names that `cifar.py --model resnext` writes, typed from google-research/augmix."""
    ours = weights("resnext-29")
    theirs: Weights = {}
    layers = {"reduce": "conv_reduce", "grouped": "conv_conv", "bn_grouped": "bn", "expand": "conv_expand"}
    for name, value in ours.items():
        parts = name.split(".")
        if parts[0] == "blocks":
            block = int(parts[1])
            inside = layers.get(parts[2], "downsample" if parts[2] == "shortcut" else parts[2])
            theirs[".".join([f"stage_{block // 3 + 1}", str(block % 3), inside, *parts[3:]])] = value
        else:
            theirs[".".join([{"stem": "conv_1_3x3", "bn": "bn_1", "linear": "classifier"}[parts[0]], *parts[1:]])] = (
                value
            )
    assert {"conv_1_3x3.weight", "stage_3.2.bn.running_var", "stage_2.0.downsample.1.bias"} <= theirs.keys()
    assert is_same(found({"state_dict": prefixed(theirs, "module.")}, name="resnext-29").weights, ours)


@pytest.mark.parametrize(("name", "layers"), [("densenet-40-12", 12), ("densenet-bc-100-12", 16)])
def test_the_published_densenet_is_understood(name: str, layers: int) -> None:
    """`cifar.py --model densenet` writes dense1 to dense3 of 12 layers, trans1 and trans2; typed from google-research/augmix."""
    ours = weights(name)
    theirs: Weights = {}
    for key, value in ours.items():
        head, _, rest = key.partition(".")
        if head != "layers":
            theirs[f"{ {'stem': 'conv1', 'bn': 'bn1', 'linear': 'fc'}[head] }.{rest}"] = value
            continue
        place, _, inside = rest.partition(".")
        block, at = divmod(int(place), layers + 1)
        part = f"dense{block + 1}.{at}.{inside}" if at < layers else f"trans{block + 1}.{inside.replace('.', '1.', 1)}"
        theirs[part] = value
    assert {
        "conv1.weight",
        f"dense3.{layers - 1}.bn1.bias",
        "trans2.bn1.running_var",
        "trans1.conv1.weight",
    } <= theirs.keys()
    assert is_same(found({"state_dict": prefixed(theirs, "module.")}, name=name).weights, ours)


def test_the_names_of_allconv_are_the_published_ones() -> None:
    """`cifar.py --model allconv`: a numbered sequence, with pooling and drop-out at 9, 10, 20 and 21."""
    learnt = [0, 1, 3, 4, 6, 7, 11, 12, 14, 15, 17, 18, 22, 23, 25, 26, 28, 29]
    expected = {f"features.{index}.{kind}" for index in learnt for kind in ("weight", "bias")}
    assert {name for name, _ in network("allconv").named_parameters()} == {
        *expected,
        "classifier.weight",
        "classifier.bias",
    }


def test_an_average_beside_the_weights_is_offered_by_name_and_taken_when_asked_for() -> None:
    file = {"state_dict": weights(), "state_dict_ema": prefixed(weights(shift=1), "module.")}
    raw, average = found(file), found(file, "state_dict_ema")
    assert is_same(raw.weights, weights())
    assert raw.notes == (
        "the weights are state_dict",
        "the file also contains state_dict_ema (an average of the weights); it is taken with --state-dict state_dict_ema",
    )
    assert is_same(average.weights, weights(shift=1))
    assert average.notes[0] == "the weights are state_dict_ema (an average of the weights)"


def test_an_average_inside_a_lightning_module_is_offered_too() -> None:
    inside = prefixed(weights(), "model.") | prefixed(weights(shift=1), "ema_model.module.")
    taken = found({"state_dict": inside, "pytorch-lightning_version": "2.4.0"})
    assert is_same(taken.weights, weights())
    assert "--state-dict state_dict.ema_model" in " ".join(taken.notes)


def test_a_file_of_an_average_alone_says_so() -> None:
    taken = found({"ema": weights()})
    assert is_same(taken.weights, weights())
    assert taken.notes == ("the weights are ema (an average of the weights)",)


def test_an_average_without_running_statistics_takes_those_of_the_weights() -> None:
    learnt = {name for name, _ in network().named_parameters()}
    shadow = {name: value for name, value in weights(shift=1).items() if name in learnt}
    file = {"model": weights(), "ema": {"shadow": shadow, "decay": 0.999}}
    taken = found(file, "ema.shadow")
    assert torch.equal(taken.weights["linear.bias"], weights()["linear.bias"] + 1)
    assert torch.equal(taken.weights["bn.running_mean"], weights()["bn.running_mean"])
    assert "ema.shadow has no running statistics; they are those of model" in taken.notes
    assert "--state-dict ema.shadow" in " ".join(found(file).notes)


def test_an_average_that_cannot_be_taken_is_named_all_the_same() -> None:
    """A list of tensors without names, as an average of torch_ema is saved."""
    file = {"model": weights(), "ema": {"shadow_params": list(network().parameters())}}
    assert found(file).notes == (
        "not used of the file: ema.shadow_params.0, ema.shadow_params.1, ema.shadow_params.2 and 22 more",
    )


def test_an_equal_copy_needs_no_choice() -> None:
    assert found({"student": weights(), "best": weights()}).notes == ()


def test_which_of_several_is_meant_must_be_said() -> None:
    file = {"student": weights(), "best": weights(shift=1)}
    with pytest.raises(
        CheckpointError, match=r"several sets of weights that fit: best, student; name one: --state-dict NAME"
    ):
        found(file)
    assert is_same(found(file, "student").weights, weights())
    with pytest.raises(CheckpointError, match=r"must be in the file: best, student, but got 'last'"):
        found(file, "last")


C3 = (3, 1, 1)


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ({"mu": torch.zeros(1, *C3), "sigma": torch.ones(1, *C3)}, "mean 0, std 1 (none), from the file: mu, sigma"),
        (
            {"normalize.mean": torch.full(C3, 0.5), "normalize.std": torch.full(C3, 0.5)},
            "mean 0.5, std 0.5 (half), from the file: normalize.mean, normalize.std",
        ),
        (
            {"_mean": torch.tensor([0.1, 0.2, 0.3]), "_std": torch.tensor([0.4, 0.5, 0.6])},
            "mean 0.1 0.2 0.3, std 0.4 0.5 0.6, from the file: _mean, _std",
        ),
        (
            {"pixel_mean": torch.full(C3, 127.5), "pixel_std": torch.full(C3, 127.5)},
            "mean 0.5, std 0.5 (half), from the file: pixel_mean, pixel_std (of 0 to 255)",
        ),
    ],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_normaliser_among_the_tensors_is_read(beside: Weights, expected: str, prefix: str) -> None:
    taken = found(prefixed({**beside, **weights()}, prefix))
    names = expected.partition("file: ")[2].removesuffix(" (of 0 to 255)").split(", ")
    for name in names:
        expected = expected.replace(f" {name}", f" {prefix}{name}")
    assert str(taken.stated) == expected
    assert is_same(taken.weights, weights())
    assert taken.notes == ()


def test_a_sequence_of_normaliser_and_network_is_understood() -> None:
    made = nn.Sequential(nn.Identity(), network())
    made[0].register_buffer("mean", torch.full(C3, 0.25))
    made[0].register_buffer("std", torch.full(C3, 0.125))
    taken = found(made.state_dict())
    assert str(taken.stated) == "mean 0.25, std 0.125, from the file: 0.mean, 0.std"
    assert is_same(taken.weights, weights())


MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"mean": MEAN, "std": STD}, "mean, std"),
        ({"pretrained_cfg": {"mean": tuple(MEAN), "std": tuple(STD)}}, "pretrained_cfg.mean, pretrained_cfg.std"),
        ({"args": argparse.Namespace(mean=MEAN, std=STD, lr=0.1)}, "args.mean, args.std"),
        (
            {"hyper_parameters": {"image_mean": MEAN, "image_std": STD}},
            "hyper_parameters.image_mean, hyper_parameters.image_std",
        ),
    ],
)
def test_a_normalisation_among_the_settings_is_read(tmp_path: Path, settings: dict[str, Any], names: str) -> None:
    torch.save({"state_dict": weights(), **settings}, tmp_path / "it.pth")
    taken = weights_for(network(), read_contents(tmp_path / "it.pth"), num_channels=3, subject="it")
    assert taken.stated is not None
    assert (taken.stated.equals("imagenet"), taken.stated.source) == (True, f"from the file: {names}")


@pytest.mark.parametrize(
    "settings",
    [
        {"args": argparse.Namespace(mean=None, std=None)},
        {"init": {"mean": 0.0, "std": 0.02}},
        {"mean": MEAN, "std": [0.0, 0.0, 0.0]},
        {"mean": [0.1] * 4, "std": [0.1] * 4},
        {"mean": MEAN},
        {"mean": "imagenet", "std": "imagenet"},
    ],
)
def test_what_is_no_normalisation_is_not_taken_for_one(tmp_path: Path, settings: dict[str, Any]) -> None:
    torch.save({"state_dict": weights(), **settings}, tmp_path / "it.pth")
    assert weights_for(network(), read_contents(tmp_path / "it.pth"), num_channels=3, subject="it").stated is None


def test_a_network_that_normalises_itself_is_given_pixels_as_they_are() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mu", torch.full(C3, 0.5))
            self.register_buffer("sigma", torch.full(C3, 0.5))
            self.linear = nn.Linear(3, 2)

    taken = weights_for(Own(), contents_of(Own().state_dict()), num_channels=3, subject="it")
    assert str(taken.stated) == "mean 0, std 1 (none), since the network normalises itself: mu, sigma"
    assert taken.weights.keys() == Own().state_dict().keys()


def test_what_does_not_fit_is_one_sentence_with_the_first_three_names_on_each_side() -> None:
    file = {name: value for name, value in weights().items() if not name.startswith("groups.2")}
    strange = {f"head.{index}.weight": torch.zeros(2) for index in range(5)}
    with pytest.raises(CheckpointError) as caught:
        found({"state_dict": prefixed({**file, **strange}, "module.")})
    assert str(caught.value) == (
        "the weights must fit wrn-10-1 on cifar-10, but the file lacks groups.2.0.bn1.weight, groups.2.0.bn1.bias, "
        "groups.2.0.bn1.running_mean and 8 more; it has head.0.weight, head.1.weight, head.2.weight and 2 more, which the "
        "network does not"
    )


def test_layers_that_the_network_does_not_have_are_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match=r"it has aux\.weight, which the network does not$"):
        found({**weights(), "aux.weight": torch.zeros(2)})


def test_other_shapes_are_named_with_both_sizes() -> None:
    file = {**weights(), "linear.weight": torch.zeros(7, 64), "linear.bias": torch.zeros(7)}
    expected = (
        r"shapes differ: linear\.weight \(7x64 in the file, 10x64 in the network\), linear\.bias \(7 in the file, 10 in"
    )
    with pytest.raises(CheckpointError, match=expected):
        found(file)


def test_a_file_of_another_network_shows_its_names_as_they_are() -> None:
    with pytest.raises(CheckpointError, match=r"it has state_dict\.features\.0\.weight, which the network does not"):
        found({"state_dict": {"features.0.weight": torch.zeros(2)}})


def test_settings_in_objects_are_read_without_running_them(tmp_path: Path) -> None:
    torch.save({"state_dict": weights(), "args": argparse.Namespace(dataset="cifar100", seed=3)}, tmp_path / "it.pth")
    record = read_contents(tmp_path / "it.pth").record
    assert (record["args.dataset"], record["args.seed"]) == ("cifar100", 3)

"""The models by name: options, semantics, smallest image; light to import.

Some names stand for a family: "wrn-40-4" is a Wide ResNet of depth 40 and width 4. `model_for` understands both kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from augment.plugins import installed
from trainers.errors import ImpossibleJob, UnknownName, unknown_name

if TYPE_CHECKING:
    from torch import nn

ENTRY_POINT_GROUP: Final = "dreamgrid.models"
Params = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """What a network is built for: images of one size and number of channels, and K classes."""

    image_size: int
    num_channels: int
    num_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A network, described.

    Attributes:
        name: As written in sweeps ("wrn-40-4").
        title: Label in tables.
        semantics: Raised by hand whenever the initial weights or the function computed change.
        min_image_size: Smallest side of an image in pixels that it takes.
        params: Options with their defaults.
        choices: Option -> allowed values, for those that have a closed list.
        build: Makes the network without normalisation from options and input; imports its implementation when called.
        source: Paper and reference code.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    title: str
    semantics: int
    min_image_size: int
    build: Callable[[Params, ModelInput], nn.Module]
    source: str
    params: Params = field(default_factory=dict)
    choices: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    code: Mapping[str, str] | None = None

    def resolve(self, given: Params) -> dict[str, object]:
        """Return all options: the defaults, overridden by those given.

        Raises:
            UnknownName: If an option is not one of this model's.
            ImpossibleJob: If a value is not allowed.
        """
        for option, value in given.items():
            if option not in self.params:
                raise unknown_name(f"option of model {self.name!r}", option, self.params)
            self._check(option, value)
        return {**self.params, **given}

    def _check(self, option: str, value: object) -> None:
        allowed = self.choices.get(option)
        if allowed is not None and value not in allowed:
            shown = ", ".join(repr(choice) for choice in allowed)
            raise ImpossibleJob(f"option {option!r} of model {self.name!r} must be one of {shown}, but got {value!r}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if option == "dropout" and not (is_number and 0.0 <= value < 1.0):  # type: ignore[operator]
            raise ImpossibleJob(f"option 'dropout' of model {self.name!r} must be in [0, 1), but got {value!r}")


def _wide_resnet(depth: int, width: int, params: Params, given: ModelInput) -> nn.Module:
    from trainers.models.wide_resnet import WideResNet

    return WideResNet(
        depth=depth,
        width=width,
        dropout=float(params["dropout"]),  # type: ignore[arg-type]
        num_classes=given.num_classes,
        num_channels=given.num_channels,
    )


def _small_cnn(params: Params, given: ModelInput) -> nn.Module:
    from trainers.models.small_cnn import SmallCNN

    return SmallCNN(
        image_size=given.image_size,
        num_channels=given.num_channels,
        num_classes=given.num_classes,
        dropout=float(params["dropout"]),  # type: ignore[arg-type]
    )


def _resnext_29(params: Params, given: ModelInput) -> nn.Module:
    from trainers.models.resnext import ResNeXt

    return ResNeXt(depth=29, groups=4, base_width=32, num_classes=given.num_classes, num_channels=given.num_channels)


def _densenet(depth: int, is_bc: bool, params: Params, given: ModelInput) -> nn.Module:
    from trainers.models.densenet import DenseNet

    return DenseNet(depth=depth, growth=12, num_classes=given.num_classes, num_channels=given.num_channels, is_bc=is_bc)


def _allconv(params: Params, given: ModelInput) -> nn.Module:
    from trainers.models.allconv import AllConv

    return AllConv(
        num_classes=given.num_classes,
        num_channels=given.num_channels,
        dropout=float(params["dropout"]),  # type: ignore[arg-type]
    )


def _torchvision(name: str, params: Params, given: ModelInput) -> nn.Module:
    from trainers.models.from_torchvision import torchvision_model

    return torchvision_model(name, weights=str(params["weights"]), given=given)


def _wide_resnet_spec(depth: int, width: int) -> ModelSpec:
    return ModelSpec(
        name=f"wrn-{depth}-{width}",
        title=f"WRN-{depth}-{width}",
        semantics=1,
        min_image_size=8,
        params={"dropout": 0.0},
        build=partial(_wide_resnet, depth, width),
        source="Zagoruyko and Komodakis 2016: Wide Residual Networks; initialisation as in the PixMix release",
    )


def _resnet_spec(depth: int) -> ModelSpec:
    return ModelSpec(
        name=f"resnet-{depth}",
        title=f"ResNet-{depth}",
        semantics=1,
        min_image_size=32,
        params={"weights": "none"},
        choices={"weights": ("none", "imagenet1k-v1")},
        build=partial(_torchvision, f"resnet{depth}"),
        source="He et al. 2016: Deep Residual Learning; torchvision's implementation and weights",
    )


def _torchvision_spec(name: str) -> ModelSpec:
    size = 224 if name.startswith(("vit", "swin", "maxvit")) else 64
    return ModelSpec(
        name=TORCHVISION_PREFIX + name,
        title=name,
        semantics=1,
        min_image_size=size,
        params={"weights": "none"},
        choices={"weights": ("none", "imagenet1k-v1")},
        build=partial(_torchvision, name),
        source="torchvision's implementation and weights",
    )


MODELS: Final[Mapping[str, ModelSpec]] = {
    "wrn-10-1": _wide_resnet_spec(10, 1),
    "wrn-16-1": _wide_resnet_spec(16, 1),
    "wrn-16-2": _wide_resnet_spec(16, 2),
    "wrn-40-2": _wide_resnet_spec(40, 2),
    "wrn-40-4": _wide_resnet_spec(40, 4),
    "small-cnn": ModelSpec(
        name="small-cnn",
        title="Small CNN",
        semantics=1,
        min_image_size=16,
        params={"dropout": 0.5},
        build=_small_cnn,
        source="Hendrycks et al. 2019: Outlier Exposure, its MNIST network (21,840 parameters at 28 px)",
    ),
    "resnext-29": ModelSpec(
        name="resnext-29",
        title="ResNeXt-29 (4x32)",
        semantics=1,
        min_image_size=8,
        build=_resnext_29,
        source="Xie et al. 2017: Aggregated Residual Transformations; google-research/augmix's network for small images",
    ),
    "densenet-bc-100-12": ModelSpec(
        name="densenet-bc-100-12",
        title="DenseNet-BC (100, 12)",
        semantics=1,
        min_image_size=8,
        build=partial(_densenet, 100, True),
        source="Huang et al. 2017: Densely Connected Convolutional Networks",
    ),
    "densenet-40-12": ModelSpec(
        name="densenet-40-12",
        title="DenseNet (40, 12)",
        semantics=1,
        min_image_size=8,
        build=partial(_densenet, 40, False),
        source="Huang et al. 2017: Densely Connected Convolutional Networks; what cifar.py of AugMix and PixMix calls densenet",
    ),
    "allconv": ModelSpec(
        name="allconv",
        title="AllConv",
        semantics=1,
        min_image_size=16,
        params={"dropout": 0.5},
        build=_allconv,
        source="Springenberg et al. 2015: Striving for Simplicity; google-research/augmix's network for small images",
    ),
    "resnet-18": _resnet_spec(18),
    "resnet-50": _resnet_spec(50),
}

TORCHVISION_PREFIX: Final = "torchvision:"
TORCHVISION_NAMES: Final = (
    *("alexnet", "vgg11_bn", "vgg16_bn", "squeezenet1_1", "googlenet", "densenet121", "densenet169"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d"),
    *("wide_resnet50_2", "wide_resnet101_2", "shufflenet_v2_x1_0", "mobilenet_v2", "mobilenet_v3_large"),
    *("mobilenet_v3_small", "mnasnet1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf", "regnet_y_8gf"),
    *("convnext_tiny", "convnext_small", "convnext_base", "vit_b_16", "vit_b_32", "swin_t", "swin_v2_t", "maxvit_t"),
)
"""Classifiers of torchvision that take images in, one batch, and give logits out, one per class."""

_WIDE_RESNET_NAME: Final = re.compile(r"wrn-(\d+)-(\d+)")


def model_for(name: str) -> ModelSpec:
    """Return the description of a model by its name.

    Raises:
        UnknownName: If the name is no model's; says the nearest known one.
        ImpossibleJob: If it is a Wide ResNet of a depth that does not exist.
    """
    if name in MODELS:
        return MODELS[name]
    match = _WIDE_RESNET_NAME.fullmatch(name)
    if match:
        depth, width = int(match[1]), int(match[2])
        if depth < 10 or (depth - 4) % 6 or width < 1:
            raise ImpossibleJob(
                f"a Wide ResNet needs depth 6n + 4 with n >= 1 and width >= 1, but got {name!r}; try 'wrn-40-4'"
            )
        return _wide_resnet_spec(depth, width)
    if name.removeprefix(TORCHVISION_PREFIX) in TORCHVISION_NAMES and name.startswith(TORCHVISION_PREFIX):
        return _torchvision_spec(name.removeprefix(TORCHVISION_PREFIX))
    added = installed(ENTRY_POINT_GROUP, ModelSpec, taken=MODELS, error=UnknownName)
    if name in added:
        return added[name]
    in_torchvision = [TORCHVISION_PREFIX + known for known in TORCHVISION_NAMES]
    if name.startswith(TORCHVISION_PREFIX):
        raise unknown_name("model", name, in_torchvision)
    error = unknown_name("model", name, [*MODELS, *added])
    raise UnknownName(f"{error} (and 'wrn-D-K' of any depth D = 6n + 4 and width K, and 'torchvision:NAME')")

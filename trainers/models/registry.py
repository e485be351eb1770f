"""The models by name; light to import. Adding one: its file, its network in `networks`, and a line here.

Some names mean a family: "wrn-40-4" is a Wide ResNet of depth 40 and width 4. `model_for` understands both kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from augment.lookup.kinds import Kind
from trainers.errors import UnknownName, unknown_name
from trainers.models.allconv import ALLCONV
from trainers.models.contract import ModelInput, ModelSpec
from trainers.models.counting import counted
from trainers.models.densenet import DENSENET_40_12, DENSENET_BC_100_12
from trainers.models.from_torchvision import TORCHVISION_NAMES, TORCHVISION_PREFIX, resnet, torchvision_named
from trainers.models.resnext import RESNEXT_29
from trainers.models.small_cnn import SMALL_CNN
from trainers.models.wide_resnet import wide_resnet, wide_resnet_named

MODELS: Final[Mapping[str, ModelSpec]] = {
    "wrn-10-1": wide_resnet(10, 1),
    "wrn-16-1": wide_resnet(16, 1),
    "wrn-16-2": wide_resnet(16, 2),
    "wrn-40-2": wide_resnet(40, 2),
    "wrn-40-4": wide_resnet(40, 4),
    "small-cnn": SMALL_CNN,
    "resnext-29": RESNEXT_29,
    "densenet-bc-100-12": DENSENET_BC_100_12,
    "densenet-40-12": DENSENET_40_12,
    "allconv": ALLCONV,
    "resnet-18": resnet(18),
    "resnet-50": resnet(50),
}

FAMILIES: Final[Mapping[str, Callable[[str], ModelSpec | None]]] = {
    "wrn-D-K": wide_resnet_named,
    "torchvision:NAME": torchvision_named,
}
"""Pattern of names -> what gives the model of such a name, and None for other names."""

MODEL_KIND: Final = Kind(
    what="model",
    group="dreamgrid.models",
    type=ModelSpec,
    builtin=MODELS,
    error=UnknownName,
    is_pattern=lambda name: any(named(name) is not None for named in FAMILIES.values()),
)


def model_for(name: str) -> ModelSpec:
    """Return the description of a model by its name.

    Raises:
        UnknownName: If the name is no model's; names the nearest known one.
        ImpossibleJob: If it is a Wide ResNet of a depth that does not exist.
    """
    if name in MODELS:
        return MODELS[name]
    for named in FAMILIES.values():
        if (found := named(name)) is not None:
            return found
    added = MODEL_KIND.added()
    if name in added:
        return added[name]
    if name.startswith(TORCHVISION_PREFIX):
        raise unknown_name("model", name, [TORCHVISION_PREFIX + known for known in TORCHVISION_NAMES])
    error = unknown_name("model", name, [*MODELS, *added])
    raise UnknownName(f"{error} (and 'wrn-D-K' of any depth D = 6n + 4 and width K, and 'torchvision:NAME')")


def operations(name: str, image_size: int, channels: int, classes: int) -> float | None:
    """Return the multiply-adds of one forward pass of one image, or None where they cannot be known.

    By the formula of the model's file where it has one, without torch; else counted once and kept (`trainers.models.counting`).

    Args:
        image_size: Side of the image in pixels.

    Raises:
        UnknownName: If the name is no model's.
        ImpossibleJob: If it is a Wide ResNet of a depth that does not exist.
    """
    size = _size(name, image_size, channels, classes)
    return None if size is None else size[0]


def num_weights(name: str, image_size: int, channels: int, classes: int) -> float | None:
    """Return the number of weights of convolutions and linear layers, or None where it cannot be known; see `operations`."""
    size = _size(name, image_size, channels, classes)
    return None if size is None else size[1]


def _size(name: str, image_size: int, channels: int, classes: int) -> tuple[float, float] | None:
    spec = model_for(name)
    given = ModelInput(image_size=image_size, num_channels=channels, num_classes=classes)
    if spec.layers is None:
        return counted(spec, given)
    layers = list(spec.layers(given))
    return float(sum(weights * positions for weights, positions in layers)), float(
        sum(weights for weights, _ in layers)
    )

"""The training recipes by name: published values, each with its source; light to import.

`resolve_recipe` lays over a recipe what a cell changes in it. What a method is published to change is in the file of the method
(`augment.registry.METHODS`) and comes in between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from augment.lookup.parameters import field_names, typed_values
from trainers.config import RecipeConfig
from trainers.errors import ImpossibleJob, unknown_name
from trainers.models.registry import model_for


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSpec:
    """A recipe, described.

    Attributes:
        name: Key in `RECIPES`.
        title: One line for lists.
        model_params: Options for every model that has them (drop-out).
        sources: Field -> where its value comes from; "*" for all others.
    """

    name: str
    title: str
    config: RecipeConfig
    sources: Mapping[str, str]
    model_params: Mapping[str, object] = field(default_factory=dict)


RECIPES: Final[Mapping[str, RecipeSpec]] = {
    "cifar": RecipeSpec(
        name="cifar",
        title="CIFAR: SGD with Nesterov momentum, 100 epochs of batch 128, cosine from 0.1 per step, drop-out 0.3",
        config=RecipeConfig(),
        model_params={"dropout": 0.3},
        sources={
            "*": "andyzoujm/pixmix, cifar.py",
            "batch_shards": "ours: 1 keeps the batch-norm statistics of one device; cells of hours need no more workers",
        },
    ),
    "mnist": RecipeSpec(
        name="mnist",
        title="MNIST: SGD with Nesterov momentum, 10 epochs of batch 50, cosine from 0.01 per step, no augmentation",
        config=RecipeConfig(
            epochs=10, batch_size=50, lr=0.01, final_lr=1e-6, weight_decay=0.0, crop_padding=0, flip=False
        ),
        sources={
            "*": "hendrycks/outlier-exposure, MNIST/; the report on MNIST publishes no recipe",
            "final_lr": "as in the CIFAR recipe",
            "flip": "digits have a handedness",
        },
    ),
    "digits": RecipeSpec(
        name="digits",
        title="Digits: SGD with Nesterov momentum, 4 epochs of batch 64, cosine from 0.2 per step",
        config=RecipeConfig(epochs=4, batch_size=64, batch_shards=2, lr=0.2, crop_padding=2, flip=False),
        sources={
            "*": "ours, tuned on the training split of the digits so that WRN-10-1 trains in seconds on one CPU core",
            "batch_shards": "ours: 2, so that one and two workers give the same results",
            "flip": "digits have a handedness",
        },
    ),
    "imagenet": RecipeSpec(
        name="imagenet",
        title="ImageNet: fine-tuning of torchvision's ResNet-50, 90 epochs of batch 256, cosine from 0.01 per step",
        config=RecipeConfig(
            epochs=90, batch_size=256, batch_shards=8, lr=0.01, final_lr=1e-6, crop_padding=0, flip=True, crop="resized"
        ),
        model_params={"weights": "imagenet1k-v1"},
        sources={
            "*": "andyzoujm/pixmix, imagenet.py",
            "batch_size": "default of the script; the paper says 512",
            "batch_shards": "the script is data-parallel, with batch norm per device; how many devices is unpublished, 8 is ours",
            "weights": "the paper fine-tunes torchvision's first weights (76.13 %)",
        },
    ),
    "places365": RecipeSpec(
        name="places365",
        title="Places365: fine-tuning of ResNet-18, 10 epochs of batch 256, cosine from 0.01 per step",
        config=RecipeConfig(
            epochs=10, batch_size=256, batch_shards=8, lr=0.01, final_lr=1e-6, crop_padding=0, flip=True, crop="resized"
        ),
        sources={
            "*": "CSAILVision/places365, train_placesCNN.py, for the network that is fine-tuned",
            "epochs": "PixMix supplement, table 9",
            "lr": "ours: unpublished",
            "batch_size": "ours: unpublished; that of the network's own training",
            "batch_shards": "the script of that training is data-parallel, with batch norm per device; 8 devices are ours",
        },
    ),
    "released": RecipeSpec(
        name="released",
        title="No training: a released network, evaluated as it is",
        config=RecipeConfig(epochs=0, batch_size=256, batch_shards=16, crop_padding=0, flip=False),
        sources={"*": "ours; batch_shards lets any usual number of workers evaluate it"},
    ),
    "noop": RecipeSpec(
        name="noop",
        title="No training: records the initial weights (measures what surrounds a cell)",
        config=RecipeConfig(epochs=0, batch_size=2, batch_shards=2, crop_padding=0, flip=False),
        sources={"*": "ours"},
    ),
}


def recipe_for(name: str) -> RecipeSpec:
    """Return a recipe by name.

    Raises:
        UnknownName: If the name is unknown; names the nearest known one.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]


def resolve_recipe(name: str, overrides: Mapping[str, Any]) -> RecipeConfig:
    """Return a recipe with what a method's publication and a cell change laid over it.

    Args:
        name: Key of `RECIPES`.
        overrides: Fields of `RecipeConfig`; lists count as tuples.

    Raises:
        UnknownName: If the recipe or a field does not exist.
        ImpossibleJob: If a value is out of range or of the wrong type; names all of them.
    """
    spec = recipe_for(name)
    known = field_names(RecipeConfig)
    for key in overrides:
        if key not in known:
            raise unknown_name("field of a recipe", key, known)
    return dataclasses.replace(spec.config, **typed_values(RecipeConfig, overrides, error=ImpossibleJob))


def resolve_model_params(recipe: str, model: str, overrides: Mapping[str, object]) -> dict[str, object]:
    """Return all options of a model under a recipe: the model's defaults, the recipe's, the cell's.

    Raises:
        UnknownName: If the recipe, the model or an option does not exist.
        ImpossibleJob: If a value is not allowed.
    """
    spec = model_for(model)
    shared = {key: value for key, value in recipe_for(recipe).model_params.items() if key in spec.params}
    return spec.resolve({**shared, **overrides})

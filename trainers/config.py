"""The configuration of one job: everything that can change its weights, and nothing else.

A `JobConfig` is fully resolved: every default is filled in, so its canonical JSON (with the semantics versions of what it
names) is what the train key hashes. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from trainers.errors import ImpossibleJob

LOOP_SEMANTICS: Final = 2
"""Version of the training loop; raised by hand whenever the weights that a configuration leads to change."""

Optimiser = Literal["sgd", "adam", "adamw"]
Schedule = Literal["cosine", "constant", "step"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeConfig:
    """How a network is trained. The defaults are the published CIFAR recipe (andyzoujm/pixmix, cifar.py).

    Attributes:
        epochs: Passes over the training set; 0 records the initial weights.
        batch_size: Global batch, whatever the number of workers.
        batch_shards: Logical shards that each global batch is cut into; the number of workers must divide it.
        lr: Learning rate at step 0.
        final_lr: Learning rate that the schedule ends at.
        schedule: "cosine" (per step) or "constant" or "step" (times `step_gamma` at each of `step_epochs`).
        weight_decay: On all parameters, batch norm and biases included.
        crop_padding: Zero padding of the random crop in pixels; 0 for none.
        flip: Horizontal flip with probability 1/2, before the crop.
        grad_clip: Largest gradient norm, or None.
        grad_accumulation: Micro-batches that each shard is computed in.
        ema_decay: Decay of an exponential moving average of the weights that is evaluated instead, or None.
        precision: "fp32" or "bf16" (autocast).
        channels_last: Memory layout of images and convolutions.
        compile: Whether torch.compile wraps the network.
        train_images: Use only the first so many training images (smoke sizes), or None for all.
        validation_images: Images held out from the end of a fixed permutation of the training split.
        crop: "pad" (crop of the padded image) or "resized" (a random area and ratio of the image, resized; ImageNet).
    """

    epochs: int = 100
    batch_size: int = 128
    batch_shards: int = 1
    optimiser: Optimiser = "sgd"
    lr: float = 0.1
    final_lr: float = 1e-6
    schedule: Schedule = "cosine"
    step_epochs: tuple[int, ...] = ()
    step_gamma: float = 0.1
    warmup_steps: int = 0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    crop_padding: int = 4
    flip: bool = True
    grad_clip: float | None = None
    grad_accumulation: int = 1
    ema_decay: float | None = None
    precision: Precision = "fp32"
    channels_last: bool = True
    compile: bool = False
    train_images: int | None = None
    validation_images: int = 0
    crop: Literal["pad", "resized"] = "pad"

    def __post_init__(self) -> None:
        problems = [text.format(getattr(self, name)) for name, text in _RULES.items() if not _holds(self, name)]
        if self.batch_shards * self.grad_accumulation > self.batch_size:
            problems.append(
                f"batch_shards times grad_accumulation must be at most batch_size ({self.batch_size}), "
                f"but got {self.batch_shards} times {self.grad_accumulation}"
            )
        if self.nesterov and self.optimiser == "sgd" and self.momentum == 0:
            problems.append("nesterov needs a momentum above 0, but got 0; set nesterov to false")
        if problems:
            raise ImpossibleJob("; ".join(problems))


_RULES: Final[Mapping[str, str]] = {
    "epochs": "epochs must be at least 0, but got {}",
    "batch_size": "batch_size must be at least 1, but got {}",
    "batch_shards": "batch_shards must be at least 1, but got {}",
    "lr": "lr must be above 0, but got {}",
    "final_lr": "final_lr must be at least 0, but got {}",
    "step_epochs": "step_epochs must rise and be above 0, but got {}",
    "step_gamma": "step_gamma must be above 0, but got {}",
    "warmup_steps": "warmup_steps must be at least 0, but got {}",
    "momentum": "momentum must be in [0, 1), but got {}",
    "weight_decay": "weight_decay must be at least 0, but got {}",
    "crop_padding": "crop_padding must be at least 0, but got {}",
    "grad_clip": "grad_clip must be above 0, or null, but got {}",
    "grad_accumulation": "grad_accumulation must be at least 1, but got {}",
    "ema_decay": "ema_decay must be in (0, 1), or null, but got {}",
    "train_images": "train_images must be at least 1, or null, but got {}",
    "validation_images": "validation_images must be at least 0, but got {}",
    "optimiser": "optimiser must be sgd, adam or adamw, but got {!r}",
    "schedule": "schedule must be cosine, constant or step, but got {!r}",
    "precision": "precision must be fp32 or bf16, but got {!r}",
    "crop": "crop must be pad or resized, but got {!r}",
}


def _holds(recipe: RecipeConfig, name: str) -> bool:
    value = getattr(recipe, name)
    if value is None:
        return name in ("grad_clip", "ema_decay", "train_images")
    if name in ("epochs", "warmup_steps", "crop_padding", "validation_images", "final_lr", "weight_decay"):
        return bool(value >= 0)
    if name in ("batch_size", "batch_shards", "grad_accumulation", "train_images"):
        return bool(value >= 1)
    if name in ("lr", "step_gamma", "grad_clip"):
        return bool(value > 0)
    if name == "momentum":
        return bool(0 <= value < 1)
    if name == "ema_decay":
        return bool(0 < value < 1)
    if name == "step_epochs":
        return all(value) and list(value) == sorted(set(value)) and all(epoch > 0 for epoch in value)
    choices = {
        "optimiser": get_args(Optimiser),
        "schedule": get_args(Schedule),
        "precision": get_args(Precision),
        "crop": ("pad", "resized"),
    }
    return value in choices[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingSetConfig:
    """A mixing set by name: which images, how many, how large, from which seed."""

    name: str
    num_pictures: int
    image_size: int
    num_channels: int
    seed: int = 0
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """One training job: a cell with every default filled in.

    Attributes:
        method: Key of `METHODS`.
        method_params: All hyper-parameters of the method.
        dataset: Key of `DATASETS`.
        model: Name that `MODELS` understands, for example "wrn-40-4".
        model_params: Options of the model, for example {"dropout": 0.3}.
        recipe: How it is trained.
        seed: Seed of initialisation, order, augmentation.
        mixing_set: The mixing set, or None.
        outliers: Name of the outlier stream, or None.
        init_from: Train key of the cell whose weights it starts from, or None.
        released: Key of `CHECKPOINTS`: the weights are those of that released network, and nothing is trained; or None.
        normalize: Mean and std per channel that a row of foreign weights asks for instead of the published ones, or None.
    """

    method: str
    method_params: Mapping[str, object]
    dataset: str
    model: str
    recipe: RecipeConfig
    seed: int
    model_params: Mapping[str, object] = field(default_factory=dict)
    mixing_set: MixingSetConfig | None = None
    outliers: str | None = None
    init_from: str | None = None
    released: str | None = None
    normalize: tuple[tuple[float, ...], tuple[float, ...]] | None = None

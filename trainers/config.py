"""The configuration of one job: everything that can change its weights, and nothing else.

A `JobConfig` is fully resolved: every default is filled in, so its canonical JSON (with the semantics versions of what it
names) is what the train key hashes. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, get_args

from augment.lookup.parameters import AtMost
from eval.inference.products import Precision
from trainers.errors import ImpossibleJob

LOOP_SEMANTICS: Final = 2
"""Version of the training loop; raised by hand whenever the weights that a configuration leads to change."""

Optimiser = Literal["sgd", "adam", "adamw"]
Schedule = Literal["cosine", "constant", "step"]
Crop = Literal["pad", "resized"]
Compression = Literal["none", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeConfig:
    """How a network is trained. The defaults are the published CIFAR recipe (andyzoujm/pixmix, cifar.py).

    Attributes:
        epochs: Passes over the training set; 0 records the initial weights.
        batch_size: Global batch, whatever the number of workers.
        batch_shards: Logical shards that each global batch is cut into; the number of workers must divide it.
        optimiser: "sgd" (with `momentum`), "adam" or "adamw".
        lr: Learning rate at step 0.
        final_lr: Learning rate that the schedule ends at.
        schedule: "cosine" (per step) or "constant" or "step" (times `step_gamma` at each of `step_epochs`).
        step_epochs: Epochs at whose start schedule "step" multiplies the rate; without meaning for the others.
        step_gamma: What it is multiplied by.
        warmup_steps: First steps, whose rate rises in equal parts to that of the schedule.
        momentum: Of "sgd"; the first beta of "adam" and "adamw".
        nesterov: Whether momentum of "sgd" is Nesterov's.
        weight_decay: On all parameters, batch norm and biases included.
        crop_padding: Zero padding of the random crop in pixels; 0 for none.
        flip: Horizontal flip with probability 1/2, before the crop.
        grad_clip: Largest gradient norm, or None.
        grad_accumulation: Micro-batches that each shard is computed in.
        ema_decay: Decay of an exponential moving average of the weights that is evaluated instead, or None.
        precision: Arithmetic of matrix products and convolutions. "tf32" rounds their inputs to 10 bits of mantissa where a
            GPU has it and is fp32 elsewhere; "fp32" is IEEE fp32 everywhere; "bf16" is autocast, with tf32 for the rest.
        deterministic: Whether a GPU uses deterministic operations only, which bit-identical results need; a CPU always does.
        gradient_compression: "bf16" sends gradients between workers in bfloat16, half the bytes, and adds them up in it; a single
            worker rounds its own, so that the number of workers still does not matter. "none" sends float32.
        channels_last: Memory layout of images and convolutions.
        compile: Whether torch.compile wraps the network.
        train_images: Use only the first so many training images (smoke sizes), or None for all.
        validation_images: Images held out from the end of a fixed permutation of the training split.
        crop: "pad" (crop of the padded image) or "resized" (a random area and ratio of the image, resized; ImageNet).
    """

    epochs: Annotated[int, AtMost(1_000_000)] = 100
    batch_size: Annotated[int, AtMost(1_000_000)] = 128
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
    crop_padding: Annotated[int, AtMost(1_024)] = 4
    flip: bool = True
    grad_clip: float | None = None
    grad_accumulation: int = 1
    ema_decay: float | None = None
    precision: Precision = "tf32"
    deterministic: bool = False
    gradient_compression: Compression = "none"
    channels_last: bool = True
    compile: bool = False
    train_images: int | None = None
    validation_images: int = 0
    crop: Crop = "pad"

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in RECIPE_RULES}
        problems = [
            f"{name} must {RECIPE_RULES[name][1]}, but got {value!r}"
            for name, value in values.items()
            if not ((value is None and name in _OPTIONAL) or (value is not None and RECIPE_RULES[name][0](value)))
        ]
        if self.batch_shards * self.grad_accumulation > self.batch_size:
            problems.append(
                f"batch_shards times grad_accumulation must be at most batch_size ({self.batch_size}), "
                f"but got {self.batch_shards} times {self.grad_accumulation}"
            )
        if self.nesterov and self.optimiser == "sgd" and self.momentum == 0:
            problems.append("nesterov needs a momentum above 0, but got 0; set nesterov to false")
        if problems:
            raise ImpossibleJob("; ".join(problems))


def _at_least(bound: int) -> Callable[[Any], bool]:
    return lambda value: bool(value >= bound)


def _is_positive(value: Any) -> bool:
    return bool(value > 0)


def _rises(epochs: Sequence[int]) -> bool:
    return list(epochs) == sorted(set(epochs)) and all(epoch > 0 for epoch in epochs)


_OPTIONAL: Final = ("grad_clip", "ema_decay", "train_images")
RECIPE_RULES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "epochs": (_at_least(0), "be at least 0"),
    "batch_size": (_at_least(1), "be at least 1"),
    "batch_shards": (_at_least(1), "be at least 1"),
    "lr": (_is_positive, "be above 0"),
    "final_lr": (_at_least(0), "be at least 0"),
    "step_epochs": (_rises, "be above 0 and rising"),
    "step_gamma": (_is_positive, "be above 0"),
    "warmup_steps": (_at_least(0), "be at least 0"),
    "momentum": (lambda value: 0 <= value < 1, "be in [0, 1)"),
    "weight_decay": (_at_least(0), "be at least 0"),
    "crop_padding": (_at_least(0), "be at least 0"),
    "grad_clip": (_is_positive, "be above 0, or null"),
    "grad_accumulation": (_at_least(1), "be at least 1"),
    "ema_decay": (lambda value: 0 < value < 1, "be in (0, 1), or null"),
    "train_images": (_at_least(1), "be at least 1, or null"),
    "validation_images": (_at_least(0), "be at least 0"),
    "optimiser": (get_args(Optimiser).__contains__, "be sgd, adam or adamw"),
    "schedule": (get_args(Schedule).__contains__, "be cosine, constant or step"),
    "precision": (get_args(Precision).__contains__, "be fp32, tf32 or bf16"),
    "gradient_compression": (get_args(Compression).__contains__, "be none or bf16"),
    "crop": (get_args(Crop).__contains__, "be pad or resized"),
}
"""Field -> whether a value is allowed, and the rule as the end of "must ..."."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingSetConfig:
    """A mixing set by name: which images, how many, how large, from which seed."""

    name: str
    num_images: int
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

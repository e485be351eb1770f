"""Hyper-parameters of the methods: frozen, checked, light to import; the defaults are the published CIFAR values.

What a dataset changes stands in `augment.registry` beside each method. The implementations are in the module named at each
class; `augment.methods.rival_configs` holds those of the policies, noises, Outlier Exposure and adversarial training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

OperationSet = Literal["all", "basic"]


def require(condition: bool, rule: str, value: object) -> None:
    """Raise ValueError with the rule and the value unless a condition holds."""
    if not condition:
        raise ValueError(f"{rule}, but got {value!r}")


def require_fraction(name: str, value: float) -> None:
    """Raise ValueError unless a value is in [0, 1]."""
    require(0.0 <= value <= 1.0, f"{name} must be between 0 and 1", value)


def require_severity(value: float) -> None:
    """Raise ValueError unless a severity is in [0.1, 10]."""
    require(0.1 <= value <= 10.0, "severity must be between 0.1 and 10", value)


def require_operations(value: str) -> None:
    """Raise ValueError unless a set of operations exists."""
    require(value in ("all", "basic"), "operations must be 'all' (13) or 'basic' (9)", value)


def require_below_data_root(name: str, value: str) -> None:
    """Raise ValueError unless a value is "" or a relative name that stays below a folder."""
    path = PurePosixPath(value)
    is_below = not path.is_absolute() and ".." not in path.parts
    require(is_below, f"{name} must be a name below the data root (move or link the file there)", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """No hyper-parameters (`augment.treatment`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutConfig:
    """Cutout (`augment.methods.cutout`).

    Attributes:
        side_fraction: Side of the square hole as a fraction of the image's side.
    """

    side_fraction: float = 0.5

    def __post_init__(self) -> None:
        require_fraction("side_fraction", self.side_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixupConfig:
    """Mixup (`augment.methods.mixup`).

    Attributes:
        alpha: Both parameters of the Beta distribution that the weight is drawn from.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        require(self.alpha > 0.0, "alpha must be above 0", self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMixConfig:
    """CutMix (`augment.methods.cutmix`).

    Attributes:
        probability: Share of the batches that are mixed.
        alpha: Both parameters of the Beta distribution that the kept area is drawn from.
    """

    probability: float = 0.5
    alpha: float = 1.0

    def __post_init__(self) -> None:
        require_fraction("probability", self.probability)
        require(self.alpha > 0.0, "alpha must be above 0", self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixMixConfig:
    """PixMix and its strategies (`augment.methods.pixmix.treatment`).

    Attributes:
        max_rounds: Largest number k of mixing rounds; each image draws its own from 0..k, both included.
        beta: Mixing strength; larger mixes less.
        severity: Level of the base operations; a lower one makes the four enhancements stronger.
        operations: "all" for the 13 published operations, "basic" for the 9 that overlap no corruption benchmark.
        augment_start: Whether every second image starts from a base operation's result.
    """

    max_rounds: int = 4
    beta: float = 3.0
    severity: float = 3.0
    operations: OperationSet = "all"
    augment_start: bool = True

    def __post_init__(self) -> None:
        require(0 <= self.max_rounds <= 16, "max_rounds must be between 0 and 16", self.max_rounds)
        require(self.beta > 0.0, "beta must be above 0", self.beta)
        require_severity(self.severity)
        require_operations(self.operations)


@dataclass(frozen=True, slots=True, kw_only=True)
class IterativeConfig:
    """PixMix whose mixing images are feature visualisations of the network being trained (`augment.methods.pixmix.iterative`).

    Attributes:
        max_rounds: As in `PixMixConfig`.
        beta: As in `PixMixConfig`.
        severity: As in `PixMixConfig`.
        operations: As in `PixMixConfig`.
        augment_start: As in `PixMixConfig`.
        pictures: Feature visualisations made at once (M).
        ascent_steps: Optimiser steps for each of them (T); 0 leaves their random start.
        refresh_every: Training steps from one refresh to the next; 1 visualises at every step.
        buffer_size: Images kept, the oldest are overwritten (B).
    """

    max_rounds: int = 4
    beta: float = 3.0
    severity: float = 3.0
    operations: OperationSet = "all"
    augment_start: bool = True
    pictures: int = 64
    ascent_steps: int = 32
    refresh_every: int = 20
    buffer_size: int = 2048

    def __post_init__(self) -> None:
        require(self.pictures >= 1, "pictures must be at least 1", self.pictures)
        require(self.refresh_every >= 1, "refresh_every must be at least 1", self.refresh_every)
        require(self.ascent_steps >= 0, "ascent_steps must not be negative", self.ascent_steps)
        require(self.buffer_size >= self.pictures, f"buffer_size must hold {self.pictures} pictures", self.buffer_size)
        _ = self.mixing

    @property
    def mixing(self) -> PixMixConfig:
        """The hyper-parameters of PixMix itself."""
        return PixMixConfig(
            max_rounds=self.max_rounds,
            beta=self.beta,
            severity=self.severity,
            operations=self.operations,
            augment_start=self.augment_start,
        )

"""Hyper-parameters of the methods: frozen, checked, light to import; the defaults are the published CIFAR values.

What a dataset changes stands in `augment.methods` beside each method. The implementations are in the module named at each
class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OperationSet = Literal["all", "basic"]


def _require(condition: bool, rule: str, value: object) -> None:
    if not condition:
        raise ValueError(f"{rule}, but got {value!r}")


def _require_fraction(name: str, value: float) -> None:
    _require(0.0 <= value <= 1.0, f"{name} must be between 0 and 1", value)


def _require_severity(value: float) -> None:
    _require(0.1 <= value <= 10.0, "severity must be between 0.1 and 10", value)


def _require_operations(value: str) -> None:
    _require(value in ("all", "basic"), "operations must be 'all' (13) or 'basic' (9)", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """No hyper-parameters (`augment.treatment`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutConfig:
    """Cutout (`augment.cutout`).

    Attributes:
        side_fraction: Side of the square hole as a fraction of the picture's side.
    """

    side_fraction: float = 0.5

    def __post_init__(self) -> None:
        _require_fraction("side_fraction", self.side_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixupConfig:
    """Mixup (`augment.mixup`).

    Attributes:
        alpha: Both parameters of the Beta distribution that the weight is drawn from.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        _require(self.alpha > 0.0, "alpha must be above 0", self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMixConfig:
    """CutMix (`augment.cutmix`).

    Attributes:
        probability: Share of the batches that are mixed.
        alpha: Both parameters of the Beta distribution that the kept area is drawn from.
    """

    probability: float = 0.5
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _require_fraction("probability", self.probability)
        _require(self.alpha > 0.0, "alpha must be above 0", self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixMixConfig:
    """PixMix and its strategies (`augment.pixmix`).

    Attributes:
        max_rounds: Largest number k of mixing rounds; each picture draws its own from 0..k, both included.
        beta: Mixing strength; larger mixes less.
        severity: Level of the base operations; a lower one makes the four enhancements stronger.
        operations: "all" for the 13 published operations, "basic" for the 9 that overlap no corruption benchmark.
        augment_start: Whether every second picture starts from a base operation's result.
    """

    max_rounds: int = 4
    beta: float = 3.0
    severity: float = 3.0
    operations: OperationSet = "all"
    augment_start: bool = True

    def __post_init__(self) -> None:
        _require(0 <= self.max_rounds <= 16, "max_rounds must be between 0 and 16", self.max_rounds)
        _require(self.beta > 0.0, "beta must be above 0", self.beta)
        _require_severity(self.severity)
        _require_operations(self.operations)

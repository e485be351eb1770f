"""Parameters of the benchmarks, with their published defaults. Light: no NumPy, no torch.

Everything here changes numbers and is part of a benchmark's key; how generated data are kept is not (`Subject.keep_generated`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from eval.corruptions.registry import BENCHMARK_KINDS, EXTRA_KINDS
from eval.corruptions.severities import SEVERITIES
from eval.outlier_sets import OUTLIER_SETS
from eval.params import nearest

GENERATED_OUTLIERS: Final = tuple(OUTLIER_SETS)
Score = Literal["msp", "xent", "max-logit", "energy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanConfig:
    """The dataset's own test split.

    Attributes:
        max_images: Use only so many test pictures, or None for all.
    """

    max_images: int | None = None

    def __post_init__(self) -> None:
        _check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionConfig:
    """Corruptions at several severities, generated from the test pictures.

    Attributes:
        kinds: Corruptions, each weighing the same.
        severities: Severities from 1 to 5.
        frost: Ice for `frost`: "procedural" (no photographs), or "pictures" from the folder `frost` of the data root.
        baseline: Name of the baseline network whose errors normalise mCE, or None for raw errors only.
        max_images: Use only so many test pictures, or None for all.
    """

    kinds: tuple[str, ...] = BENCHMARK_KINDS
    severities: tuple[int, ...] = SEVERITIES
    frost: Literal["procedural", "pictures"] = "procedural"
    baseline: str | None = None
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check_names("corruption", self.kinds, (*BENCHMARK_KINDS, *EXTRA_KINDS))
        _check_severities(self.severities)
        _check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class PgdConfig:
    """Projected gradient descent in pixel space; the budget is a distance in pixels in [0, 1].

    Attributes:
        norm: "linf" (per value) or "l2" (per picture).
        epsilon: Largest distance from the test picture.
        step_size: Length of a step, in the same norm.
        steps: Gradient steps.
        restarts: Attacks per picture; one that succeeds is enough.
        random_start: Start at a uniformly random point of the ball instead of the picture.
        max_images: Use only so many test pictures, or None for all.
    """

    norm: Literal["linf", "l2"] = "linf"
    epsilon: float = 2 / 255
    step_size: float = 0.5 / 255
    steps: int = 20
    restarts: int = 1
    random_start: bool = True
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check_budget(self.epsilon, self.step_size, self.steps)
        if self.restarts < 1:
            raise ValueError(f"restarts must be at least 1, but got {self.restarts}")
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"{self.restarts} restarts without a random start repeat one attack; set random_start")
        _check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePgdConfig:
    """The published script's attack: its l-inf box lies around the randomly moved start, so it reaches up to twice epsilon.

    Attributes:
        epsilon: Half-side of the box.
        step_size: Length of a step per value.
        steps: Gradient steps.
        max_images: Use only so many test pictures, or None for all.
    """

    epsilon: float = 2 / 255
    step_size: float = 0.5 / 255
    steps: int = 20
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check_budget(self.epsilon, self.step_size, self.steps)
        _check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedOutlierConfig:
    """Outliers that are drawn: noise and blobs.

    Attributes:
        sets: Outlier sets, each weighing the same.
        score: The anomaly score that the metrics are of; the fine rows hold all scores.
        repeats: Random subsets (of one OOD picture to five test pictures) that the metrics are averaged over.
        max_images: Use only so many test pictures, or None for all.
    """

    sets: tuple[str, ...] = GENERATED_OUTLIERS
    score: Score = "msp"
    repeats: int = 10
    max_images: int | None = None

    def __post_init__(self) -> None:
        _check_names("outlier set", self.sets, GENERATED_OUTLIERS)
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, but got {self.repeats}")
        _check_limit(self.max_images)


def _check_limit(max_images: int | None) -> None:
    if max_images is not None and max_images < 1:
        raise ValueError(f"max_images must be at least 1, or none for all pictures, but got {max_images}")


def _check_severities(severities: tuple[int, ...]) -> None:
    if not severities or not set(severities) <= set(SEVERITIES) or len(set(severities)) != len(severities):
        raise ValueError(f"severities must be different numbers from 1 to 5, but got {list(severities)}")


def _check_names(what: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not names or len(set(names)) != len(names):
        raise ValueError(f"each {what} must be named once, and at least one, but got {list(names)}")
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {what} {name!r}{nearest(name, known)}")


def _check_budget(epsilon: float, step_size: float, steps: int) -> None:
    if epsilon < 0.0 or step_size <= 0.0 or steps < 0:
        raise ValueError(
            "an attack needs epsilon >= 0, step_size > 0 and steps >= 0, but got "
            f"epsilon {epsilon}, step_size {step_size}, steps {steps}"
        )

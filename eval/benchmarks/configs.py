"""Parameters of the benchmarks, with their published defaults. Light: no NumPy, no torch.

Everything here changes numbers and is part of a benchmark's key; how generated data are kept is not (`Subject.keep_generated`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from eval.benchmarks.config_checks import check_at_least_one, check_budget, check_limit, check_names, check_severities
from eval.corruptions.c.registry import BENCHMARK_KINDS, EXTRA_KINDS
from eval.corruptions.cbar.registry import CBAR_CORRUPTIONS
from eval.corruptions.contract import SEVERITIES
from eval.corruptions.mnist.registry import MNIST_CORRUPTIONS
from eval.metrics.scores import ScoreName
from eval.outliers.sets import OUTLIER_SETS
from eval.perturbations.p.registry import PERTURBATIONS, benchmark_perturbations

GENERATED_OUTLIERS: Final = tuple(OUTLIER_SETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanConfig:
    """The dataset's own test split.

    Attributes:
        max_images: Use only so many test images, or None for all.
        keep_logits: Record the full logits too, not only the compact predictions.
    """

    max_images: int | None = None
    keep_logits: bool = False

    def __post_init__(self) -> None:
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionConfig:
    """ImageNet-R: renditions of 200 of ImageNet's classes.

    Attributes:
        max_images: Use only so many images, or None for all.
    """

    max_images: int | None = None

    def __post_init__(self) -> None:
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledConfig:
    """The test split after temperature scaling: fitted on one half of the images, evaluated on the other.

    Attributes:
        max_images: Use only so many test images, or None for all.
        fitted_share: Share of the images that the temperature is fitted on.
    """

    max_images: int | None = None
    fitted_share: float = 0.5

    def __post_init__(self) -> None:
        check_limit(self.max_images)
        if not 0.0 < self.fitted_share < 1.0:
            raise ValueError(f"fitted_share must lie between 0 and 1, but got {self.fitted_share}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionConfig:
    """Corruptions at several severities, generated from the test images.

    Attributes:
        kinds: Corruptions, each weighing the same.
        severities: Severities from 1 to 5.
        frost: Ice for `frost`: "procedural" (no photographs), or "images" from the folder `frost` of the data root.
        baseline: Name of the baseline network whose errors normalise mCE, or None for raw errors only.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] = BENCHMARK_KINDS
    severities: tuple[int, ...] = SEVERITIES
    frost: Literal["procedural", "pictures"] = "procedural"
    baseline: str | None = None
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_names("corruption", self.kinds, (*BENCHMARK_KINDS, *EXTRA_KINDS))
        check_severities(self.severities)
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class PgdConfig:
    """Projected gradient descent in pixel space; the budget is a distance in pixels in [0, 1].

    Attributes:
        norm: "linf" (per value) or "l2" (per image).
        epsilon: Largest distance from the test image.
        step_size: Length of a step, in the same norm.
        steps: Gradient steps.
        restarts: Attacks per image; one that succeeds is enough.
        random_start: Start at a uniformly random point of the ball instead of the image.
        max_images: Use only so many test images, or None for all.
    """

    norm: Literal["linf", "l2"] = "linf"
    epsilon: float = 2 / 255
    step_size: float = 0.5 / 255
    steps: int = 20
    restarts: int = 1
    random_start: bool = True
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_budget(self.epsilon, self.step_size, self.steps)
        check_at_least_one("restarts", self.restarts)
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"{self.restarts} restarts without a random start repeat one attack; set random_start")
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePgdConfig:
    """The published script's attack: its l-inf box lies around the randomly moved start, so it reaches up to twice epsilon.

    Attributes:
        epsilon: Half-side of the box.
        step_size: Length of a step per value.
        steps: Gradient steps.
        max_images: Use only so many test images, or None for all.
    """

    epsilon: float = 2 / 255
    step_size: float = 0.5 / 255
    steps: int = 20
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_budget(self.epsilon, self.step_size, self.steps)
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedOutlierConfig:
    """Outliers that are drawn: noise and blobs.

    Attributes:
        sets: Outlier sets, each weighing the same.
        score: The anomaly score that the metrics are of; the fine rows hold all scores.
        repeats: Random subsets (of one OOD image to five test images) that the metrics are averaged over.
        max_images: Use only so many test images, or None for all.
    """

    sets: tuple[str, ...] = GENERATED_OUTLIERS
    score: ScoreName = "msp"
    repeats: int = 10
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_names("outlier set", self.sets, GENERATED_OUTLIERS)
        check_at_least_one("repeats", self.repeats)
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCorruptionConfig:
    """The published files of corrupted images.

    Attributes:
        kinds: Corruptions, each weighing the same.
        severities: Severities from 1 to 5.
        baseline: Name of the baseline network whose errors normalise mCE; None takes the published one of the dataset's files
            (ImageNet-C), and gives raw errors only where there is none (CIFAR-C).
        preprocessing: "as-stored", or "reference": shrink to 256 px and crop 224, as the published script does to ImageNet files.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] = BENCHMARK_KINDS
    severities: tuple[int, ...] = SEVERITIES
    baseline: str | None = None
    preprocessing: Literal["as-stored", "reference"] = "as-stored"
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_names("corruption", self.kinds, (*BENCHMARK_KINDS, *EXTRA_KINDS))
        check_severities(self.severities)
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarConfig:
    """C-bar: ten corruptions per scale, unlike those of C.

    Attributes:
        kinds: Corruptions, each weighing the same; None for the ten of the images' scale.
        severities: Severities from 1 to 5.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] | None = None
    severities: tuple[int, ...] = SEVERITIES
    max_images: int | None = None

    def __post_init__(self) -> None:
        if self.kinds is not None:
            check_names("corruption", self.kinds, tuple(CBAR_CORRUPTIONS))
        check_severities(self.severities)
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBarConfig(BarConfig):
    """The published files of C-bar.

    Attributes:
        preprocessing: As for the published files of C: "as-stored", or "reference": shrink to 256 px and crop 224, as the
            published script does to ImageNet files.
    """

    preprocessing: Literal["as-stored", "reference"] = "as-stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class MnistCorruptionConfig:
    """MNIST-C: fifteen corruptions of one severity.

    Attributes:
        kinds: Corruptions, each weighing the same (the identity is none of them).
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] = tuple(MNIST_CORRUPTIONS)
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_names("corruption", self.kinds, tuple(MNIST_CORRUPTIONS))
        check_limit(self.max_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationConfig:
    """P: sequences of slightly changing frames.

    Attributes:
        kinds: Perturbations, each weighing the same; None for the ten of the benchmark with the chosen weather.
        weather: "snow" as ImageNet-P and its tables have, or "spatter" as the published script for CIFAR-P has.
        difficulty: Frames between those compared, 1 to 3; for noises its level.
        baseline: Name of the baseline network whose rates normalise, or None for raw rates only.
        max_images: Use only so many test images, or None for all.
    """

    kinds: tuple[str, ...] | None = None
    weather: Literal["snow", "spatter"] = "snow"
    difficulty: int = 1
    baseline: str | None = None
    max_images: int | None = None

    def __post_init__(self) -> None:
        if self.kinds is not None:
            check_names("perturbation", self.kinds, tuple(PERTURBATIONS))
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"difficulty must be 1, 2 or 3, but got {self.difficulty}")
        check_limit(self.max_images)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The perturbations that are run."""
        return self.kinds or benchmark_perturbations(self.weather)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierConfig:
    """Outliers: test images of other datasets, and drawn ones.

    Attributes:
        sets: Outlier sets, each weighing the same: names of datasets, or of drawn sets.
        score: The anomaly score that the metrics are of; the fine rows hold all scores.
        repeats: Random subsets (of one OOD image to five test images) that the metrics are averaged over.
        max_images: Use only so many test images, or None for all.
    """

    sets: tuple[str, ...] = (*GENERATED_OUTLIERS, "textures", "svhn", "lsun", "places69")
    score: ScoreName = "msp"
    repeats: int = 10
    max_images: int | None = None

    def __post_init__(self) -> None:
        check_names("outlier set", self.sets)
        if nameless := [name for name in self.sets if name.strip() in ("", "folder:")]:
            raise ValueError(f"each outlier set must have a name, or a folder after 'folder:', but got {nameless[0]!r}")
        check_at_least_one("repeats", self.repeats)
        check_limit(self.max_images)

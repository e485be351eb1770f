"""Hyper-parameters of the methods beside PixMix, Cutout, Mixup and CutMix: frozen, checked, light to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from augment.methods.configs import OperationSet, require, require_fraction, require_operations, require_severity


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoAugmentConfig:
    """AutoAugment (`augment.methods.policies.draws`).

    Attributes:
        policy: "cifar10" or "imagenet"; CIFAR-100 uses the former.
        fill: Value outside the image under affine maps, 0..255.
    """

    policy: Literal["cifar10", "imagenet"] = "cifar10"
    fill: int = 128

    def __post_init__(self) -> None:
        require(self.policy in ("cifar10", "imagenet"), "policy must be 'cifar10' or 'imagenet'", self.policy)
        require(0 <= self.fill <= 255, "fill must be between 0 and 255", self.fill)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandAugmentConfig:
    """RandAugment (`augment.methods.policies.draws`).

    Attributes:
        num_operations: Operations applied to each image, one after the other (N).
        magnitude: Index of the magnitude (M), below `num_bins`.
        num_bins: Number of magnitudes.
        fill: Value outside the image under affine maps, 0..255.
    """

    num_operations: int = 2
    magnitude: int = 9
    num_bins: int = 31
    fill: int = 0

    def __post_init__(self) -> None:
        require(self.num_operations >= 1, "num_operations must be at least 1", self.num_operations)
        require(self.num_bins >= 2, "num_bins must be at least 2", self.num_bins)
        rule = f"magnitude must be between 0 and {self.num_bins - 1}"
        require(0 <= self.magnitude < self.num_bins, rule, self.magnitude)
        require(0 <= self.fill <= 255, "fill must be between 0 and 255", self.fill)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrivialAugmentConfig:
    """TrivialAugment, the wide space (`augment.methods.policies.draws`).

    Attributes:
        num_bins: Number of magnitudes.
        fill: Value outside the image under affine maps, 0..255.
    """

    num_bins: int = 31
    fill: int = 0

    def __post_init__(self) -> None:
        require(self.num_bins >= 2, "num_bins must be at least 2", self.num_bins)
        require(0 <= self.fill <= 255, "fill must be between 0 and 255", self.fill)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugMixConfig:
    """AugMix without the consistency loss (`augment.methods.augmix`).

    Attributes:
        severity: Level of the base operations.
        width: Number of chains.
        depth: Largest number of operations in a chain; each draws its own from 1..depth.
        operations: "basic" for the 9 published operations, "all" for 13.
    """

    severity: float = 3.0
    width: int = 3
    depth: int = 3
    operations: OperationSet = "basic"

    def __post_init__(self) -> None:
        require_severity(self.severity)
        require_operations(self.operations)
        require(self.width >= 1, "width must be at least 1", self.width)
        require(self.depth >= 1, "depth must be at least 1", self.depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugMixJsdConfig:
    """AugMix with the consistency loss (`augment.methods.augmix`).

    Attributes:
        severity: As in `AugMixConfig`.
        width: As in `AugMixConfig`.
        depth: As in `AugMixConfig`.
        operations: As in `AugMixConfig`.
        consistency_weight: Weight of the Jensen-Shannon divergence between the three views.
    """

    severity: float = 3.0
    width: int = 3
    depth: int = 3
    operations: OperationSet = "basic"
    consistency_weight: float = 12.0

    def __post_init__(self) -> None:
        _ = self.mixing
        require(self.consistency_weight >= 0.0, "consistency_weight must not be negative", self.consistency_weight)

    @property
    def mixing(self) -> AugMixConfig:
        """The hyper-parameters of the mixtures."""
        return AugMixConfig(severity=self.severity, width=self.width, depth=self.depth, operations=self.operations)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaltAndPepperConfig:
    """Salt and pepper (`augment.methods.noise`).

    Attributes:
        probability: Probability that a pixel is replaced; half of it for black, half for white.
    """

    probability: float = 0.1

    def __post_init__(self) -> None:
        require_fraction("probability", self.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeckleConfig:
    """Speckle (`augment.methods.noise`).

    Attributes:
        scales: Standard deviations that each noised image draws one of.
        share: Probability that an image is noised.
    """

    scales: tuple[float, ...] = (0.15, 0.2, 0.35, 0.45, 0.6)
    share: float = 0.5

    def __post_init__(self) -> None:
        _require_scales(self.scales)
        require_fraction("share", self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianNoiseConfig:
    """Gaussian noise (`augment.methods.noise`).

    Attributes:
        scales: Standard deviations that each noised image draws one of.
        share: Probability that an image is noised.
    """

    scales: tuple[float, ...] = (0.08, 0.12, 0.18, 0.26, 0.38)
    share: float = 0.5

    def __post_init__(self) -> None:
        _require_scales(self.scales)
        require_fraction("share", self.share)


def _require_scales(scales: tuple[float, ...]) -> None:
    require(len(scales) >= 1 and min(scales) > 0.0, "scales must be one or more numbers above 0", scales)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierExposureConfig:
    """Outlier Exposure (`augment.methods.outlier_exposure`).

    Attributes:
        weight: Weight of the outlier term.
        per_sample: Outliers for each training image.
        crop_padding: Zero padding of the outliers' random crop in pixels.
        flip: Whether outliers are flipped with probability 1/2.
    """

    weight: float = 0.5
    per_sample: int = 2
    crop_padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        require(self.weight >= 0.0, "weight must not be negative", self.weight)
        require(self.per_sample >= 1, "per_sample must be at least 1", self.per_sample)
        require(self.crop_padding >= 0, "crop_padding must not be negative", self.crop_padding)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialConfig:
    """Adversarial training (`augment.methods.adversarial`).

    Attributes:
        epsilon: Radius of the ball, in pixel values of [0, 1].
        step_size: Length of one step, in the same unit.
        steps: Number of steps.
        random_start: Whether the attack starts from uniform noise in the ball.
    """

    epsilon: float = 8 / 255
    step_size: float = 2 / 255
    steps: int = 7
    random_start: bool = False

    @property
    def norm(self) -> str:
        """Norm of the ball."""
        return "linf"

    def __post_init__(self) -> None:
        require(self.epsilon > 0.0, "epsilon must be above 0", self.epsilon)
        require(self.step_size > 0.0, "step_size must be above 0", self.step_size)
        require(self.steps >= 1, "steps must be at least 1", self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialL2Config(AdversarialConfig):
    """Adversarial training in the l2 ball (`augment.methods.adversarial`); fields as in `AdversarialConfig`."""

    epsilon: float = 0.5
    step_size: float = 0.1

    @property
    def norm(self) -> str:
        """Norm of the ball."""
        return "l2"

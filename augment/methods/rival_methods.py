"""The methods beside them: policies, AugMix, noises, Outlier Exposure, adversarial training. Light to import."""

from __future__ import annotations

from typing import Final

from augment.method import Defaults, Method
from augment.methods import builders, rival_configs

_AUGMIX_PAPER: Final = "Hendrycks et al., AugMix (ICLR 2020); google-research/augmix"
_NOISE_PAPER: Final = "Rusak et al., A simple way to make neural networks robust (ECCV 2020); bethgelab/game-of-noise"
_ADVERSARIAL_PAPER: Final = "Madry et al. (ICLR 2018); MadryLab/robustness, microsoft/robust-models-transfer"
_IMAGENET_AUGMIX: Final[Defaults] = {"imagenet": {"severity": 1.0}}
_MNIST_OUTLIER_RECIPE: Final[Defaults] = {
    name: {"epochs": 5, "lr": 0.01} for name in ("mnist", "fashion-mnist", "kmnist")
}
"""hendrycks/outlier-exposure, MNIST/: five epochs from the rate that the network itself was trained at."""

ENTRIES: Final = (
    Method(
        name="autoaugment",
        title="AutoAugment",
        semantics=1,
        config=rival_configs.AutoAugmentConfig,
        stages=frozenset({"sample"}),
        build=builders.autoaugment,
        defaults={name: {"policy": "imagenet"} for name in ("imagenet", "tiny-imagenet", "places365")},
        what="Apply one of 25 learned sub-policies of two operations.",
        source="Cubuk et al., AutoAugment (CVPR 2019); DeepVoltaire/AutoAugment",
        note="No Cutout after it: write 'autoaugment+cutout' for the variant with one.",
    ),
    Method(
        name="randaugment",
        title="RandAugment",
        semantics=1,
        config=rival_configs.RandAugmentConfig,
        stages=frozenset({"sample"}),
        build=builders.randaugment,
        what="Apply two of 14 operations at one magnitude.",
        source="Cubuk et al., RandAugment (NeurIPS 2020); torchvision",
    ),
    Method(
        name="trivialaugment",
        title="TrivialAugment",
        semantics=1,
        config=rival_configs.TrivialAugmentConfig,
        stages=frozenset({"sample"}),
        build=builders.trivialaugment,
        what="Apply one of 14 operations at a random magnitude of a wide range.",
        source="Müller and Hutter, TrivialAugment (ICCV 2021); torchvision",
    ),
    Method(
        name="augmix",
        title="AugMix",
        semantics=1,
        config=rival_configs.AugMixConfig,
        stages=frozenset({"sample"}),
        build=builders.augmix,
        defaults=_IMAGENET_AUGMIX,
        returns_float=True,
        what="Blend the image with a random combination of three chains of operations.",
        source=_AUGMIX_PAPER,
        note="The published table gives no consistency loss; its numbers fit training without one.",
    ),
    Method(
        name="augmix-jsd",
        title="AugMix (JSD)",
        semantics=1,
        config=rival_configs.AugMixJsdConfig,
        stages=frozenset({"sample", "loss"}),
        build=builders.augmix_jsd,
        defaults=_IMAGENET_AUGMIX,
        returns_float=True,
        num_views=3,
        what="AugMix with two mixtures per image and a consistency loss between them and the clean image.",
        source=_AUGMIX_PAPER,
    ),
    Method(
        name="salt-and-pepper",
        title="Salt & Pepper",
        semantics=1,
        config=rival_configs.SaltAndPepperConfig,
        stages=frozenset({"sample"}),
        build=builders.salt_and_pepper,
        accepts_float=True,
        what="Turn a tenth of the pixels black or white.",
        source="The MNIST report on PixMix (MLSS)",
        note="The density is unpublished: 0.1.",
    ),
    Method(
        name="speckle",
        title="Speckle",
        semantics=1,
        config=rival_configs.SpeckleConfig,
        stages=frozenset({"sample"}),
        build=builders.noise,
        accepts_float=True,
        returns_float=True,
        what="Multiply normal noise of a random scale into every second image.",
        source=_NOISE_PAPER,
        note="Every image is noised with probability 1/2; the published loop noises exactly half of a batch.",
    ),
    Method(
        name="gaussian-noise",
        title="Gaussian Noise",
        semantics=1,
        config=rival_configs.GaussianNoiseConfig,
        stages=frozenset({"sample"}),
        build=builders.noise,
        accepts_float=True,
        returns_float=True,
        what="Add normal noise of a random scale to every second image.",
        source=_NOISE_PAPER,
    ),
    Method(
        name="oe",
        title="Outlier Exposure",
        semantics=1,
        config=rival_configs.OutlierExposureConfig,
        stages=frozenset({"loss", "extra"}),
        build=builders.outlier_exposure,
        needs_outliers=True,
        recipe={"*": {"epochs": 10, "lr": 1e-3}, **_MNIST_OUTLIER_RECIPE},
        starts_from="baseline",
        what="Fine-tune to be undecided on a second stream of unlabelled images.",
        source="Hendrycks et al., Outlier Exposure (ICLR 2019); hendrycks/outlier-exposure",
        note="Fine-tuning from the baseline for 10 epochs is inferred from the published errors.",
    ),
    Method(
        name="adversarial-linf",
        title="l∞ Adversarial",
        semantics=1,
        config=rival_configs.AdversarialConfig,
        stages=frozenset({"batch"}),
        build=builders.adversarial,
        defaults={"imagenet": {"steps": 3, "step_size": 16 / 765}},
        what="Train on the result of an l-infinity attack on the network, radius 8/255.",
        source=_ADVERSARIAL_PAPER,
    ),
    Method(
        name="adversarial-l2",
        title="l2 Adversarial",
        semantics=1,
        config=rival_configs.AdversarialL2Config,
        stages=frozenset({"batch"}),
        build=builders.adversarial,
        defaults={"imagenet": {"epsilon": 3.0, "steps": 3, "step_size": 2.0}},
        what="Train on the result of an l2 attack on the network.",
        source=_ADVERSARIAL_PAPER,
        note="The radius on ImageNet, 3, is inferred from the published accuracy.",
    ),
)

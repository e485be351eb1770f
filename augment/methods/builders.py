"""Makers of treatments: each imports its implementation only when it is called, so that planning stays light."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from augment.methods import configs, rival_configs
    from augment.treatment import Treatment, TreatmentContext


def baseline(config: configs.NoConfig, context: TreatmentContext) -> Treatment:
    """Make the treatment that changes nothing."""
    from augment.treatment import Treatment

    return Treatment()


def cutout(config: configs.CutoutConfig, context: TreatmentContext) -> Treatment:
    """Make Cutout."""
    from augment.methods.cutout import Cutout

    return Cutout(config, context)


def mixup(config: configs.MixupConfig, context: TreatmentContext) -> Treatment:
    """Make Mixup."""
    from augment.methods.mixup import Mixup

    return Mixup(config, context)


def cutmix(config: configs.CutMixConfig, context: TreatmentContext) -> Treatment:
    """Make CutMix."""
    from augment.methods.cutmix import CutMix

    return CutMix(config, context)


def pixmix(config: configs.PixMixConfig, context: TreatmentContext) -> Treatment:
    """Make PixMix as published."""
    from augment.methods.pixmix.treatment import PixMix

    return PixMix(config, context)


def mix_input(config: configs.PixMixConfig, context: TreatmentContext) -> Treatment:
    """Make PixMix that only mixes in augmented copies of the image."""
    from augment.methods.pixmix.treatment import PixMix

    return PixMix(config, context, partner="augmented")


def mix_aug(config: configs.PixMixConfig, context: TreatmentContext) -> Treatment:
    """Make PixMix that only mixes in images of the mixing set."""
    from augment.methods.pixmix.treatment import PixMix

    return PixMix(config, context, partner="picture")


def pixmix_iterative(config: configs.IterativeConfig, context: TreatmentContext) -> Treatment:
    """Make PixMix with feature visualisations of the network being trained."""
    from augment.methods.pixmix.iterative import PixMixIterative

    return PixMixIterative(config, context)


def autoaugment(config: rival_configs.AutoAugmentConfig, context: TreatmentContext) -> Treatment:
    """Make AutoAugment."""
    from augment.methods.policies.draws import AutoAugment

    return AutoAugment(config, context)


def randaugment(config: rival_configs.RandAugmentConfig, context: TreatmentContext) -> Treatment:
    """Make RandAugment."""
    from augment.methods.policies.draws import RandAugment

    return RandAugment(config, context)


def trivialaugment(config: rival_configs.TrivialAugmentConfig, context: TreatmentContext) -> Treatment:
    """Make TrivialAugment."""
    from augment.methods.policies.draws import TrivialAugment

    return TrivialAugment(config, context)


def augmix(config: rival_configs.AugMixConfig, context: TreatmentContext) -> Treatment:
    """Make AugMix without its consistency loss."""
    from augment.methods.augmix import AugMix

    return AugMix(config, context)


def augmix_jsd(config: rival_configs.AugMixJsdConfig, context: TreatmentContext) -> Treatment:
    """Make AugMix with its consistency loss."""
    from augment.methods.augmix import AugMixJsd

    return AugMixJsd(config, context)


def salt_and_pepper(config: rival_configs.SaltAndPepperConfig, context: TreatmentContext) -> Treatment:
    """Make salt and pepper noise."""
    from augment.methods.noise import SaltAndPepper

    return SaltAndPepper(config, context)


def noise(
    config: rival_configs.SpeckleConfig | rival_configs.GaussianNoiseConfig, context: TreatmentContext
) -> Treatment:
    """Make speckle or Gaussian noise."""
    from augment.methods.noise import Noise

    return Noise(config, context)


def outlier_exposure(config: rival_configs.OutlierExposureConfig, context: TreatmentContext) -> Treatment:
    """Make Outlier Exposure."""
    from augment.methods.outlier_exposure import OutlierExposure

    return OutlierExposure(config, context)


def adversarial(config: rival_configs.AdversarialConfig, context: TreatmentContext) -> Treatment:
    """Make adversarial training."""
    from augment.methods.adversarial import Adversarial

    return Adversarial(config, context)

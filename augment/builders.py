"""Makers of treatments: each imports its implementation only when it is called, so that planning stays light."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from augment.configs import CutMixConfig, CutoutConfig, MixupConfig, NoConfig, PixMixConfig
    from augment.treatment import Treatment, TreatmentContext


def baseline(config: NoConfig, context: TreatmentContext) -> Treatment:
    """Make the treatment that changes nothing."""
    from augment.treatment import Treatment

    return Treatment()


def cutout(config: CutoutConfig, context: TreatmentContext) -> Treatment:
    """Make Cutout."""
    from augment.cutout import Cutout

    return Cutout(config, context)


def mixup(config: MixupConfig, context: TreatmentContext) -> Treatment:
    """Make Mixup."""
    from augment.mixup import Mixup

    return Mixup(config, context)


def cutmix(config: CutMixConfig, context: TreatmentContext) -> Treatment:
    """Make CutMix."""
    from augment.cutmix import CutMix

    return CutMix(config, context)


def pixmix(config: PixMixConfig, context: TreatmentContext) -> Treatment:
    """Make PixMix as published."""
    from augment.pixmix import PixMix

    return PixMix(config, context)

"""Makers of the treatments with networks of their own; each imports its implementation only when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from augment.networks import configs as network_configs
    from augment.treatment import Treatment, TreatmentContext


def noise2net(config: network_configs.Noise2NetConfig, context: TreatmentContext) -> Treatment:
    """Make Noise2Net."""
    from augment.networks.noise2net import Noise2Net

    return Noise2Net(config, context)


def ant(config: network_configs.AntConfig, context: TreatmentContext) -> Treatment:
    """Make adversarial noise training."""
    from augment.networks.ant import Ant

    return Ant(config, context)


def edsr(config: network_configs.EdsrConfig, context: TreatmentContext) -> Treatment:
    """Make images through damaged image-to-image networks."""
    from augment.networks.edsr.treatment import Edsr

    return Edsr(config, context)


def sin(config: network_configs.SinConfig, context: TreatmentContext) -> Treatment:
    """Make stylised images."""
    from augment.networks.style.sin import Sin

    return Sin(config, context)

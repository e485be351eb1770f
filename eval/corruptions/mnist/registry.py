"""The corruptions of MNIST-C by name; each has one severity.

Published for grey images of 28 px. Other sizes run with lengths in proportion to the shorter side (blurs, shifts, lines), and
colour images take the same mark in every channel.

Source: Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019, and the defaults of its generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eval.corruptions.contract import Corruption
from eval.corruptions.mnist import drawn, variants

MNIST_CORRUPTIONS: Final[Mapping[str, Corruption]] = {
    "shot_noise": variants.shot_noise,
    "impulse_noise": variants.impulse_noise,
    "glass_blur": variants.glass_blur,
    "motion_blur": variants.motion_blur,
    "shear": drawn.shear,
    "scale": drawn.scale,
    "rotate": drawn.rotate,
    "brightness": variants.brightness,
    "translate": drawn.translate,
    "stripe": drawn.stripe,
    "fog": variants.fog,
    "spatter": variants.spatter,
    "dotted_line": drawn.dotted_line,
    "zigzag": drawn.zigzag,
    "canny_edges": drawn.canny_edges,
}
"""The 15 corruptions in the published order."""

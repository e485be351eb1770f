"""The corruptions of C by name: 15 of the benchmark and its 4 extras.

The published benchmarks fix parameters at three sides: 32 px (CIFAR-10-C), 64 px (Tiny-ImageNet-C) and 224 px (ImageNet-C).
At 28 px no severity axis was published; the 32 px parameters apply.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019,
and the parameters of its three generator scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eval.corruptions.c import blur, coding, colour, elastic, glass, noise, spatter, weather
from eval.corruptions.contract import Corruption

CORRUPTIONS: Final[Mapping[str, Corruption]] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": glass.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": colour.brightness,
    "contrast": colour.contrast,
    "elastic_transform": elastic.elastic_transform,
    "pixelate": coding.pixelate,
    "jpeg_compression": coding.jpeg_compression,
    "speckle_noise": noise.speckle_noise,
    "gaussian_blur": blur.gaussian_blur,
    "spatter": spatter.spatter,
    "saturate": colour.saturate,
}
"""All 19 corruptions in the published order, the extras last."""

BENCHMARK_KINDS: Final = tuple(name for name, each in CORRUPTIONS.items() if not each.is_extra)
"""The 15 that make up the benchmark."""

EXTRA_KINDS: Final = tuple(name for name, each in CORRUPTIONS.items() if each.is_extra)
"""The 4 for validation, never in an mCE."""

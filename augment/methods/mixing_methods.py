"""PixMix, its variants, and the methods that paste and blend: Cutout, Mixup, CutMix. Light to import."""

from __future__ import annotations

from typing import Final

from augment.method import Defaults, Method
from augment.methods import builders, configs

_PIXMIX_PAPER: Final = "Hendrycks et al., PixMix (CVPR 2022); andyzoujm/pixmix"
_IMAGENET_PIXMIX: Final[Defaults] = {
    "imagenet": {"beta": 4.0, "severity": 1.0},
    "places365": {"beta": 4.0, "severity": 1.0},
}
_CIFAR_MIXUP_RECIPE: Final[Defaults] = {name: {"weight_decay": 1e-4} for name in ("cifar-10", "cifar-100")}

ENTRIES: Final = (
    Method(
        name="baseline",
        title="Baseline",
        semantics=1,
        config=configs.NoConfig,
        stages=frozenset(),
        build=builders.baseline,
        accepts_float=True,
        what="Nothing beyond the recipe's crop and flip.",
        source=_PIXMIX_PAPER,
    ),
    Method(
        name="cutout",
        title="Cutout",
        semantics=1,
        config=configs.CutoutConfig,
        stages=frozenset({"sample"}),
        build=builders.cutout,
        accepts_float=True,
        returns_float=True,
        what="Fill one square of half the side, at a random place, with the mean colour.",
        source="DeVries and Taylor, Cutout (2017); uoguelph-mlrg/Cutout",
        unstated="Cutout's size (half the side here)",
    ),
    Method(
        name="mixup",
        title="Mixup",
        semantics=1,
        config=configs.MixupConfig,
        stages=frozenset({"batch"}),
        build=builders.mixup,
        defaults={"imagenet": {"alpha": 0.2}},
        recipe=_CIFAR_MIXUP_RECIPE,
        what="Blend every image and its target with another of the shard, by one weight per shard.",
        source="Zhang et al., mixup (ICLR 2018); facebookresearch/mixup-cifar10",
        unstated="Mixup's alpha (1 on CIFAR, 0.2 on ImageNet here)",
        note="The PixMix paper does not state alpha: 1 on small images, 0.2 on ImageNet, as the authors of Mixup have it.",
    ),
    Method(
        name="cutmix",
        title="CutMix",
        semantics=1,
        config=configs.CutMixConfig,
        stages=frozenset({"batch"}),
        build=builders.cutmix,
        defaults={"imagenet": {"probability": 1.0}},
        what="Paste a box of another image of the shard and share the target by area.",
        source="Yun et al., CutMix (ICCV 2019); clovaai/CutMix-PyTorch",
        unstated="CutMix's probability (0.5 on CIFAR, 1 on ImageNet here)",
    ),
    Method(
        name="pixmix",
        title="PixMix",
        semantics=1,
        config=configs.PixMixConfig,
        stages=frozenset({"sample"}),
        build=builders.pixmix,
        defaults=_IMAGENET_PIXMIX,
        needs_mixing_set=True,
        returns_float=True,
        what="Mix in, up to k times, images of a mixing set and augmented copies of the image, by adding or multiplying.",
        source=_PIXMIX_PAPER,
        note="Places365 and small grey images: hyper-parameters unpublished; ImageNet's and CIFAR's are used.",
    ),
    Method(
        name="mix-input",
        title="Mix Input",
        semantics=1,
        config=configs.PixMixConfig,
        stages=frozenset({"sample"}),
        build=builders.mix_input,
        defaults=_IMAGENET_PIXMIX,
        returns_float=True,
        what="PixMix that mixes in augmented copies of the image only; no mixing set.",
        source=_PIXMIX_PAPER,
    ),
    Method(
        name="mix-aug",
        title="Mix Aug",
        semantics=1,
        config=configs.PixMixConfig,
        stages=frozenset({"sample"}),
        build=builders.mix_aug,
        defaults=_IMAGENET_PIXMIX,
        needs_mixing_set=True,
        returns_float=True,
        what="PixMix that mixes in images of the mixing set only.",
        source=_PIXMIX_PAPER,
        unstated="whether Mix Aug augments its start image (it does here)",
        note="Whether the start stays augmented is unpublished: it does unless augment_start is false.",
    ),
    Method(
        name="pixmix-iterative",
        title="PixMix (Iterative)",
        semantics=2,
        config=configs.IterativeConfig,
        stages=frozenset({"batch"}),
        build=builders.pixmix_iterative,
        what="PixMix whose mixing images are feature visualisations of the network being trained.",
        source=_PIXMIX_PAPER,
        unstated="layers, steps and buffer of Iterative",
        note="Number, steps and layers of the visualisations are unpublished; 64 new ones every 20 steps into a buffer of 2,048.",
    ),
)

"""The methods: every training-time treatment by name, light to import, built on demand.

Importing this module imports neither NumPy nor Numba nor torch: planning needs names, defaults and semantics only.
`augment.compounds` resolves names, users' own methods and compounds such as "pixmix+cutmix".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from augment import builders, configs, network_builders, network_configs, rival_configs
from augment.method import Defaults, Method

__all__ = ["METHODS", "Method"]

_PIXMIX_PAPER: Final = "Hendrycks et al., PixMix (CVPR 2022); andyzoujm/pixmix"
_AUGMIX_PAPER: Final = "Hendrycks et al., AugMix (ICLR 2020); google-research/augmix"
_NOISE_PAPER: Final = "Rusak et al., A simple way to make neural networks robust (ECCV 2020); bethgelab/game-of-noise"
_DEEP_AUGMENT_PAPER: Final = (
    "Hendrycks et al., The Many Faces of Robustness (ICCV 2021); hendrycks/imagenet-r, DeepAugment"
)
_ADVERSARIAL_PAPER: Final = "Madry et al. (ICLR 2018); MadryLab/robustness, microsoft/robust-models-transfer"
_IMAGENET_AUGMIX: Final[Defaults] = {"imagenet": {"severity": 1.0}}
_IMAGENET_PIXMIX: Final[Defaults] = {
    "imagenet": {"beta": 4.0, "severity": 1.0},
    "places365": {"beta": 4.0, "severity": 1.0},
}
_MNIST_OUTLIER_RECIPE: Final[Defaults] = {
    name: {"epochs": 5, "lr": 0.01} for name in ("mnist", "fashion-mnist", "kmnist")
}
"""hendrycks/outlier-exposure, MNIST/: five epochs from the rate that the network itself was trained at."""

_CIFAR_MIXUP_RECIPE: Final[Defaults] = {name: {"weight_decay": 1e-4} for name in ("cifar-10", "cifar-100")}

METHODS: Final[Mapping[str, Method]] = {
    "baseline": Method(
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
    "cutout": Method(
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
    ),
    "mixup": Method(
        name="mixup",
        title="Mixup",
        semantics=1,
        config=configs.MixupConfig,
        stages=frozenset({"batch"}),
        build=builders.mixup,
        defaults={"imagenet": {"alpha": 0.2}},
        recipe=_CIFAR_MIXUP_RECIPE,
        what="Blend every picture and its target with another of the shard, by one weight per shard.",
        source="Zhang et al., mixup (ICLR 2018); facebookresearch/mixup-cifar10",
        note="The PixMix paper does not state alpha: 1 on small pictures, 0.2 on ImageNet, as the authors of Mixup have it.",
    ),
    "cutmix": Method(
        name="cutmix",
        title="CutMix",
        semantics=1,
        config=configs.CutMixConfig,
        stages=frozenset({"batch"}),
        build=builders.cutmix,
        defaults={"imagenet": {"probability": 1.0}},
        what="Paste a box of another picture of the shard and share the target by area.",
        source="Yun et al., CutMix (ICCV 2019); clovaai/CutMix-PyTorch",
    ),
    "pixmix": Method(
        name="pixmix",
        title="PixMix",
        semantics=1,
        config=configs.PixMixConfig,
        stages=frozenset({"sample"}),
        build=builders.pixmix,
        defaults=_IMAGENET_PIXMIX,
        needs_mixing_set=True,
        returns_float=True,
        what="Mix in, up to k times, pictures of a mixing set and augmented copies of the picture, by adding or multiplying.",
        source=_PIXMIX_PAPER,
        note="Places365 and small grey pictures: hyper-parameters unpublished; ImageNet's and CIFAR's are used.",
    ),
    "mix-input": Method(
        name="mix-input",
        title="Mix Input",
        semantics=1,
        config=configs.PixMixConfig,
        stages=frozenset({"sample"}),
        build=builders.mix_input,
        defaults=_IMAGENET_PIXMIX,
        returns_float=True,
        what="PixMix that mixes in augmented copies of the picture only; no mixing set.",
        source=_PIXMIX_PAPER,
    ),
    "mix-aug": Method(
        name="mix-aug",
        title="Mix Aug",
        semantics=1,
        config=configs.PixMixConfig,
        stages=frozenset({"sample"}),
        build=builders.mix_aug,
        defaults=_IMAGENET_PIXMIX,
        needs_mixing_set=True,
        returns_float=True,
        what="PixMix that mixes in pictures of the mixing set only.",
        source=_PIXMIX_PAPER,
        note="Whether the start stays augmented is unpublished: it does unless augment_start is false.",
    ),
    "pixmix-iterative": Method(
        name="pixmix-iterative",
        title="PixMix (Iterative)",
        semantics=2,
        config=configs.IterativeConfig,
        stages=frozenset({"batch"}),
        build=builders.pixmix_iterative,
        what="PixMix whose mixing pictures are feature visualisations of the network being trained.",
        source=_PIXMIX_PAPER,
        note="Number, steps and layers of the visualisations are unpublished; 64 new ones every 20 steps into a buffer of 2,048.",
    ),
    "autoaugment": Method(
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
    "randaugment": Method(
        name="randaugment",
        title="RandAugment",
        semantics=1,
        config=rival_configs.RandAugmentConfig,
        stages=frozenset({"sample"}),
        build=builders.randaugment,
        what="Apply two of 14 operations at one magnitude.",
        source="Cubuk et al., RandAugment (NeurIPS 2020); torchvision",
    ),
    "trivialaugment": Method(
        name="trivialaugment",
        title="TrivialAugment",
        semantics=1,
        config=rival_configs.TrivialAugmentConfig,
        stages=frozenset({"sample"}),
        build=builders.trivialaugment,
        what="Apply one of 14 operations at a random magnitude of a wide range.",
        source="Müller and Hutter, TrivialAugment (ICCV 2021); torchvision",
    ),
    "augmix": Method(
        name="augmix",
        title="AugMix",
        semantics=1,
        config=rival_configs.AugMixConfig,
        stages=frozenset({"sample"}),
        build=builders.augmix,
        defaults=_IMAGENET_AUGMIX,
        returns_float=True,
        what="Blend the picture with a random combination of three chains of operations.",
        source=_AUGMIX_PAPER,
        note="The published table gives no consistency loss; its numbers fit training without one.",
    ),
    "augmix-jsd": Method(
        name="augmix-jsd",
        title="AugMix (JSD)",
        semantics=1,
        config=rival_configs.AugMixJsdConfig,
        stages=frozenset({"sample", "loss"}),
        build=builders.augmix_jsd,
        defaults=_IMAGENET_AUGMIX,
        returns_float=True,
        num_views=3,
        what="AugMix with two mixtures per picture and a consistency loss between them and the clean picture.",
        source=_AUGMIX_PAPER,
    ),
    "salt-and-pepper": Method(
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
    "speckle": Method(
        name="speckle",
        title="Speckle",
        semantics=1,
        config=rival_configs.SpeckleConfig,
        stages=frozenset({"sample"}),
        build=builders.noise,
        accepts_float=True,
        returns_float=True,
        what="Multiply normal noise of a random scale into every second picture.",
        source=_NOISE_PAPER,
        note="Every picture is noised with probability 1/2; the published loop noises exactly half of a batch.",
    ),
    "gaussian-noise": Method(
        name="gaussian-noise",
        title="Gaussian Noise",
        semantics=1,
        config=rival_configs.GaussianNoiseConfig,
        stages=frozenset({"sample"}),
        build=builders.noise,
        accepts_float=True,
        returns_float=True,
        what="Add normal noise of a random scale to every second picture.",
        source=_NOISE_PAPER,
    ),
    "ant": Method(
        name="ant",
        title="ANT",
        semantics=1,
        config=network_configs.AntConfig,
        stages=frozenset({"batch"}),
        build=network_builders.ant,
        defaults={"imagenet": {"retrain_steps": 1000}},
        what="Add noise of a small generator that learns, against the network, which noise hurts most, to half of every batch.",
        source=_NOISE_PAPER,
        note="1 x 1 generator (the table's is unpublished); a new generator is trained on one batch, not on the whole set. "
        "Third-party weights: `generator` names a file that the first generator starts from; without it, random ones.",
        files={"generator": "generator_content"},
    ),
    "noise2net": Method(
        name="noise2net",
        title="Noise2Net",
        semantics=1,
        config=network_configs.Noise2NetConfig,
        stages=frozenset({"batch"}),
        build=network_builders.noise2net,
        defaults={"imagenet": {"std": 0.225}},
        what="Send half of every batch through random residual networks, one for each picture.",
        source=_DEEP_AUGMENT_PAPER,
        note="The result is clipped to [0, 1], which the published one is not; one divisor stands for the three channels'. Needs "
        "no third-party weights: its networks are random by design.",
    ),
    "edsr": Method(
        name="edsr",
        title="EDSR",
        semantics=1,
        config=network_configs.EdsrConfig,
        stages=frozenset({"batch"}),
        build=network_builders.edsr,
        what="Redraw every second picture by a super-resolution network with damaged weights.",
        source=_DEEP_AUGMENT_PAPER,
        note="Third-party weights: `weights` names a file of an EDSR baseline network; without it the network is a substitute "
        "trained on the first batch. Pictures are distorted as they come, not stored once, unless `stored_copy` names a folder "
        "with a distorted copy.",
        files={"weights": "weights_content", "stored_copy": "stored_copy_content"},
    ),
    "sin": Method(
        name="sin",
        title="SIN",
        semantics=1,
        config=network_configs.SinConfig,
        stages=frozenset({"batch"}),
        build=network_builders.sin,
        needs_mixing_set=True,
        what="Redraw every second picture in the style of a picture of the mixing set, by adaptive instance normalisation.",
        source="Geirhos et al. (ICLR 2019); rgeirhos/Stylized-ImageNet",
        note="Third-party weights: `encoder` and `decoder` name the files of the published AdaIN networks; without them both are "
        "substitutes trained on the first batch. Styles are the mixing set, not paintings, unless it is a folder of paintings. "
        "`stored_copy` names a folder with a stylised copy of the training pictures, shown instead.",
        files={
            "encoder": "encoder_content",
            "decoder": "decoder_content",
            "stored_copy": "stored_copy_content",
        },
        spares_mixing_set="stored_copy",
    ),
    "oe": Method(
        name="oe",
        title="Outlier Exposure",
        semantics=1,
        config=rival_configs.OutlierExposureConfig,
        stages=frozenset({"loss", "extra"}),
        build=builders.outlier_exposure,
        needs_outliers=True,
        recipe={"*": {"epochs": 10, "lr": 1e-3}, **_MNIST_OUTLIER_RECIPE},
        starts_from="baseline",
        what="Fine-tune to be undecided on a second stream of unlabelled pictures.",
        source="Hendrycks et al., Outlier Exposure (ICLR 2019); hendrycks/outlier-exposure",
        note="Fine-tuning from the baseline for 10 epochs is inferred from the published errors.",
    ),
    "adversarial-linf": Method(
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
    "adversarial-l2": Method(
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
}

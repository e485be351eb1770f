"""The methods that have networks of their own: ANT, Noise2Net, EDSR, SIN. Light to import."""

from __future__ import annotations

from typing import Final

from augment.method import Method
from augment.networks import builders as network_builders
from augment.networks import configs as network_configs

_NOISE_PAPER: Final = "Rusak et al., A simple way to make neural networks robust (ECCV 2020); bethgelab/game-of-noise"
_DEEP_AUGMENT_PAPER: Final = (
    "Hendrycks et al., The Many Faces of Robustness (ICCV 2021); hendrycks/imagenet-r, DeepAugment"
)

ENTRIES: Final = (
    Method(
        name="ant",
        title="ANT",
        semantics=1,
        config=network_configs.AntConfig,
        stages=frozenset({"batch"}),
        build=network_builders.ant,
        defaults={"imagenet": {"retrain_steps": 1000}},
        passes=3.0,
        what="Add noise of a small generator that learns, against the network, which noise hurts most, to half of every batch.",
        source=_NOISE_PAPER,
        unstated="the noise generator of ANT",
        note="1 x 1 generator (the table's is unpublished); a new generator is trained on one batch, not on the whole set. "
        "Third-party weights: `generator` names a file that the first generator starts from; without it, random ones.",
        files={"generator": "generator_content"},
    ),
    Method(
        name="noise2net",
        title="Noise2Net",
        semantics=1,
        config=network_configs.Noise2NetConfig,
        stages=frozenset({"batch"}),
        build=network_builders.noise2net,
        defaults={"imagenet": {"std": 0.225}},
        what="Send half of every batch through random residual networks, one for each image.",
        source=_DEEP_AUGMENT_PAPER,
        note="The result is clipped to [0, 1], which the published one is not; one divisor stands for the three channels'. Needs "
        "no third-party weights: its networks are random by design.",
    ),
    Method(
        name="edsr",
        title="EDSR",
        semantics=1,
        config=network_configs.EdsrConfig,
        stages=frozenset({"batch"}),
        build=network_builders.edsr,
        what="Redraw every second image by a super-resolution network with damaged weights.",
        source=_DEEP_AUGMENT_PAPER,
        note="Third-party weights: `weights` names a file of an EDSR baseline network; without it the network is a substitute "
        "trained on the first batch. Images are distorted as they come, not stored once, unless `stored_copy` names a folder "
        "with a distorted copy.",
        files={"weights": "weights_content", "stored_copy": "stored_copy_content"},
    ),
    Method(
        name="sin",
        title="SIN",
        semantics=1,
        config=network_configs.SinConfig,
        stages=frozenset({"batch"}),
        build=network_builders.sin,
        needs_mixing_set=True,
        what="Redraw every second image in the style of an image of the mixing set, by adaptive instance normalisation.",
        source="Geirhos et al. (ICLR 2019); rgeirhos/Stylized-ImageNet",
        note="Third-party weights: `encoder` and `decoder` name the files of the published AdaIN networks; without them both are "
        "substitutes trained on the first batch. Styles are the mixing set, not paintings, unless it is a folder of paintings. "
        "`stored_copy` names a folder with a stylised copy of the training images, shown instead.",
        files={
            "encoder": "encoder_content",
            "decoder": "decoder_content",
            "stored_copy": "stored_copy_content",
        },
        spares_mixing_set="stored_copy",
    ),
)

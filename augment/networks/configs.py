"""Hyper-parameters of the methods that have networks of their own: Noise2Net, ANT, EDSR, SIN. Light to import."""

from __future__ import annotations

from dataclasses import dataclass

from augment.methods.configs import require, require_below_data_root, require_fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise2NetConfig:
    """Noise2Net (`augment.networks.noise2net`).

    Attributes:
        max_strength: Largest weight of a random block; each step draws one from the upper half.
        num_blocks: Residual blocks, one after the other.
        hidden: Channels of each of a block's four branches.
        std: Pixel value in [0, 1] that the published normalisation divides by.
    """

    max_strength: float = 0.75
    num_blocks: int = 4
    hidden: int = 16
    std: float = 0.5

    def __post_init__(self) -> None:
        require(self.max_strength >= 0.0, "max_strength must not be negative", self.max_strength)
        require(self.num_blocks >= 1, "num_blocks must be at least 1", self.num_blocks)
        require(self.hidden >= 1, "hidden must be at least 1", self.hidden)
        require(self.std > 0.0, "std must be above 0", self.std)


@dataclass(frozen=True, slots=True, kw_only=True)
class AntConfig:
    """Adversarial noise training (`augment.networks.ant`).

    Attributes:
        epsilon: Norm of the noise on an image of 3 x 224 x 224 values; scaled with the square root of their number.
        kernel: Side of the second convolution of the generator, 1 or 3.
        hidden: Channels inside the generator.
        generator_lr: Adam's learning rate in every training step.
        retrain_lr: Adam's learning rate when a new generator is trained at the start of an epoch.
        retrain_steps: Steps of that training.
        clean_share: Share of a batch that stays clean.
        replay_share: Share of a batch for each of two earlier generators.
        generator: File below the data root with weights that the first generator starts from, or "" for random ones.
        generator_content: Its SHA-256; planning fills it in.
    """

    epsilon: float = 135.0
    kernel: int = 1
    hidden: int = 20
    generator_lr: float = 1e-4
    retrain_lr: float = 5e-4
    retrain_steps: int = 100
    clean_share: float = 0.5
    replay_share: float = 0.1
    generator: str = ""
    generator_content: str = ""

    def __post_init__(self) -> None:
        require(self.epsilon >= 0.0, "epsilon must not be negative", self.epsilon)
        require(self.kernel in (1, 3), "kernel must be 1 or 3", self.kernel)
        require(self.hidden >= 1, "hidden must be at least 1", self.hidden)
        require(min(self.generator_lr, self.retrain_lr) > 0.0, "learning rates must be above 0", self.generator_lr)
        require(self.retrain_steps >= 0, "retrain_steps must not be negative", self.retrain_steps)
        require_fraction("clean_share", self.clean_share)
        total = self.clean_share + 2 * self.replay_share
        require(self.replay_share >= 0.0 and total <= 1.0, "clean_share + 2 replay_share must be at most 1", total)
        require_below_data_root("generator", self.generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdsrConfig:
    """Images through an image-to-image network with damaged weights (`augment.networks.edsr.treatment`).

    Attributes:
        share: Share of the images that are distorted.
        num_blocks: Residual blocks of the network.
        hidden: Channels of the network.
        train_steps: Training steps of the substitute network before its first use, one per step of the job.
        lr: Adam's learning rate for the substitute.
        num_edits: Weight edits drawn, with replacement, for each damaged copy.
        weights: File below the data root with the weights of a published EDSR network, or "" for a substitute that is trained.
        weights_content: Its SHA-256; planning fills it in.
        stored_copy: Folder below the data root with a distorted copy of the training images, shown instead of distorting
            them (`trainers.training.stored_copy`), or "".
        stored_copy_content: Its content hash; planning fills it in.
    """

    share: float = 0.5
    num_blocks: int = 4
    hidden: int = 32
    train_steps: int = 200
    lr: float = 2e-3
    num_edits: int = 3
    weights: str = ""
    weights_content: str = ""
    stored_copy: str = ""
    stored_copy_content: str = ""

    def __post_init__(self) -> None:
        require_fraction("share", self.share)
        require(min(self.num_blocks, self.hidden) >= 1, "num_blocks and hidden must be at least 1", self.num_blocks)
        require(self.train_steps >= 0, "train_steps must not be negative", self.train_steps)
        require(self.lr > 0.0, "lr must be above 0", self.lr)
        require(self.num_edits >= 0, "num_edits must not be negative", self.num_edits)
        require_below_data_root("weights", self.weights)
        require_below_data_root("stored_copy", self.stored_copy)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinConfig:
    """Stylised images (`augment.networks.style.sin`).

    Attributes:
        share: Share of the images that are stylised.
        alpha: Strength of the style, 1 for all of it.
        hidden: Channels of the first stage of the encoder; later stages have more.
        train_steps: Training steps of the substitute encoder and decoder before their first use, one per step of the job.
        lr: Adam's learning rate for the substitute.
        encoder: File below the data root with the weights of a VGG-like encoder, or "" for the substitute.
        encoder_content: Its SHA-256; planning fills it in.
        decoder: File below the data root with the weights of its decoder; given with `encoder` or not at all.
        decoder_content: Its SHA-256; planning fills it in.
        stored_copy: Folder below the data root with a stylised copy of the training images, shown instead of stylising them
            (`trainers.training.stored_copy`), or "".
        stored_copy_content: Its content hash; planning fills it in.
    """

    share: float = 0.5
    alpha: float = 1.0
    hidden: int = 16
    train_steps: int = 200
    lr: float = 2e-3
    encoder: str = ""
    encoder_content: str = ""
    decoder: str = ""
    decoder_content: str = ""
    stored_copy: str = ""
    stored_copy_content: str = ""

    def __post_init__(self) -> None:
        require_fraction("share", self.share)
        require_fraction("alpha", self.alpha)
        require(self.hidden >= 1, "hidden must be at least 1", self.hidden)
        require(self.train_steps >= 0, "train_steps must not be negative", self.train_steps)
        require(self.lr > 0.0, "lr must be above 0", self.lr)
        for name in ("encoder", "decoder", "stored_copy"):
            require_below_data_root(name, getattr(self, name))
        files = (self.encoder, self.decoder)
        require(bool(files[0]) == bool(files[1]), "encoder and decoder must be given together or not at all", files)

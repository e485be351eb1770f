"""SIN: images redrawn in the style of others by adaptive instance normalisation.

Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (ICLR 2019), with the AdaIN of Huang and Belongie (ICCV 2017):
the content's features take the mean and standard deviation, channel by channel, of the style's features; the decoder draws the
result. The published styles are 79,395 paintings; here the styles are the images of the mixing set, which may be a folder of
paintings. Encoder and decoder are the published ones where their weights are given (`augment.networks.style.network`), else
substitutes trained on the images at hand (`augment.methods.distortion`). Where a stylised copy of the training set is given, it
is shown instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from augment.errors import AugmentError
from augment.files.named import named_file, require_in_data_root
from augment.heavy import Tensor, nn, torch
from augment.kernels.counters import StepKeys, step_uniforms
from augment.lookup.parameters import AtMost
from augment.method import Method, require, require_at_least, require_fraction
from augment.methods.distortion import DistortionConfig, LearnedDistortion
from augment.networks.style.adain import StyleTransfer, adaptive_instance_norm, style_loss
from augment.treatment import TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class SinConfig(DistortionConfig):
    """Hyper-parameters of stylised images; see also `DistortionConfig`.

    Attributes:
        alpha: Strength of the style, 1 for all of it.
        hidden: Channels of the first stage of the substitute encoder; later stages have more.
        encoder: File in the data root with the weights of a VGG-like encoder, or "" for the substitute.
        encoder_content: Its SHA-256; planning fills it in.
        decoder: File in the data root with the weights of its decoder; given with `encoder` or not at all.
        decoder_content: Its SHA-256; planning fills it in.
    """

    alpha: float = 1.0
    hidden: Annotated[int, AtMost(1_024)] = 16
    encoder: str = ""
    encoder_content: str = ""
    decoder: str = ""
    decoder_content: str = ""

    def __post_init__(self) -> None:
        DistortionConfig.__post_init__(self)  # super() fails in classes with slots
        require_fraction(self, "alpha")
        require_at_least(self, hidden=1)
        require_in_data_root("encoder", self.encoder)
        require_in_data_root("decoder", self.decoder)
        files = (self.encoder, self.decoder)
        require(bool(files[0]) == bool(files[1]), "encoder and decoder must be given together or not at all", files)


class Sin(LearnedDistortion):
    """SIN as a batch stage.

    Raises:
        AugmentError: If there are no styles and no stylised copy, or a file that the configuration names is missing or unfit.
    """

    stream = "sin"

    def __init__(self, config: SinConfig, context: TreatmentContext) -> None:
        self._config, self._channels, self._styles = config, context.num_channels, context.mixing_set
        super().__init__(config, context)
        if not config.stored_copy and (self._styles is None or len(self._styles) == 0):
            raise AugmentError(
                "SIN needs style images, but there is no mixing set; name one with mixing_set, or a stylised "
                "copy of the training images with stored_copy"
            )

    def given_network(self, context: TreatmentContext) -> nn.Module | None:
        """Return the published networks of the files that are named."""
        from augment.networks.style.network import style_network  # its classes need the real torch

        config = self._config
        if not config.encoder:
            return None
        encoder = named_file(context.data_root, config.encoder, config.encoder_content)
        decoder = named_file(context.data_root, config.decoder, config.decoder_content)
        return style_network(encoder, decoder, self._channels)

    def make_network(self) -> nn.Module:
        """Return encoder and decoder."""
        from augment.networks.style.network import StyleNetwork  # its classes need the real torch

        return StyleNetwork(self._channels, self._config.hidden)

    def training_loss(self, network: StyleTransfer, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return `style_loss` for random styles."""
        draws = torch.rand(len(images), generator=generator)
        return style_loss(network, images, self._style_images(draws, images))

    def distort(self, network: StyleTransfer, images: Tensor, keys: StepKeys) -> Tensor:
        """Redraw images, each in the style of one random image of the mixing set."""
        draws = torch.from_numpy(step_uniforms(keys, len(images), stream="sin-styles"))
        content = network.encode(images)
        style = network.encode(self._style_images(draws, images))
        target = self._config.alpha * adaptive_instance_norm(content, style) + (1.0 - self._config.alpha) * content
        return network.decode(target, *images.shape[2:])

    def _style_images(self, draws: Tensor, images: Tensor) -> Tensor:
        assert self._styles is not None
        rows = (draws.double() * len(self._styles)).long().tolist()
        height, width = images.shape[2:]
        chosen = torch.from_numpy(self._styles[rows][:, :height, :width])
        return chosen.permute(0, 3, 1, 2).float().div(255.0).to(images.device)


METHOD: Final = Method(
    name="sin",
    title="SIN",
    semantics=1,
    config=SinConfig,
    stages=frozenset({"batch"}),
    build=Sin,
    needs_mixing_set=True,
    what="Redraw every second image in the style of an image of the mixing set, by adaptive instance normalisation.",
    source="Geirhos et al. (ICLR 2019); rgeirhos/Stylized-ImageNet",
    note="Third-party weights: `encoder` and `decoder` name the files of the published AdaIN networks; without them both are "
    "substitutes trained on the first batch. Styles are the mixing set, not paintings, unless it is a folder of paintings. "
    "`stored_copy` names a folder with a stylised copy of the training images, shown instead.",
    files={name: f"{name}_content" for name in ("encoder", "decoder", "stored_copy")},
    spares_mixing_set="stored_copy",
)

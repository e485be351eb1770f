"""PixMix: mix training images with structurally complex images and with augmented copies of themselves.

Hendrycks et al., "PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures" (CVPR 2022), as in andyzoujm/pixmix. For
one image: start from it or (evenly) from one base operation's result; draw 0..k rounds; in each, draw (evenly) a fresh base
operation of the clean image or the mixing image as partner, add or multiply as mixing, and fresh coefficients; clip. One
mixing image serves all rounds; it is cropped at random, never augmented.

`draw_pixmix` makes every random choice of a batch as arrays; `apply_pixmix` is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from augment.errors import AugmentError
from augment.kernels.compiled import read_only
from augment.kernels.counters import SampleKeys, uniforms
from augment.kernels.mixings import coefficients
from augment.kernels.operations import OperationSet, below, check_operations, draw_operations
from augment.method import Method, require, require_above_0
from augment.methods.pixmix.kernel import MIXING_IMAGE, PLAIN, WARM_UP, pixmix_batch, round_to_bytes
from augment.treatment import Images, Treatment, TreatmentContext

Partner = Literal["either", "augmented", "image"]
Rounding = Literal["none", "uint8"]

_NUM_START_SLOTS: Final = 8
_NUM_ROUND_SLOTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PixMixConfig:
    """Hyper-parameters of PixMix and its strategies.

    Attributes:
        max_rounds: Largest number k of mixing rounds; each image draws its own from 0..k, both included.
        beta: Mixing strength; larger mixes less.
        severity: Level of the base operations; a lower one makes the four enhancements stronger.
        operations: "all" for the 13 published operations, "basic" for the 9 that overlap no corruption benchmark.
        augment_start: Whether every second image starts from a base operation's result.
        rounding: "none" gives the mixed values as they are, as published; "uint8" rounds them to the nearest 255th (halves up),
            so that images reach a GPU in a quarter of the bytes.
    """

    max_rounds: int = 4
    beta: float = 3.0
    severity: float = 3.0
    operations: OperationSet = "all"
    augment_start: bool = True
    rounding: Rounding = "none"

    def __post_init__(self) -> None:
        require(0 <= self.max_rounds <= 16, "max_rounds must be between 0 and 16", self.max_rounds)
        require_above_0(self, "beta")
        require(self.rounding in get_args(Rounding), "rounding must be none or uint8", self.rounding)
        check_operations(self.operations, self.severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixMixDraw:
    """Every random choice for a batch of N images and at most k rounds.

    Attributes:
        mixing_index: Mixing image of each sample, (N,) int64.
        top: First row of its window, (N,) int64.
        left: First column of its window, (N,) int64.
        start: Operation applied to the start, or `PLAIN`, (N,) int64.
        start_argument: Its argument, (N,) float64.
        rounds: Mixing rounds in 0..k, (N,) int64.
        partner: Operation whose result is mixed in, or `MIXING_IMAGE` for the mixing image, (N, k) int64.
        argument: Its argument, (N, k) float64.
        mixing: `ADD` or `MULTIPLY`, (N, k) int64.
        a: Coefficient of the running image, (N, k) float32.
        b: Coefficient of the partner, (N, k) float32.
    """

    mixing_index: NDArray[np.int64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]
    start: NDArray[np.int64]
    start_argument: NDArray[np.float64]
    rounds: NDArray[np.int64]
    partner: NDArray[np.int64]
    argument: NDArray[np.float64]
    mixing: NDArray[np.int64]
    a: NDArray[np.float32]
    b: NDArray[np.float32]


def draw_pixmix(
    config: PixMixConfig,
    keys: SampleKeys,
    *,
    image_shape: tuple[int, int],
    mixing_shape: tuple[int, int, int],
    partner: Partner = "either",
) -> PixMixDraw:
    """Draw every random choice for the samples of the keys.

    Args:
        config: Hyper-parameters.
        keys: Identity of each sample, N of them.
        image_shape: Height and width of the images.
        mixing_shape: Number, height and width of the mixing images; (0, 0, 0) where none is used.
        partner: What a round mixes in: evenly either, or always the one.
    """
    count, rounds = len(keys), config.max_rounds
    draws = uniforms(keys, _NUM_START_SLOTS + _NUM_ROUND_SLOTS * rounds, stream="pixmix")
    begin = draws[:, :_NUM_START_SLOTS]
    each = draws[:, _NUM_START_SLOTS:].reshape(count, rounds, _NUM_ROUND_SLOTS)
    height, width = image_shape
    number, image_height, image_width = mixing_shape
    start, start_argument = draw_operations(
        config.operations, config.severity, begin[:, 5], begin[:, 6], begin[:, 7], image_shape
    )
    operation, argument = draw_operations(
        config.operations, config.severity, each[..., 1], each[..., 2], each[..., 3], image_shape
    )
    share_augmented = {"either": 0.5, "augmented": 1.0, "image": 0.0}[partner]
    a, b = coefficients(each[..., 5] >= 0.5, each[..., 6], each[..., 7], config.beta)
    return PixMixDraw(
        mixing_index=below(begin[:, 0], number),
        top=below(begin[:, 1], image_height - height + 1),
        left=below(begin[:, 2], image_width - width + 1),
        start=np.where((begin[:, 4] < 0.5) & config.augment_start, start, PLAIN),
        start_argument=start_argument,
        rounds=below(begin[:, 3], rounds + 1),
        partner=np.where(each[..., 0] < share_augmented, operation, MIXING_IMAGE),
        argument=argument,
        mixing=(each[..., 4] >= 0.5).astype(np.int64),
        a=a,
        b=b,
    )


def apply_pixmix(images: NDArray[np.uint8], mixing_images: NDArray[np.uint8], draw: PixMixDraw) -> NDArray[np.float32]:
    """Mix a batch as drawn.

    Args:
        images: (N, H, W, C) uint8, C in (1, 3); not written to.
        mixing_images: Mixing images, (M, S, T, C) uint8 with S >= H and T >= W; may be empty where no round uses one.
        draw: The choices for these N samples.

    Returns:
        (N, H, W, C) float32 in [0, 1].

    Raises:
        AugmentError: If a mixing image is smaller than the images.
    """
    if (
        min(mixing_images.shape[1] - images.shape[1], mixing_images.shape[2] - images.shape[2]) < 0
        and (draw.partner == MIXING_IMAGE).any()
    ):
        raise AugmentError(
            f"mixing images must be at least as large as the images {images.shape[1:3]}, but got {mixing_images.shape[1:3]}; "
            "build the mixing set for this image size"
        )
    out = np.empty(images.shape, dtype=np.float32)
    if images.size:
        pixmix_batch(
            read_only(images), read_only(mixing_images), draw.mixing_index, draw.top, draw.left, draw.start,
            draw.start_argument, draw.rounds, draw.partner, draw.argument, draw.mixing, draw.a, draw.b, out,
        )  # fmt: skip
    return out


def rounded(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return images in [0, 1] as the nearest bytes, halves up: no value moves by more than 0.5 / 255."""
    out = np.empty(images.shape, dtype=np.uint8)
    round_to_bytes(images.reshape(-1), out.reshape(-1))
    return out


class PixMix(Treatment):
    """PixMix as a sample stage; `partner` makes it Mix Input ("augmented") or Mix Aug ("image").

    Raises:
        AugmentError: If a mixing set is needed and there is none, or its images are too small or of other channels.
    """

    def __init__(self, config: PixMixConfig, context: TreatmentContext, *, partner: Partner = "either") -> None:
        self._config = config
        self._partner: Partner = partner
        self._mixing_images = _checked_images(context, needed=partner != "augmented")

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> Images:
        """Mix images: (N, H, W, C) uint8 -> (N, H, W, C) float32 in [0, 1], or uint8 where they are rounded."""
        number, height, width = self._mixing_images.shape[:3]
        draw = draw_pixmix(
            self._config,
            keys,
            image_shape=(images.shape[1], images.shape[2]),
            mixing_shape=(number, height, width),
            partner=self._partner,
        )
        mixed = apply_pixmix(images, self._mixing_images, draw)
        return mixed if self._config.rounding == "none" else rounded(mixed)


def _checked_images(context: TreatmentContext, *, needed: bool) -> NDArray[np.uint8]:
    size, channels = context.image_size, context.num_channels
    if not needed:
        return np.zeros((0, size, size, channels), dtype=np.uint8)
    mixing_images = context.mixing_set
    if mixing_images is None or not len(mixing_images):
        raise AugmentError("PixMix needs a mixing set, but got none; name one, for example mixing_set: fractals")
    if mixing_images.dtype != np.uint8 or mixing_images.ndim != 4 or mixing_images.shape[3] != channels:
        raise AugmentError(
            f"mixing images must be (M, S, S, {channels}) uint8 for images of {channels} channels, but got "
            f"{mixing_images.shape} {mixing_images.dtype}; build the set with num_channels={channels}"
        )
    if min(mixing_images.shape[1:3]) < size:
        raise AugmentError(
            f"mixing images must be at least as large as the images ({size} px), but got {mixing_images.shape[1:3]}; "
            f"build the set with image_size={size}"
        )
    return read_only(mixing_images)


SOURCE: Final = "Hendrycks et al., PixMix (CVPR 2022); andyzoujm/pixmix"
_DEFAULTS: Final = {"imagenet": {"beta": 4.0, "severity": 1.0}, "places365": {"beta": 4.0, "severity": 1.0}}

PIXMIX: Final = Method(
    name="pixmix",
    title="PixMix",
    semantics=1,
    config=PixMixConfig,
    stages=frozenset({"sample"}),
    build=PixMix,
    kernels=WARM_UP,
    defaults=_DEFAULTS,
    needs_mixing_set=True,
    returns_float=True,
    what="Mix in, up to k times, images of a mixing set and augmented copies of the image, by adding or multiplying.",
    source=SOURCE,
    note="Places365 and small grey images: hyper-parameters unpublished; ImageNet's and CIFAR's are used. Nothing published is "
    "rounded; `rounding: uint8` moves values by up to half a 255th, and images travel in a quarter of the bytes.",
)

MIX_INPUT: Final = Method(
    name="mix-input",
    title="Mix Input",
    semantics=1,
    config=PixMixConfig,
    stages=frozenset({"sample"}),
    build=partial(PixMix, partner="augmented"),
    kernels=WARM_UP,
    defaults=_DEFAULTS,
    returns_float=True,
    what="PixMix that mixes in augmented copies of the image only; no mixing set.",
    source=SOURCE,
)

MIX_AUG: Final = Method(
    name="mix-aug",
    title="Mix Aug",
    semantics=1,
    config=PixMixConfig,
    stages=frozenset({"sample"}),
    build=partial(PixMix, partner="image"),
    kernels=WARM_UP,
    defaults=_DEFAULTS,
    needs_mixing_set=True,
    returns_float=True,
    what="PixMix that mixes in images of the mixing set only.",
    source=SOURCE,
    unstated="whether Mix Aug augments its start image (it does here)",
    note="Whether the start stays augmented is unpublished: it does unless augment_start is false.",
)

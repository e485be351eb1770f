"""PixMix: mix training pictures with structurally complex pictures and with augmented copies of themselves.

Hendrycks et al., "PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures" (CVPR 2022), as in andyzoujm/pixmix. For
one picture: start from it or (evenly) from one base operation's result; draw 0..k rounds; in each, draw (evenly) a fresh base
operation of the clean picture or the mixing picture as partner, add or multiply as mixing, and fresh coefficients; clip. One
mixing picture serves all rounds; it is cropped at random, never augmented.

`draw_pixmix` makes every random choice of a batch as arrays; `apply_pixmix` is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from augment.compiled import read_only
from augment.configs import PixMixConfig
from augment.counters import uniforms
from augment.errors import AugmentError
from augment.mixings import coefficients
from augment.operations import ALL, BASIC, LOWEST_LEVEL, arguments
from augment.pixmix_kernel import PICTURE, PLAIN, pixmix_batch
from augment.treatment import Treatment, TreatmentContext
from augment.warm import warm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augment.counters import SampleKeys

Partner = Literal["either", "augmented", "picture"]
KERNELS: Final = ("augment.counters", "augment.pixmix_kernel")

_NUM_START_SLOTS: Final = 8
_NUM_ROUND_SLOTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PixMixDraw:
    """Every random choice for a batch of N pictures and at most k rounds.

    Attributes:
        picture: Mixing picture of each sample, (N,) int64.
        top: First row of its window, (N,) int64.
        left: First column of its window, (N,) int64.
        start: Operation applied to the start, or `PLAIN`, (N,) int64.
        start_argument: Its argument, (N,) float64.
        rounds: Mixing rounds in 0..k, (N,) int64.
        partner: Operation whose result is mixed in, or `PICTURE` for the mixing picture, (N, k) int64.
        argument: Its argument, (N, k) float64.
        mixing: `ADD` or `MULTIPLY`, (N, k) int64.
        a: Coefficient of the running picture, (N, k) float32.
        b: Coefficient of the partner, (N, k) float32.
    """

    picture: NDArray[np.int64]
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
    pictures_shape: tuple[int, int, int],
    partner: Partner = "either",
) -> PixMixDraw:
    """Draw every random choice for the samples of the keys.

    Args:
        config: Hyper-parameters.
        keys: Identity of each sample, N of them.
        image_shape: Height and width of the pictures.
        pictures_shape: Number, height and width of the mixing pictures; (0, 0, 0) where none is used.
        partner: What a round mixes in: evenly either, or always the one.
    """
    count, rounds = len(keys), config.max_rounds
    draws = uniforms(keys, _NUM_START_SLOTS + _NUM_ROUND_SLOTS * rounds, stream="pixmix")
    begin = draws[:, :_NUM_START_SLOTS]
    each = draws[:, _NUM_START_SLOTS:].reshape(count, rounds, _NUM_ROUND_SLOTS)
    height, width = image_shape
    number, picture_height, picture_width = pictures_shape
    start, start_argument = _draw_operations(config, begin[:, 5], begin[:, 6], begin[:, 7], image_shape)
    operation, argument = _draw_operations(config, each[..., 1], each[..., 2], each[..., 3], image_shape)
    share_augmented = {"either": 0.5, "augmented": 1.0, "picture": 0.0}[partner]
    a, b = coefficients(each[..., 5] >= 0.5, each[..., 6], each[..., 7], config.beta)
    return PixMixDraw(
        picture=_below(begin[:, 0], number),
        top=_below(begin[:, 1], picture_height - height + 1),
        left=_below(begin[:, 2], picture_width - width + 1),
        start=np.where((begin[:, 4] < 0.5) & config.augment_start, start, PLAIN),
        start_argument=start_argument,
        rounds=_below(begin[:, 3], rounds + 1),
        partner=np.where(each[..., 0] < share_augmented, operation, PICTURE),
        argument=argument,
        mixing=(each[..., 4] >= 0.5).astype(np.int64),
        a=a,
        b=b,
    )


def apply_pixmix(images: NDArray[np.uint8], pictures: NDArray[np.uint8], draw: PixMixDraw) -> NDArray[np.float32]:
    """Mix a batch as drawn.

    Args:
        images: (N, H, W, C) uint8, C in (1, 3); not written to.
        pictures: Mixing pictures, (M, S, T, C) uint8 with S >= H and T >= W; may be empty where no round uses one.
        draw: The choices for these N samples.

    Returns:
        (N, H, W, C) float32 in [0, 1].

    Raises:
        AugmentError: If a mixing picture is smaller than the pictures.
    """
    if (
        min(pictures.shape[1] - images.shape[1], pictures.shape[2] - images.shape[2]) < 0
        and (draw.partner == PICTURE).any()
    ):
        raise AugmentError(
            f"mixing pictures must be at least as large as the pictures {images.shape[1:3]}, but got {pictures.shape[1:3]}; "
            "build the mixing set for this image size"
        )
    out = np.empty(images.shape, dtype=np.float32)
    if images.size:
        pixmix_batch(
            read_only(images), read_only(pictures), draw.picture, draw.top, draw.left, draw.start,
            draw.start_argument, draw.rounds, draw.partner, draw.argument, draw.mixing, draw.a, draw.b, out,
        )  # fmt: skip
    return out


def _below(uniform: NDArray[np.float64], high: int) -> NDArray[np.int64]:
    """Return whole numbers in [0, high) from uniforms, 0 where there is nothing to choose from."""
    return np.minimum((uniform * high).astype(np.int64), max(high - 1, 0))


def _draw_operations(
    config: PixMixConfig,
    which: NDArray[np.float64],
    level: NDArray[np.float64],
    sign: NDArray[np.float64],
    image_shape: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    choices = ALL if config.operations == "all" else BASIC
    operation = _below(which, len(choices))
    levels = LOWEST_LEVEL + (config.severity - LOWEST_LEVEL) * level
    return operation, arguments(operation, levels, np.where(sign > 0.5, -1.0, 1.0), *image_shape)


class PixMix(Treatment):
    """PixMix as a sample stage; `partner` makes it Mix Input ("augmented") or Mix Aug ("picture").

    Raises:
        AugmentError: If a mixing set is needed and there is none, or its pictures are too small or of other channels.
    """

    def __init__(self, config: PixMixConfig, context: TreatmentContext, *, partner: Partner = "either") -> None:
        self._config = config
        self._partner: Partner = partner
        self._pictures = _checked_pictures(context, needed=partner != "augmented")
        warm(KERNELS)

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> NDArray[np.float32]:
        """Mix pictures: (N, H, W, C) uint8 -> (N, H, W, C) float32 in [0, 1]."""
        number, height, width = self._pictures.shape[:3]
        draw = draw_pixmix(
            self._config,
            keys,
            image_shape=(images.shape[1], images.shape[2]),
            pictures_shape=(number, height, width),
            partner=self._partner,
        )
        return apply_pixmix(images, self._pictures, draw)


def _checked_pictures(context: TreatmentContext, *, needed: bool) -> NDArray[np.uint8]:
    size, channels = context.image_size, context.num_channels
    if not needed:
        return np.zeros((0, size, size, channels), dtype=np.uint8)
    pictures = context.mixing_set
    if pictures is None or not len(pictures):
        raise AugmentError("PixMix needs a mixing set, but got none; name one, for example mixing_set: fractals")
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != channels:
        raise AugmentError(
            f"mixing pictures must be (M, S, S, {channels}) uint8 for pictures of {channels} channels, but got "
            f"{pictures.shape} {pictures.dtype}; build the set with num_channels={channels}"
        )
    if min(pictures.shape[1:3]) < size:
        raise AugmentError(
            f"mixing pictures must be at least as large as the pictures ({size} px), but got {pictures.shape[1:3]}; "
            f"build the set with image_size={size}"
        )
    return read_only(pictures)

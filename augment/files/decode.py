"""The one decoder: an image file becomes 8-bit RGB.

kind                      pixels
8 bits, grey or RGB       as stored; grey three times
1 bit                     0 and 255
palette                   the palette's colours
transparency              laid over black: (value alpha + 127) // 255; also a palette's or a colour's that is marked transparent
16 bits, grey             round(v / 257), halves cannot occur; TIFF with 9 to 15 bits by its own largest value
16 bits, colour           the high byte, which is what Pillow gives
float, grey               round(255 v), halves to even; 0 is black and 1 is white, so other values are refused
CMYK, YCbCr               Pillow's formula, without colour profiles
32-bit or signed integers refused: the file does not say which value is white
several frames or pages   the first

The orientation that a camera notes (EXIF) and colour profiles are not applied: torchvision's `ImageFolder` does not apply them.
An image that claims more than `PIL.Image.MAX_IMAGE_PIXELS` (89 million) is refused before it is decoded, of 8 bits without
transparency more than twice as many; large ones are decoded one at a time. A file of some kilobytes can claim any number.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.errors import AugmentError

_BITS_PER_SAMPLE: Final = 258
_PHOTOMETRIC: Final = 262
"""Tags of TIFF; photometric 0 means that white is zero, which Pillow applies up to 8 bits only."""


_LARGE_PIXELS: Final = 2**24
_ONE_LARGE: Final = threading.Semaphore()
_SHARES: Final[Mapping[str, float]] = {"RGB": 2, "L": 2, "1": 2, "P": 2, "I": 0.5, "F": 0.5}
"""Mode -> share of Pillow's limit of pixels that is decoded, so that it takes less than 1 GiB; 1 for others and transparency."""
_BAND_PIXELS: Final = 2**20
"""What needs wide numbers on its way to 8 bits is computed in bands of rows of about so many pixels."""


class UndecodableImage(AugmentError):
    """An image file whose content is damaged or of a kind that is not read."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"{path} cannot be decoded ({why}); replace or remove it")

    def __reduce__(self) -> tuple[type[UndecodableImage], tuple[Path, str]]:
        return type(self), (self.path, self.why)


def decode_image(path: Path, *, at_least: int | None = None) -> Image.Image:
    """Return an image file as 8-bit RGB.

    Args:
        at_least: Shorter side in pixels that is enough: JPEG may be decoded at 1/2, 1/4 or 1/8 scale, which is several times
            faster and a few levels off. None decodes all pixels.

    Raises:
        UndecodableImage: If its content cannot be decoded.
        OSError: If the file is not there or cannot be read.
    """
    try:
        with Image.open(path) as opened:
            if at_least is not None:
                opened.draft("RGB", (at_least, at_least))
            _check_pixels(opened)
            with _ONE_LARGE if opened.width * opened.height > _LARGE_PIXELS else nullcontext():
                return to_rgb(opened)
    except MemoryError:
        raise
    except Exception as error:  # decoders answer to damaged content with nearly any exception
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UndecodableImage(path, _why(error, path)) from error


def _check_pixels(image: Image.Image) -> None:
    """Refuse an image that would take more than 1 GiB on its way to RGB; Pillow refuses what is larger than twice its limit."""
    share = 1 if image.has_transparency_data else _SHARES.get(image.mode, 1)
    most = share * (Image.MAX_IMAGE_PIXELS or math.inf)
    if image.width * image.height > most:
        raise ValueError(f"it claims {image.width} x {image.height} pixels, more than the {most:,.0f} that are read")


def decode_all(paths: Sequence[Path], use: Callable[[int, Image.Image], object], *, threads: int) -> list[str | None]:
    """Decode image files in parallel, hand each to a function, and return what is wrong with each, or None if nothing is.

    Args:
        use: Called with the number of a file and its RGB image, from several threads.

    Raises:
        OSError: If a file is not there or cannot be read.
    """

    def one(number: int) -> str | None:
        try:
            image = decode_image(paths[number])
        except UndecodableImage as error:
            return error.why
        use(number, image)
        return None

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(len(paths))))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an opened image as 8-bit RGB; see the module's first lines for each kind.

    Raises:
        ValueError: If its values have no meaning as brightness.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return _from_grey(_from_16_bits(image))
    if image.mode == "F":
        return _from_grey(_from_float(image))
    if image.mode.startswith("I"):
        raise ValueError("signed or 32-bit integers do not define which value is white")
    if image.has_transparency_data:
        return _over_black(image)
    if image.mode == "RGB":
        # `convert` would copy it, which is a twentieth of decoding and cropping a photograph.
        image.load()
        return image
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Return (H, W) uint8; PGM's values fill 16 bits whatever their largest value, as Pillow scales them."""
    values = np.asarray(image)
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, 16)
    white = 2 ** int(bits[0] if isinstance(bits, tuple) else bits) - 1
    key = image.info.get("transparency")
    is_inverted = tags.get(_PHOTOMETRIC) == 0

    def to_levels(band: NDArray[Any]) -> NDArray[Any]:
        wide = band.astype(np.int64)
        levels: NDArray[Any] = (2 * 255 * (white - wide if is_inverted else wide) + white) // (2 * white)
        return levels

    levels = _in_bands(values, to_levels)
    if isinstance(key, int):
        levels[values == key] = 0
    return levels


def _in_bands(values: NDArray[Any], to_levels: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[np.uint8]:
    """Return a function of an image (H, W) as uint8, computed for some rows at a time: its wide numbers are several times it."""
    levels, step = np.empty(values.shape, dtype=np.uint8), max(1, _BAND_PIXELS // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        levels[start : start + step] = to_levels(values[start : start + step])
    return levels


def _from_float(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"floating-point images must be from 0 (black) to 1 (white), but have values from {np.nanmin(values):.4g} to "
            f"{np.nanmax(values):.4g}"
        )
    return _in_bands(values, lambda band: np.rint(255 * band.astype(np.float64)))


def _from_grey(levels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(levels).convert("RGB")


def _over_black(image: Image.Image) -> Image.Image:
    """Return the image laid over black; where it is opaque, pixels are as stored."""
    laid, step = Image.new("RGB", image.size), max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, step):
        band = image.crop((0, top, image.width, min(top + step, image.height)))
        pixels = np.asarray(band.convert("RGBA"), dtype=np.uint32)
        opaque = ((pixels[..., :3] * pixels[..., 3:] + 127) // 255).astype(np.uint8)
        laid.paste(Image.fromarray(opaque), (0, top))
    return laid


def _why(error: Exception, path: Path) -> str:
    """Return the first line of an error without the path, which the reader knows."""
    lines = str(error).replace(f" {str(path)!r}", "").splitlines()
    return lines[0] if lines else type(error).__name__


def middle_square(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Return the middle square of an RGB image at a side (bilinear, antialiased), (S, S, 3) uint8."""
    shorter = min(image.size)
    left, top = (image.width - shorter) / 2, (image.height - shorter) / 2
    box = (left, top, left + shorter, top + shorter)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))

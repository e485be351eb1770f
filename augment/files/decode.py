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
An image that claims more than twice `PIL.Image.MAX_IMAGE_PIXELS` is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augment.errors import AugmentError

_BITS_PER_SAMPLE: Final = 258
_PHOTOMETRIC: Final = 262
"""Tags of TIFF; photometric 0 means that white is zero, which Pillow applies up to 8 bits only."""


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
            return to_rgb(opened)
    except MemoryError:
        raise
    except Exception as error:  # decoders answer to damaged content with nearly any exception
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UndecodableImage(path, _why(error, path)) from error


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
    values = np.asarray(image).astype(np.int64)
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, 16)
    white = 2 ** int(bits[0] if isinstance(bits, tuple) else bits) - 1
    key = image.info.get("transparency")
    if tags.get(_PHOTOMETRIC) == 0:
        values = white - values
    levels: NDArray[np.uint8] = ((2 * 255 * values + white) // (2 * white)).astype(np.uint8)
    if isinstance(key, int):
        levels[np.asarray(image) == key] = 0
    return levels


def _from_float(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image, dtype=np.float64)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"floating-point images must be from 0 (black) to 1 (white), but have values from {np.nanmin(values):.4g} to "
            f"{np.nanmax(values):.4g}"
        )
    return np.rint(255 * values).astype(np.uint8)


def _from_grey(levels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(levels).convert("RGB")


def _over_black(image: Image.Image) -> Image.Image:
    """Return the image laid over black; where it is opaque, pixels are as stored."""
    pixels = np.asarray(image.convert("RGBA"), dtype=np.uint32)
    return Image.fromarray(((pixels[..., :3] * pixels[..., 3:] + 127) // 255).astype(np.uint8))


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

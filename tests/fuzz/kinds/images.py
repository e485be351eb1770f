"""Image files: every format that is read, changed by some bytes, and images that claim far more pixels than they have bytes."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from augment.files.decode import UndecodableImage, decode_image
from tests.fuzz.harness import Kind, Verdict, library
from tests.fuzz.mutations import mutated_bytes

_KINDS: Final = (
    ("PNG", "RGB"), ("PNG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "I;16"), ("PNG", "1"), ("JPEG", "RGB"), ("JPEG", "CMYK"),
    ("GIF", "P"), ("BMP", "RGB"), ("TIFF", "RGB"), ("TIFF", "F"), ("TIFF", "I;16"), ("WEBP", "RGB"), ("PPM", "RGB"), ("PPM", "1"),
)  # fmt: skip
_SUFFIXES: Final = {"JPEG": "jpg", "TIFF": "tif"}


def _written(form: str, mode: str) -> bytes:
    side = np.arange(24 * 20).reshape(24, 20)
    if mode == "F":
        image = Image.fromarray((side / side.max()).astype(np.float32))
    elif mode == "I;16":
        image = Image.fromarray((side * 100).astype(np.uint16))
    else:
        image = Image.fromarray(np.stack([side % 256] * 3, axis=2).astype(np.uint8)).convert(mode)
    out = io.BytesIO()
    image.save(out, format=form)
    return out.getvalue()


@functools.cache
def _bases() -> tuple[tuple[str, bytes], ...]:
    return tuple((_SUFFIXES.get(form, form.lower()), _written(form, mode)) for form, mode in _KINDS)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(width: int, height: int, *, bits: int = 8, colour: int = 2, more: bytes = b"", rows: int = 0) -> bytes:
    """A PNG that claims a size, with so many rows of zeros behind it."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    packer = zlib.compressobj(9)
    line = bytes(1 + (width * channels * bits + 7) // 8)
    body = b"".join([*(packer.compress(line) for _ in range(rows)), packer.flush()])
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + more + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


@functools.cache
def _bombs() -> tuple[tuple[str, bytes], ...]:
    text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 * 2**20), 9))
    return (
        ("png", _png(2**31 - 1, 2**31 - 1)),
        ("png", _png(60_000, 60_000, rows=10)),
        ("png", _png(9_400, 9_400, colour=6, rows=9_400)),
        ("png", _png(9_400, 9_400, bits=16, colour=0, rows=9_400)),
        ("png", _png(13_000, 13_000, colour=2, rows=13_000)),
        ("png", _png(13_000, 13_000, colour=6, rows=1)),
        ("png", _png(0, 1)),
        ("png", _png(1, 1, more=text, rows=1)),
        ("png", _png(4, 4, more=_chunk(b"tRNS", bytes(600)), rows=4)),
        ("gif", b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08\x00"),
        (
            "bmp",
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0),
        ),
        ("ppm", b"P6 99999999999 99999999999 255\n"),
        ("ppm", b"P5 9 9 " + b"9" * 5000 + b"\n"),
        ("pfm", b"Pf 9999 9999 -1.0\n"),
        ("tif", b"II*\x00\xff\xff\xff\xff"),
        ("tif", b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 65_535)),
        ("webp", b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\x00\x00\x00\xff\x00\x00\x00" + b"\xff" * 6),
        ("png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n"),
    )


@st.composite
def _inputs(draw: Any) -> tuple[str, bytes, int | None]:
    at_least = draw(st.sampled_from([None, None, 8]))
    if draw(st.integers(0, 9)) == 0:
        suffix, data = draw(st.sampled_from(_bombs()))
        return suffix, data, at_least
    suffix, data = draw(st.sampled_from(_bases()))
    return suffix, draw(mutated_bytes(data)), at_least


def _attempt(given: tuple[str, bytes, int | None], folder: Path) -> Verdict:
    suffix, data, at_least = given
    path = folder / f"it.{suffix}"
    path.write_bytes(data)
    return library(lambda: decode_image(path, at_least=at_least), UndecodableImage)


KIND: Final = Kind(inputs=_inputs(), attempt=_attempt, examples=400, prepare=lambda: (_bases(), _bombs()))

"""Contact sheets: many images on one PNG, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def contact_sheet(images: NDArray[np.uint8], path: Path | str, columns: int, *, gap_px: int = 2) -> None:
    """Write images row by row to a PNG, on white.

    Args:
        images: (N, H, W, C) uint8 with C of 1 (grey) or 3 (RGB).
        path: File to write; its folder is made.
        columns: Images per row.
        gap_px: Pixels between images.

    Raises:
        ValueError: If there is no image, or the shape or number of columns is impossible.
    """
    from PIL import Image

    if images.ndim != 4 or images.shape[-1] not in (1, 3) or len(images) == 0 or columns < 1:
        raise ValueError(
            f"a contact sheet needs (N >= 1, H, W, 1 or 3) images and columns >= 1, got {images.shape}, {columns}"
        )
    num, height, width, channels = images.shape
    columns = min(columns, num)
    rows = -(-num // columns)
    sheet = np.full((rows * (height + gap_px) - gap_px, columns * (width + gap_px) - gap_px, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap_px), (i % columns) * (width + gap_px)
        sheet[top : top + height, left : left + width] = image
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet).save(path, format="PNG")

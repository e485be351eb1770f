"""Sheets that show what corruptions and perturbations look like."""

from __future__ import annotations

import numpy as np

from eval.corruptions.generate import corrupt
from eval.perturbations.contact_sheets import LABEL_WIDTH, MARGIN, corruption_sheet, sequence_sheet


def test_a_sheet_has_a_row_per_kind_and_shows_the_clean_image_first() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sheet = corruption_sheet(image, "c", ("contrast", "brightness"), tile=32)
    assert sheet.shape == (2 * (32 + MARGIN), LABEL_WIDTH + 4 * (32 + MARGIN), 3)
    doubled = image.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(sheet[:32, LABEL_WIDTH : LABEL_WIDTH + 32], doubled)
    hardest = corrupt(image[None], "contrast", 5, fingerprint="contact-sheet", indices=np.zeros(1, int))[0]
    left = LABEL_WIDTH + 3 * (32 + MARGIN)
    assert np.array_equal(sheet[:32, left : left + 32], hardest.repeat(2, axis=0).repeat(2, axis=1))


def test_families_with_one_severity_have_one_column_beside_the_clean_image() -> None:
    sheet = corruption_sheet(np.zeros((28, 28, 1), dtype=np.uint8), "mnist-c", ("stripe",), tile=28)
    assert sheet.shape == (28 + MARGIN, LABEL_WIDTH + 2 * (28 + MARGIN), 3)
    assert sheet[10, LABEL_WIDTH + 28 + MARGIN + 2].tolist() == [255, 255, 255]


def test_a_sequence_sheet_runs_from_the_first_to_the_last_frame() -> None:
    image = np.full((16, 16, 3), 100, dtype=np.uint8)
    sheet = sequence_sheet(image, ("brightness",), num_shown=3, tile=16)
    levels = [int(sheet[8, LABEL_WIDTH + column * (16 + MARGIN) + 8, 0]) for column in range(3)]
    assert levels[0] < levels[1] < levels[2]

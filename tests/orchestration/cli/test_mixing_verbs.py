"""`mixing-set` from the command line: sheets of sets, of training images mixed with them, and of networks' features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.errors import AugmentError
from augment.mixing_sets.images import enlarged, treated_rows
from augment.treatment import Treatment
from orchestration.cli.main import main
from orchestration.cli.verbs.mixing_sets import progress_lines


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "storage"))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as sheet:
        return np.asarray(sheet)


def test_a_row_shows_a_training_image_and_what_the_method_makes_of_it(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    command = ["mixing-set", "preview", "dead-leaves-squares", "--on", "digits", "--rows", "2", "--images", "4"]
    assert main([*command, "-o", str(sheet), "--zoom", "2"]) == 0
    shown = pixels(sheet)
    assert shown.shape == (2 * 64 + 2, 8 * 64 + 7 * 2)
    first = shown[:64, :64]
    from trainers.datasets.load import load_split

    assert np.array_equal(first[::2, ::2], load_split("digits", "train", tmp_path).images[0, :, :, 0])
    results = [shown[:64, 66 * column : 66 * column + 64] for column in range(1, 8)]
    assert sum(not np.array_equal(first, result) for result in results) >= 4


def test_features_of_an_untrained_network_are_drawn(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    command = ["mixing-set", "preview", "fvis", "--set", "parents=[random:0]", "--set", "steps=2", "--images", "3"]
    assert main([*command, "--side", "16", "-o", str(sheet)]) == 0
    assert pixels(sheet).shape == (32, 32, 3)


def test_a_cell_that_is_not_recorded_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "storage").mkdir()
    assert main(["mixing-set", "preview", "fvis", "--set", "parents=[abcdef123456]"]) == 2
    assert "nothing is recorded of a cell 'abcdef123456'" in capsys.readouterr().err


def test_a_method_that_acts_on_batches_has_no_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "mixing-set",
        "preview",
        "dead-leaves-squares",
        "--on",
        "digits",
        "--method",
        "cutmix",
        "--images",
        "2",
    ]
    assert main(command) == 2
    assert "acts on batches" in capsys.readouterr().err


def test_progress_is_reported_at_most_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    report = progress_lines("fractals", clock=lambda: next(times))
    for done in (10, 20, 30):
        report(done, 30)
    assert capsys.readouterr().err.splitlines() == ["mixing set 'fractals': 20 of 30 images"]


def test_a_treatment_that_changes_nothing_has_no_preview() -> None:
    with pytest.raises(AugmentError, match="acts on batches"):
        treated_rows(Treatment(), np.zeros((1, 2, 2, 1), np.uint8), repeats=1)


def test_an_enlarged_image_repeats_its_pixels() -> None:
    image = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
    assert enlarged(image, 2)[0, :, :, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]

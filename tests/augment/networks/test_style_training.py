"""Networks of style transfer of one's own, and folders stylised with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from augment.networks.style.network import style_network
from augment.networks.style.training import WIDTHS, main, new_network, save, style_loss, train_style_network

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def waves(count: int, seed: int, side: int = 16) -> np.ndarray:
    """Coloured gratings, (count, side, side, 3) uint8."""
    source = np.random.default_rng(seed)
    grid = np.arange(side)[:, None] * source.uniform(0.1, 1, (count, 1, 1, 3)) + np.arange(side)[:, None, None]
    return (127 + 120 * np.sin(grid + source.uniform(0, 6, (count, 1, 1, 3)))).astype(np.uint8)


def folder_of(path: Path, images: np.ndarray) -> Path:
    for index, image in enumerate(images):
        (path / f"class{index % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / f"class{index % 2}" / f"{index}.png")
    return path


def test_training_lowers_the_loss_and_repeats_with_its_seed() -> None:
    images, styles = waves(6, 0), waves(4, 1)
    trained = train_style_network(images, styles, steps=25, widths=(4, 8))
    again = train_style_network(images, styles, steps=25, widths=(4, 8))
    untrained = train_style_network(images, styles, steps=0, widths=(4, 8))
    seen, drawn = (torch.from_numpy(each[:4].transpose(0, 3, 1, 2)).float() / 255 for each in (images, styles))
    with torch.no_grad():
        assert style_loss(trained, seen, drawn) < 0.7 * style_loss(untrained, seen, drawn)
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))


def test_saved_networks_are_read_back_as_they_were(tmp_path: Path) -> None:
    network = new_network(WIDTHS, torch.Generator().manual_seed(0)).eval()
    save(network, tmp_path)
    read = style_network(tmp_path / "encoder.pt", tmp_path / "decoder.pt", 3)
    images = torch.rand((2, 3, 13, 17), generator=torch.Generator().manual_seed(1))
    features = network.encode(images)
    assert features.shape == (2, WIDTHS[-1], 4, 5)
    assert torch.equal(read.encode(images), features)
    assert torch.equal(read.decode(features, 13, 17), network.decode(features, 13, 17))


def test_the_command_trains_and_stylises_a_folder_with_the_same_names(tmp_path: Path) -> None:
    images, styles = folder_of(tmp_path / "train", waves(4, 0)), folder_of(tmp_path / "styles", waves(3, 1))
    both = ["--images", str(images), "--styles", str(styles), "--side", "16"]
    assert main(["train", *both, "--steps", "2", "--out", str(tmp_path / "net")]) == 0
    networks = ["--encoder", str(tmp_path / "net/encoder.pt"), "--decoder", str(tmp_path / "net/decoder.pt")]
    assert main(["stylise", *both, *networks, "--out", str(tmp_path / "copy")]) == 0
    names = [sorted(file.relative_to(root) for file in root.rglob("*.png")) for root in (images, tmp_path / "copy")]
    assert names[0] == names[1]
    with Image.open(tmp_path / "copy" / names[1][0]) as image:
        assert image.size == (16, 16)


def test_a_folder_without_images_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--images", str(tmp_path), "--styles", str(tmp_path), "--out", str(tmp_path / "net")]
    assert main(["train", *options]) == 2
    assert "needs a folder of images" in capsys.readouterr().err

"""Third-party weights and stored copies that methods name: how they are read, and what the networks make of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augment.errors import AugmentError
from augment.kernels.counters import StepKeys
from augment.methods.ant import Ant, AntConfig
from augment.methods.edsr import Edsr, EdsrConfig, damaged_weights
from augment.methods.sin import Sin, SinConfig
from augment.networks.edsr import MEAN_RGB, PublishedEdsr, published_edsr
from augment.networks.style.adain import adaptive_instance_norm
from augment.networks.style.network import style_network
from augment.networks.weights import read_weights
from augment.treatment import TreatmentContext

KEYS = StepKeys(3, 5, 0)
CLASSES = torch.zeros(6, dtype=torch.int64)
ENCODER_WIDTHS = ((3, 3, 1), (3, 4, 3), (4, 4, 3), (4, 8, 3), (8, 16, 3), (16, 16, 3))
DECODER_WIDTHS = ((16, 8, 3), (8, 4, 3), (4, 4, 3), (4, 3, 3))


@pytest.fixture(autouse=True)
def small_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep torch to one thread, and remembered hashes to the test."""
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chain(widths: tuple[tuple[int, int, int], ...], seed: int) -> dict[str, Tensor]:
    """Weights of a chain of convolutions under the numbers of a Sequential."""
    source = torch.Generator().manual_seed(seed)
    state = {}
    for number, (given, made, side) in enumerate(widths):
        state[f"{3 * number}.weight"] = 0.3 * torch.randn((made, given, side, side), generator=source)
        state[f"{3 * number}.bias"] = 0.1 * torch.randn((made,), generator=source)
    return state


@pytest.fixture
def style_files(tmp_path: Path) -> Path:
    torch.save(chain(ENCODER_WIDTHS, 0), tmp_path / "encoder.pth")
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in chain(DECODER_WIDTHS, 1).items()}}, tmp_path / "decoder.pth"
    )
    return tmp_path


@pytest.fixture
def edsr_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    state = PublishedEdsr(channels=3, hidden=8, num_blocks=6, factors=(2, 2)).state_dict()
    shift = {"sub_mean.weight": torch.eye(3)[:, :, None, None], "sub_mean.bias": torch.zeros(3)}
    path = tmp_path / "edsr.pt"
    torch.save({**shift, **state}, path)
    return path


def context(data_root: Path | None, channels: int = 3, *, styles: bool = True) -> TreatmentContext:
    images = np.random.default_rng(0).integers(0, 256, (5, 20, 20, channels), dtype=np.uint8)
    return TreatmentContext(
        image_size=16,
        num_channels=channels,
        num_classes=4,
        mean=(0.5,) * channels,
        mixing_set=images if styles else None,
        data_root=data_root,
    )


def images(channels: int = 3) -> Tensor:
    return torch.rand((6, channels, 16, 16), generator=torch.Generator().manual_seed(0))


def test_half_of_a_style_network_is_refused() -> None:
    with pytest.raises(ValueError, match="together or not at all"):
        SinConfig(encoder="encoder.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Dangerous:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save({"weight": Dangerous()}, tmp_path / "bad.pt")
    with pytest.raises(AugmentError, match="must be a PyTorch file of plain tensors"):
        read_weights(tmp_path / "bad.pt")
    assert not (tmp_path / "made").exists()


def test_wrapped_weights_are_read_and_of_two_sets_none_is_taken_without_a_word(tmp_path: Path) -> None:
    """An average (`params_ema`) used to be taken before the weights that stand next to it."""
    own, average = {"_orig_mod.module.a.weight": torch.ones(1)}, {"a.weight": torch.zeros(1)}
    torch.save({"net": {"params": own}, "params_ema": {"step": 3}}, tmp_path / "one.pt")
    assert read_weights(tmp_path / "one.pt") == {"a.weight": torch.ones(1)}
    torch.save({"params": own, "params_ema": average}, tmp_path / "two.pt")
    with pytest.raises(
        AugmentError, match="must contain one set of weights, but contains params_ema, params; save only the one"
    ):
        read_weights(tmp_path / "two.pt")


def _mirrored(x: Tensor, state: dict[str, Tensor], number: int, *, relu: bool) -> Tensor:
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    out = nn.functional.conv2d(padded, state[f"{3 * number}.weight"], state[f"{3 * number}.bias"])
    return out.relu() if relu else out


def test_given_style_networks_are_those_of_their_files(style_files: Path) -> None:
    network = style_network(style_files / "encoder.pth", style_files / "decoder.pth", 3)
    seen, drawn = chain(ENCODER_WIDTHS, 0), chain(DECODER_WIDTHS, 1)
    x = nn.functional.conv2d(images(), seen["0.weight"], seen["0.bias"])
    x = _mirrored(_mirrored(x, seen, 1, relu=True), seen, 2, relu=True)
    x = _mirrored(nn.functional.max_pool2d(x, 2), seen, 3, relu=True)
    x = _mirrored(
        nn.functional.max_pool2d(x, 2), seen, 4, relu=True
    )  # the first as wide as the decoder's input is the last
    assert torch.allclose(network.encode(images()), x, atol=1e-5)
    y = nn.functional.interpolate(_mirrored(x, drawn, 0, relu=True), scale_factor=2)
    y = nn.functional.interpolate(_mirrored(y, drawn, 1, relu=True), scale_factor=2)
    y = _mirrored(_mirrored(y, drawn, 2, relu=True), drawn, 3, relu=False)
    assert torch.allclose(network.decode(x, 16, 16), y, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_sin_with_given_weights_draws_the_content_with_the_moments_of_the_style(
    style_files: Path, channels: int
) -> None:
    config = SinConfig(share=1.0, encoder="encoder.pth", decoder="decoder.pth")
    treatment = Sin(config, context(style_files, channels))
    changed, _ = treatment.batch(nn.Identity(), images(channels), CLASSES, KEYS)
    network = style_network(style_files / "encoder.pth", style_files / "decoder.pth", channels)
    styles = context(None, channels).mixing_set
    assert styles is not None
    candidates = torch.from_numpy(styles[:, :16, :16]).permute(0, 3, 1, 2).float() / 255
    wanted = [
        network.decode(adaptive_instance_norm(network.encode(images(channels)), network.encode(style[None])), 16, 16)
        for style in candidates
    ]
    for row, image in enumerate(changed):
        assert any(torch.allclose(image, drawn[row].clamp(0, 1), atol=1e-5) for drawn in wanted)
    assert treatment.state_dict() == {"networks": {}}


def test_files_that_do_not_belong_together_are_refused(style_files: Path) -> None:
    torch.save(chain(((12, 6, 3), (6, 3, 3)), 2), style_files / "other.pth")
    with pytest.raises(AugmentError, match="name two files that were trained together"):
        style_network(style_files / "encoder.pth", style_files / "other.pth", 3)


def test_a_given_edsr_redraws_images_by_its_factor(edsr_file: Path) -> None:
    network = published_edsr(edsr_file, 3)
    assert (network.factor, len(network.body)) == (4, 7)
    with torch.no_grad():
        for parameter in network.tail.parameters():
            parameter.zero_()
    mean = torch.tensor(MEAN_RGB).reshape(1, 3, 1, 1)
    assert torch.allclose(network(images()), mean.expand(6, 3, 16, 16), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_edsr_with_given_weights_damages_its_blocks_only(edsr_file: Path, channels: int) -> None:
    config = EdsrConfig(share=1.0, weights=edsr_file.name)
    treatment = Edsr(config, context(edsr_file.parent, channels))
    changed, _ = treatment.batch(nn.Identity(), images(channels), CLASSES, KEYS)
    again, _ = treatment.batch(nn.Identity(), images(channels), CLASSES, KEYS)
    assert torch.equal(changed, again)
    assert changed.shape == images(channels).shape
    assert (changed != images(channels)).any()
    network = published_edsr(edsr_file, channels)
    original = dict(network.named_parameters())
    for seed in range(20):
        damaged = damaged_weights(network, 3, torch.Generator().manual_seed(seed))
        touched = [name for name in original if not torch.equal(damaged[name], original[name])]
        assert all(".body." in name for name in touched)


def test_weights_of_another_network_are_refused(style_files: Path) -> None:
    with pytest.raises(AugmentError, match="EDSR baseline"):
        published_edsr(style_files / "encoder.pth", 3)


def test_ant_starts_from_a_given_generator(tmp_path: Path) -> None:
    widths = ((3, 5, 1), (5, 5, 1), (5, 5, 1), (5, 3, 1))
    torch.save(chain(widths, 4), tmp_path / "generator.pt")
    config = AntConfig(hidden=5, generator="generator.pt", generator_lr=1e-9)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
    treatment = Ant(config, context(tmp_path))
    treatment.batch(model, images(), CLASSES, KEYS)
    weights = treatment.state_dict()["players"][0]["generator"]
    for mine, given in zip(weights.values(), chain(widths, 4).values(), strict=True):
        assert torch.allclose(mine, given, atol=1e-6)
    with pytest.raises(AugmentError, match="set kernel and hidden to fit it"):
        Ant(AntConfig(generator="generator.pt"), context(tmp_path))


def test_a_stored_copy_replaces_the_stage_and_spares_the_mixing_set(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (16, 16)).save(tmp_path / "0.png")
    (tmp_path / "copy").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "copy" / "0.png")
    treatment = Sin(SinConfig(stored_copy="copy"), context(tmp_path, styles=False))
    assert treatment.stored_copy is not None
    assert treatment.stored_copy.folder == tmp_path / "copy"
    changed, _ = treatment.batch(nn.Identity(), images(), CLASSES, KEYS)
    assert torch.equal(changed, images())

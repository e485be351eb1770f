"""PixMix as a transform: the trainer's pixels, bit for bit, from every kind of image."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

import dreamgrid
from augment.errors import AugmentError
from augment.kernels.counters import SampleKeys
from trainers.config import JobConfig, MixingSetConfig, RecipeConfig
from trainers.job import JobPaths, JobRequest
from trainers.training.input.job_inputs import job_inputs
from trainers.training.input.loader import Loader
from trainers.training.input.order import Order

MIXING = np.random.default_rng(1).integers(0, 256, (5, 20, 20, 3), dtype=np.uint8)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    """Six images of 16 px."""
    return np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


@pytest.fixture
def transform() -> dreamgrid.PixMix:
    """A transform over a mixing set of arrays."""
    return dreamgrid.PixMix(MIXING, seed=3)


def test_pixels_are_those_of_the_trainer_bit_for_bit(own_cache: Path, tmp_path: Path) -> None:
    config = JobConfig(
        method="pixmix",
        method_params={"beta": 4.0},
        dataset="digits",
        model="small-cnn",
        model_params={},
        recipe=RecipeConfig(epochs=2, batch_size=16, crop_padding=2),
        seed=7,
        mixing_set=MixingSetConfig(name="fractals", num_images=6, image_size=36, num_channels=1),
    )
    paths = JobPaths(checkpoints=str(tmp_path), data_root=str(tmp_path), cache_dir=str(own_cache))
    request = JobRequest(train_key="ab" * 32, config=config, benchmarks=(), paths=paths)
    cpu = torch.device("cpu")
    inputs = job_inputs(request, device=cpu, on_progress=lambda done, total: None)
    order = Order(samples=np.arange(40), batch_size=16, num_shards=1, seed=7)
    ours = dreamgrid.PixMix("fractals", image_size=32, num_channels=1, num_images=6, seed=7, beta=4.0)
    compared = 0
    with Loader(
        source=inputs.images, treatment=inputs.treatment, order=order, rank=0, world_size=1, threads=0, device=cpu
    ) as loader:
        for epoch in range(2):
            ours.set_epoch(epoch)
            for batch in loader.epoch(epoch):
                (indices,) = order.batch(order.epoch(epoch), batch.step)
                cropped, _ = inputs.images.load(SampleKeys(7, epoch, indices))
                mixed = ours(torch.from_numpy(cropped).permute(0, 3, 1, 2), indices=indices)
                assert torch.equal(mixed.permute(0, 2, 3, 1), batch.shards[0].images)
                compared += len(indices)
    assert compared == 80


def test_every_kind_of_image_gives_the_same_pixels(images: NDArray[np.uint8]) -> None:
    def made(given: Any) -> Any:
        return dreamgrid.PixMix(MIXING, seed=3)(given)

    batch = made(images)
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
    first = batch[0]
    assert (batch.dtype, batch.shape) == (np.float32, images.shape)
    assert 0.0 <= batch.min() < batch.max() <= 1.0
    assert np.array_equal(made(tensors).permute(0, 2, 3, 1).numpy(), batch)
    assert np.array_equal(made(tensors[0]).permute(1, 2, 0).numpy(), first)
    assert np.array_equal(made(images[0]), first)
    assert np.array_equal(made(Image.fromarray(images[0])).permute(1, 2, 0).numpy(), first)
    assert type(made(tv_tensors.Image(tensors))) is tv_tensors.Image


def test_rounded_images_stay_what_they_were(images: NDArray[np.uint8]) -> None:
    exact = dreamgrid.PixMix(MIXING, seed=3)(images[0])
    rounded = dreamgrid.PixMix(MIXING, seed=3, rounding="uint8")
    made = rounded(Image.fromarray(images[0]))

    assert isinstance(made, Image.Image)
    assert np.abs(np.asarray(made) / 255 - exact).max() <= 0.5 / 255 + 1e-6
    assert rounded(torch.from_numpy(images).permute(0, 3, 1, 2)).dtype == torch.uint8


def test_grey_images_of_pillow_stay_grey() -> None:
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8))
    made = dreamgrid.PixMix(MIXING[..., :1], rounding="uint8")(grey)

    assert (made.mode, made.size) == ("L", (16, 16))


def test_draws_repeat_with_the_seed_and_differ_between_images_epochs_and_seeds(
    images: NDArray[np.uint8], transform: dreamgrid.PixMix
) -> None:
    one, two = transform(images), transform(images)
    transform.set_epoch(0)
    again = transform(images)
    transform.set_epoch(1)
    later = transform(images)

    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, later)
    assert not np.array_equal(one, dreamgrid.PixMix(MIXING, seed=4)(images))
    assert np.array_equal(two, dreamgrid.PixMix(MIXING, seed=3)(images, indices=np.arange(6, 12)))


def test_the_input_is_left_alone_and_labels_pass_through(images: NDArray[np.uint8]) -> None:
    before, labels = images.copy(), torch.arange(6)
    chain = v2.Compose([dreamgrid.PixMix(MIXING, seed=3), v2.Normalize([0.5] * 3, [0.5] * 3)])
    mixed, passed = chain(torch.from_numpy(images).permute(0, 3, 1, 2), labels)

    assert np.array_equal(images, before)
    assert passed is labels
    assert mixed.dtype == torch.float32


class Images(Dataset[torch.Tensor]):
    """The same Pillow image again and again, so that only draws differ."""

    def __init__(self, transform: Callable[[Any], torch.Tensor]) -> None:
        self._image = Image.fromarray(np.full((16, 16, 3), 90, dtype=np.uint8))
        self._transform = transform

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._transform(self._image)


def test_workers_of_a_loader_draw_differently_from_each_other_and_repeat_with_torchs_seed() -> None:
    def epochs() -> list[torch.Tensor]:
        torch.manual_seed(5)
        loader = DataLoader(Images(dreamgrid.PixMix(MIXING, seed=3, augment_start=True)), batch_size=3, num_workers=2)
        return [torch.cat(list(loader)) for _ in range(2)]

    first, second = epochs()
    again = epochs()

    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])
    assert not torch.equal(first, second)
    # Of twelve some are left as they are; workers that counted alike would give each twice.
    assert len(first.flatten(1).unique(dim=0)) > 6


def test_a_pickled_transform_gives_the_same_pixels(images: NDArray[np.uint8]) -> None:
    made = dreamgrid.PixMix("fractals", image_size=16, num_images=4)
    copy = pickle.loads(pickle.dumps(made))

    assert len(pickle.dumps(made)) < 2000
    assert np.array_equal(made(images), copy(images))


def test_a_folder_of_images_is_a_mixing_set(images: NDArray[np.uint8], tmp_path: Path) -> None:
    (tmp_path / "paintings").mkdir()
    for number in range(3):
        Image.fromarray(MIXING[number]).save(tmp_path / "paintings" / f"{number}.png")
    made = dreamgrid.PixMix(tmp_path / "paintings", num_images=3)(images)

    assert made.shape == images.shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 16, 16, 3), dtype=np.float32), "must be uint8, but are float32; apply this before"),
        (np.zeros((16, 16, 4), dtype=np.uint8), "must have 1 or 3 channels"),
        (Image.new("P", (16, 16)), "must be of mode L or RGB, but is 'P'"),
        ([1, 2], "must be a Pillow image, a uint8 tensor or a uint8 array, but got list"),
    ],
)
def test_other_images_are_refused_with_the_fix(transform: dreamgrid.PixMix, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        transform(given)


def test_wrong_hyper_parameters_and_sets_are_refused() -> None:
    with pytest.raises(AugmentError, match="did you mean 'beta'"):
        dreamgrid.PixMix(MIXING, betta=3.0)
    with pytest.raises(AugmentError, match="unknown mixing set 'fractal'"):
        dreamgrid.PixMix("fractal", image_size=16)
    with pytest.raises(AugmentError, match="at least as large as the images"):
        dreamgrid.PixMix(MIXING)(np.zeros((32, 32, 3), dtype=np.uint8))


def test_it_says_what_it_is(transform: dreamgrid.PixMix) -> None:
    assert repr(transform).startswith("PixMix(array of 5 images, seed=3, PixMixConfig(max_rounds=4, beta=3.0")

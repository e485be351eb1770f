"""The input path of training, for `benchmarks.train`: loader and ring against bare kernels.

Images are resident arrays of 32 px, or JPEG files of the size of ImageNet's, decoded and cropped to 224 px. On a CPU the work of
a GPU worker's host is measured, with a device that takes batches and does nothing with them: it costs CPU time to prepare and
to hand over batches, and none to copy them. `benchmarks.gpu_train` measures whole steps on a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from augment.compound import config_for, method_for
from augment.files.walk import walk_images
from augment.kernels.compiled import warm
from augment.kernels.counters import SampleKeys
from augment.treatment import Treatment, TreatmentContext
from benchmarks import harness
from benchmarks.null_engine import NullEngine
from eval.inference.streams import CopyEngine
from trainers.datasets.folders.listing import listing_of
from trainers.training.input.images import ImageFiles, ImageSource, ResidentImages
from trainers.training.input.loader import Batch, Loader
from trainers.training.input.order import Order, even_cuts

CPU: Final = torch.device("cpu")
JPEG_SIDES: Final = (500, 375)
"""Width and height of an image of ImageNet, in the middle."""
_CHUNK: Final = 16


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is loaded.

    Attributes:
        batch_size: Images of a batch.
    """

    name: str
    image_size: int
    source: ImageSource
    treatment: Treatment
    batch_size: int

    @property
    def order(self) -> Order:
        """Whole batches in one shard each."""
        whole = self.source.num_images // self.batch_size * self.batch_size
        return Order(samples=np.arange(whole), batch_size=self.batch_size, num_shards=1, seed=0)

    def loader(self, device: torch.device, threads: int, engine: CopyEngine | None = None) -> Loader:
        """Return a loader of one worker."""
        return Loader(
            source=self.source,
            treatment=self.treatment,
            order=self.order,
            rank=0,
            world_size=1,
            threads=threads,
            device=device,
            engine=engine,
        )


def resident_inputs(num_images: int, *, batch_size: int = 128, rounding: str = "none") -> Inputs:
    """Return random images of 32 px in memory under PixMix."""
    source = resident_source(num_images)
    name = "PixMix 32 px" + ("" if rounding == "none" else f", {rounding}")
    treatment = pixmix("cifar-10", 32, rounding=rounding)
    return Inputs(name=name, image_size=32, source=source, treatment=treatment, batch_size=batch_size)


def jpeg_inputs(folder: Path, num_images: int, *, batch_size: int = 64, rounding: str = "none") -> Inputs:
    """Return JPEG files under RandomResizedCrop to 224 px and PixMix; they are written to the folder where they are not there."""
    source = jpeg_source(folder, num_images)
    name = "JPEG and PixMix 224 px" + ("" if rounding == "none" else f", {rounding}")
    treatment = pixmix("imagenet", 224, rounding=rounding)
    return Inputs(name=name, image_size=224, source=source, treatment=treatment, batch_size=batch_size)


def resident_source(num_images: int, side: int = 32) -> ResidentImages:
    """Return random images in memory, of ten classes."""
    images = np.random.default_rng(0).integers(0, 256, (num_images, side, side, 3), dtype=np.uint8)
    return ResidentImages(images, np.arange(num_images) % 10, crop_padding=4, flip=True)


def jpeg_source(folder: Path, num_images: int, side: int = 224) -> ImageFiles:
    """Return JPEG files, which are written to the folder where it is not there yet."""
    if not folder.exists():
        _write_jpegs(folder, num_images)
    return ImageFiles(listing_of(walk_images(folder)), image_size=side, flip=True)


def _write_jpegs(folder: Path, num_images: int) -> None:
    """Write images with structure and some noise, about 110 kB each as ImageNet's, in ten classes."""
    width, height = JPEG_SIDES
    rng = np.random.default_rng(0)
    for number in range(num_images):
        coarse = Image.fromarray(rng.integers(0, 256, (20, 27, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
        noisy = np.clip(smooth + rng.normal(0, 16, (height, width, 3)), 0, 255).astype(np.uint8)
        file = folder / str(number % 10) / f"{number:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(file, quality=90)


def pixmix(
    dataset: str, size: int, *, rounding: str = "none", mixing_set: NDArray[np.uint8] | None = None
) -> Treatment:
    """Return PixMix with its published hyper-parameters over a mixing set, by default of noise; its kernels compiled."""
    if mixing_set is None:
        side = size * 9 // 8
        mixing_set = np.random.default_rng(1).integers(0, 256, (64, side, side, 3), dtype=np.uint8)
    method = method_for("pixmix")
    warm(method.kernels)
    context = TreatmentContext(image_size=size, num_channels=3, num_classes=10, mean=(0.5,) * 3, mixing_set=mixing_set)
    treatment: Treatment = method.build(config_for(method, dataset, {"rounding": rounding}), context)
    return treatment


def launching_s(batches: Generator[Batch], num_batches: int) -> float:
    """Return the CPU seconds that a batch costs the thread that asks for it, after two that do not count."""
    for _ in range(2):
        next(batches)
    started = time.thread_time()
    for _ in range(num_batches):
        next(batches)
    return (time.thread_time() - started) / num_batches


def host_case(inputs: Inputs) -> harness.Case:
    """Compare an epoch through loader and ring, in one thread, with the bare calls that load and treat its images."""
    order, source, treatment = inputs.order, inputs.source, inputs.treatment

    def ours() -> None:
        with inputs.loader(CPU, threads=1, engine=NullEngine()) as loader:
            for batch in loader.epoch(0):
                assert batch.num_samples

    def bare() -> None:
        visits = order.epoch(0)
        for step in range(order.steps_per_epoch):
            (samples,) = order.batch(visits, step)
            keys = SampleKeys(order.seed, 0, samples)
            treatment.sample(source.load(keys)[0], keys)

    return harness.Case(
        name=f"{inputs.name}: loader and ring",
        ours=ours,
        peer=bare,
        peer_name="bare loading and PixMix, same batches",
        # At 32 px a thread mixes an image in some microseconds, and handing it over takes one or two.
        target=0.9 if inputs.image_size > 100 else 0.7,
        ours_units=len(order.samples),
        peer_units=len(order.samples),
    )


def launch_note(inputs: Inputs, *, num_batches: int = 20) -> str:
    """Say what a batch costs the thread that launches kernels, and what joining and copying it to pinned memory there would."""
    with inputs.loader(CPU, threads=2, engine=NullEngine()) as loader, closing(_endless(loader)) as batches:
        launched = launching_s(batches, num_batches)
    keys = SampleKeys(0, 0, np.arange(inputs.batch_size))
    images: NDArray[Any] = inputs.treatment.sample(inputs.source.load(keys)[0], keys)
    chunks = [images[start:stop].copy() for start, stop in even_cuts(len(images), len(images) // _CHUNK)]
    pinned = np.empty_like(images)

    def join() -> None:
        np.copyto(pinned, np.concatenate(chunks))

    started = time.thread_time()
    for _ in range(num_batches):
        join()
    joined = (time.thread_time() - started) / num_batches
    return (
        f"{inputs.name}, {inputs.batch_size} images, {images.nbytes / 2**20:.0f} MiB: a batch costs the launching thread "
        f"{1e3 * launched:.2f} ms of CPU time; joining and pinning it there would cost {1e3 * joined:.2f} ms"
    )


def _endless(loader: Loader) -> Generator[Batch]:
    """Yield the batches of epoch after epoch."""
    for epoch in count():
        with closing(loader.epoch(epoch)) as batches:
            yield from batches


def host_measurements(folder: Path, *, quick: bool) -> tuple[list[harness.Measurement], list[str]]:
    """Measure what batches for a GPU cost its host, in CPU time; return a note on the launching thread too."""
    files = 128 if quick else 512
    small = [resident_inputs(4096 if quick else 16_384, rounding=rounding) for rounding in ("none", "uint8")]
    large = [jpeg_inputs(folder / "jpegs", files, rounding=rounding) for rounding in ("none", "uint8")]
    measured = harness.measure([host_case(inputs) for inputs in (*small, *large)])
    whole = [replace(inputs, batch_size=128) for inputs in large]
    return measured, [launch_note(inputs, num_batches=2 if quick else 16) for inputs in (small[0], *whole)]

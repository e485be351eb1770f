"""Training on a GPU: our whole loop, fed from memory and from JPEG files, against the bare step.

    python -m benchmarks.train --device cuda [--quick] [--json]
    python -m benchmarks.gpu_train --device cpu --quick       proves the code at tiny sizes, measures nothing

Ours is what a job runs: loader threads, pinned ring, copies, PixMix, `trainers.training.loop`, the recipe's precision. The bare
step is forward, backward and optimiser of the same network on images that the device has already. Both take turns; target 0.95.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from augment.treatment import Treatment
from benchmarks import harness
from benchmarks.gpu_device import environment_on, main_on_a_device, synchronize, untrained, watched
from benchmarks.train_input import jpeg_source, pixmix, resident_source
from eval.inference.products import Precision
from trainers.config import RecipeConfig
from trainers.errors import JobStopped
from trainers.training.group import OneWorker
from trainers.training.input.images import ImageSource
from trainers.training.input.loader import Batch, Loader
from trainers.training.input.order import Order
from trainers.training.loop import LoopHooks, Training
from trainers.training.optim import build_optimiser
from trainers.worker.process import ThreadBudget, reset_process, thread_budget

TARGET: Final = 0.95
LARGE_GPU_GIB: Final = 40
"""Memory of a GPU from which on ResNet-50 trains on the published batch of 256."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A network and what it is fed from.

    Attributes:
        side: Side of the images in pixels.
        files: JPEG files that images are decoded from, again and again; 0 for images in memory.
        kinds: Precision and rounding of PixMix of each measurement.
        steps: Steps of each side in a round, after `warm_up` that do not count.
        warm_up: See `steps`.
    """

    model: str
    side: int
    batch_size: int
    files: int
    steps: int
    kinds: Sequence[tuple[Precision, str]]
    warm_up: int = 5

    @property
    def name(self) -> str:
        """What is trained from what."""
        return f"{self.model} at {self.side} px from {'JPEG files' if self.files else 'memory'}"


def lanes(device: torch.device, *, quick: bool) -> tuple[Lane, ...]:
    """Return what is measured on a device."""
    if device.type == "cpu":
        tiny = Lane(model="wrn-10-1", side=32, batch_size=4, files=0, steps=2, warm_up=1, kinds=[("bf16", "none")])
        return tiny, replace(tiny, model="small-cnn", files=8, kinds=[("tf32", "uint8")])
    is_large = torch.cuda.get_device_properties(device).total_memory >= LARGE_GPU_GIB * 2**30
    kinds: list[tuple[Precision, str]] = [("tf32", "none"), ("bf16", "none")]
    return (
        Lane(model="wrn-40-4", side=32, batch_size=128, files=0, steps=60 if quick else 150, kinds=kinds),
        Lane(
            model="resnet-50",
            side=224,
            batch_size=256 if is_large else 64,
            files=512,
            steps=12 if quick else 25,
            kinds=[*kinds, ("bf16", "uint8")],
        ),
    )


class CountingLoader(Loader):
    """A loader that adds up how long its batches were waited for."""

    waited_s = 0.0

    def epoch(self, epoch: int, first_step: int = 0) -> Generator[Batch]:
        """Yield the batches of an epoch from a step on."""
        with contextlib.closing(super().epoch(epoch, first_step)) as batches:
            for batch in batches:
                self.waited_s += batch.wait_s
                yield batch


class Stopwatch:
    """Times the steps of a training after its first ones, and asks it to stop after the last."""

    def __init__(self, device: torch.device, loader: CountingLoader, lane: Lane) -> None:
        self._device, self._loader = device, loader
        self._first, self._last = lane.warm_up, lane.warm_up + lane.steps
        self._started = self._waited_before = 0.0
        self.elapsed_s = self.waited_s = 0.0
        self._is_over = False

    def progress(self, done: int, total: int) -> None:
        """A step was ordered."""
        if done == self._first:
            synchronize(self._device)
            self._started, self._waited_before = time.perf_counter(), self._loader.waited_s
        elif done == self._last:
            synchronize(self._device)
            self.elapsed_s = time.perf_counter() - self._started
            self.waited_s = self._loader.waited_s - self._waited_before
            self._is_over = True

    def stop_requested(self) -> bool:
        """Whether the last step was timed."""
        return self._is_over


def source_of(lane: Lane, folder: Path) -> ImageSource:
    """Return the images of a lane; files are written once."""
    if lane.files:
        return jpeg_source(folder / lane.model, lane.files, lane.side)
    return resident_source(16 * lane.batch_size, lane.side)


def our_steps(
    lane: Lane,
    source: ImageSource,
    treatment: Treatment,
    recipe: RecipeConfig,
    device: torch.device,
    budget: ThreadBudget,
) -> tuple[float, float]:
    """Train some steps as a job does; return seconds an image, and the share of the time that was waited for batches."""
    # The images many times over, so that no epoch ends while it is timed: at its end a job also writes a checkpoint.
    samples = np.tile(
        np.arange(source.num_images), 1 + (lane.warm_up + lane.steps + 2) * lane.batch_size // source.num_images
    )
    order = Order(samples=samples, batch_size=lane.batch_size, num_shards=1, seed=0)
    loader = CountingLoader(
        source=source,
        treatment=treatment,
        order=order,
        rank=0,
        world_size=1,
        threads=budget.images,
        device=device,
    )
    training = Training(
        recipe=recipe,
        seed=0,
        model=untrained(lane.model, lane.side, recipe.precision),
        treatment=treatment,
        steps_per_epoch=order.steps_per_epoch,
        group=OneWorker(device),
        device=device,
    )
    watch = Stopwatch(device, loader, lane)
    hooks = LoopHooks(
        epoch_ended=lambda row: None,
        progress=watch.progress,
        save=lambda state, step: None,
        checkpoint_every_s=1e9,
        stop_requested=watch.stop_requested,
    )
    with loader, contextlib.suppress(JobStopped):
        training.run(loader, hooks)
    return watch.elapsed_s / (lane.steps * lane.batch_size), watch.waited_s / watch.elapsed_s


def bare_steps(lane: Lane, recipe: RecipeConfig, device: torch.device) -> float:
    """Do forward, backward and optimiser on one batch that stays on the device; return seconds an image."""
    model = untrained(lane.model, lane.side, recipe.precision).to(device).train()
    optimiser = build_optimiser(recipe, model)
    images = torch.rand(lane.batch_size, 3, lane.side, lane.side, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(lane.batch_size, device=device) % 10
    started = 0.0
    for step in range(lane.warm_up + lane.steps):
        if step == lane.warm_up:
            synchronize(device)
            started = time.perf_counter()
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    synchronize(device)
    return (time.perf_counter() - started) / (lane.steps * lane.batch_size)


def measure(lane: Lane, device: torch.device, folder: Path) -> tuple[list[harness.Measurement], list[str]]:
    """Measure one lane in each of its kinds; return a note on each."""
    source, budget = source_of(lane, folder), thread_budget(None, device)
    measured, notes = [], []
    for precision, rounding in lane.kinds:
        recipe = RecipeConfig(epochs=1, batch_size=lane.batch_size, precision=precision, lr=0.01)
        reset_process(budget, device, recipe)
        treatment = pixmix("imagenet" if lane.files else "cifar-10", lane.side, rounding=rounding)
        ours, bare, waits, uses = [], [], [], []
        with watched(device) as use:
            for _ in range(harness.MIN_ROUNDS):
                use()
                seconds, waited = our_steps(lane, source, treatment, recipe, device, budget)
                uses.append(use())
                ours.append(seconds)
                waits.append(waited)
                bare.append(bare_steps(lane, recipe, device))
        name = f"{lane.name}, {precision}" + ("" if rounding == "none" else f", {rounding}")
        case = harness.Case(name=name, ours=_nothing, peer=_nothing, peer_name="bare step", target=_target(device))
        measured.append(harness.Measurement(case=case, ours_s=tuple(ours), peer_s=tuple(bare)))
        notes.append(
            f"{name}: {lane.batch_size} images a step, {budget.images} threads, {1 / median(ours):.0f} images/s (bare "
            f"{1 / median(bare):.0f}), waited {max(waits):.1%} of the time at most; {uses[-1] or 'no GPU'}{_peak(device)}"
        )
    return measured, notes


def report(device: torch.device, *, quick: bool) -> harness.Report:
    """Measure every lane of a device."""
    measured: list[harness.Measurement] = []
    notes: list[str] = (
        [] if device.type == "cuda" else ["on a CPU, at tiny sizes: this proves the code and measures nothing"]
    )
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for lane in lanes(device, quick=quick):
            found, said = measure(lane, device, Path(folder))
            measured += found
            notes += said
    notes.append(f"took {time.monotonic() - started:.0f} s")
    environment: Mapping[str, Any] = environment_on(device)
    return harness.Report(benchmark="gpu_train", measurements=measured, notes=notes, environment=environment)


def _target(device: torch.device) -> float | None:
    return TARGET if device.type == "cuda" else None


def _nothing() -> None:
    """A case that is timed elsewhere."""


def _peak(device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    return f"; {torch.cuda.max_memory_reserved(device) / 2**20:.0f} MiB reserved at most"


def main() -> None:
    """Measure and print."""
    main_on_a_device("gpu_train", "Our training loop on a GPU against the bare step.", report)


if __name__ == "__main__":
    main()

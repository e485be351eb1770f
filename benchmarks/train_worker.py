"""One of the worker processes that `benchmarks.train` starts: trains some steps and says what they took, as one JSON line.

    python -m benchmarks.train_worker RANK WORLD_SIZE FOLDER STEPS MODEL

FOLDER holds `images.npy`, which all workers of the node map; with a WORLD_SIZE of 1 nothing is exchanged.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import distributed

from augment.treatment import Treatment
from trainers.config import RecipeConfig
from trainers.errors import JobStopped
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for
from trainers.training.group import distributed_group
from trainers.training.input.images import ResidentImages
from trainers.training.input.loader import Loader
from trainers.training.input.order import Order
from trainers.training.loop import LoopHooks, Training
from trainers.worker.process import ThreadBudget, reset_process

RECIPE: Final = RecipeConfig(epochs=1, batch_size=128, batch_shards=2)
IMAGES: Final = "images.npy"
WARM_UP: Final = 2


@dataclass(slots=True)
class Clock:
    """Notes wall and CPU time before every step, and ends the training after the last that is wanted."""

    steps: int
    marks: list[tuple[float, float]] = field(default_factory=list)

    def is_over(self) -> bool:
        """Note the time; a `stop_requested` hook, which every rank calls in every step."""
        self.marks.append((time.perf_counter(), time.process_time()))
        return len(self.marks) >= self.steps

    def per_step(self) -> tuple[float, float]:
        """Return wall and CPU seconds of a step, without the first ones."""
        counted = self.marks[WARM_UP:]
        wall, cpu = (counted[-1][kind] - counted[0][kind] for kind in (0, 1))
        return wall / (len(counted) - 1), cpu / (len(counted) - 1)


def train(images: NDArray[np.uint8], *, rank: int, world_size: int, steps: int, model: str) -> tuple[float, float]:
    """Train some steps through our loader and loop; return wall and CPU seconds of one."""
    group = distributed_group(rank=rank, world_size=world_size, device="cpu")
    reset_process(ThreadBudget(images=0, torch=1), group.device, RECIPE)
    order = Order(samples=np.arange(len(images)), batch_size=RECIPE.batch_size, num_shards=RECIPE.batch_shards, seed=0)
    network = model_for(model).build({"dropout": 0.0}, ModelInput(image_size=32, num_channels=3, num_classes=10))
    training = Training(
        recipe=RECIPE,
        seed=0,
        model=network.to(memory_format=torch.channels_last),
        treatment=Treatment(),
        steps_per_epoch=order.steps_per_epoch,
        group=group,
        device=group.device,
    )
    clock = Clock(steps)
    hooks = LoopHooks(
        epoch_ended=lambda row: None,
        progress=lambda done, total: None,
        save=lambda state, step: None,
        checkpoint_every_s=1e9,
        stop_requested=clock.is_over,
    )
    source = ResidentImages(images, np.arange(len(images)) % 10, crop_padding=4, flip=True)
    loader = Loader(
        source=source,
        treatment=Treatment(),
        order=order,
        rank=rank,
        world_size=world_size,
        threads=0,
        device=group.device,
    )
    with loader, contextlib.suppress(JobStopped):
        training.run(loader, hooks)
    return clock.per_step()


def memory_of_images() -> tuple[float, float]:
    """Return what this process maps of the images in MiB, and its proportional share of that."""
    maps = [area for area in psutil.Process().memory_maps() if Path(area.path).name == IMAGES]
    return sum(area.rss for area in maps) / 2**20, sum(area.pss for area in maps) / 2**20


def own_mib() -> float:
    """Return the memory that would be free if this process ended, in MiB."""
    return float(psutil.Process().memory_full_info().uss) / 2**20


def main() -> None:
    """Train and print one line."""
    rank, world_size, folder, steps, model = (
        int(sys.argv[1]),
        int(sys.argv[2]),
        Path(sys.argv[3]),
        int(sys.argv[4]),
        sys.argv[5],
    )
    torch.set_num_threads(1)
    imports_mib = own_mib()
    if world_size > 1:
        address = f"file://{folder}/{world_size}"
        distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)
    images = np.asarray(np.load(folder / IMAGES, mmap_mode="r"))
    wall_s, cpu_s = train(images, rank=rank, world_size=world_size, steps=steps, model=model)
    images.sum()  # a training of an epoch has seen every image
    if world_size > 1:
        distributed.barrier()
    mapped_mib, share_mib = memory_of_images()
    line = {
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "imports_mib": imports_mib,
        "own_mib": own_mib(),
        "images_mib": mapped_mib,
        "images_share_mib": share_mib,
    }
    if world_size > 1:
        distributed.barrier()
        distributed.destroy_process_group()
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    # About one process in twenty aborts while it unloads torch: a thread of gloo still runs.
    os._exit(0)


if __name__ == "__main__":
    main()

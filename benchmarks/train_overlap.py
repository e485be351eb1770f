"""Whether gradients travel while the backward pass runs: two workers, whose sums take 20 ms more for a whole network.

    python -m benchmarks.train_overlap RANK FOLDER STEPS

is one of the two worker processes that `measure` starts. The link costs no CPU time: a sum is reported as done when the bytes
that were handed over before it, and its own, would have passed. What a step waits is the time from handing over its last bucket,
when the backward pass is over, to the arrival of that. Every second step goes over the link, so that a busy moment of the machine
falls on both kinds of step.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, distributed
from torch.futures import Future

from augment.treatment import Treatment
from benchmarks import harness
from trainers.config import RecipeConfig
from trainers.errors import JobStopped
from trainers.models.contract import ModelInput
from trainers.models.normalize import Classifier, Normalize
from trainers.models.registry import model_for
from trainers.training.group import DistributedWorkers
from trainers.training.input.images import ResidentImages
from trainers.training.input.loader import Loader
from trainers.training.input.order import Order
from trainers.training.loop import LoopHooks, Training
from trainers.worker.process import ThreadBudget, reset_process

LINK_S: Final = 0.020
"""What the gradients of the whole network take on the link."""

MODEL: Final = "wrn-16-4"
"""Eleven megabytes of gradients, in two buckets."""

RECIPE: Final = RecipeConfig(epochs=1, batch_size=8, batch_shards=2)
WARM_UP: Final = 4


class _Parcel(NamedTuple):
    """A sum on its way over the link."""

    arrives_at: float
    total: Future[Tensor]
    arrived: Future[Tensor]


class LinkedWorkers(DistributedWorkers):
    """Workers whose sums also pass a link, one after the other, while `is_linked`.

    Attributes:
        wait_s: Seconds that the newest sum had to wait for its arrival.
    """

    def __init__(self, rank: int, bytes_per_s: float) -> None:
        super().__init__(rank, 2, torch.device("cpu"))
        self.is_linked = False
        self.wait_s = 0.0
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._parcels: SimpleQueue[_Parcel] = SimpleQueue()
        threading.Thread(target=self._carry, name="link", daemon=True).start()

    def start_sum(self, tensor: Tensor) -> Future[Tensor]:
        """Start a sum that is done when it has passed the link."""
        total = super().start_sum(tensor)
        if not self.is_linked:
            return total
        now = time.perf_counter()
        self._free_at = max(self._free_at, now) + tensor.nbytes / self._bytes_per_s
        self.wait_s = self._free_at - now
        arrived: Future[Tensor] = Future()
        self._parcels.put(_Parcel(self._free_at, total, arrived))
        return arrived

    def _carry(self) -> None:
        while True:
            parcel = self._parcels.get()
            value = parcel.total.wait()
            time.sleep(max(0.0, parcel.arrives_at - time.perf_counter()))
            parcel.arrived.set_result(value)


def train(rank: int, steps: int) -> dict[str, list[float]]:
    """Train some steps, every second one over the link; return the seconds of both kinds, and what linked ones waited."""
    reset_process(ThreadBudget(images=0, torch=1), torch.device("cpu"))
    network = model_for(MODEL).build({"dropout": 0.0}, ModelInput(image_size=32, num_channels=3, num_classes=10))
    model = Classifier(Normalize((0.5,) * 3, (0.5,) * 3), network)
    group = LinkedWorkers(rank, sum(parameter.nbytes for parameter in model.parameters()) / LINK_S)
    images = np.random.default_rng(0).integers(0, 256, (RECIPE.batch_size * (steps + 1), 32, 32, 3), dtype=np.uint8)
    order = Order(samples=np.arange(len(images)), batch_size=RECIPE.batch_size, num_shards=2, seed=0)
    source = ResidentImages(images, np.arange(len(images)) % 10, crop_padding=4, flip=True)
    training = Training(
        recipe=RECIPE,
        seed=0,
        model=model,
        treatment=Treatment(),
        steps_per_epoch=order.steps_per_epoch,
        group=group,
        device=group.device,
    )
    marks: list[float] = []
    waits: list[float] = []

    def is_over() -> bool:
        """Note when a step begins, and choose whether it goes over the link."""
        marks.append(time.perf_counter())
        if group.is_linked:
            waits.append(group.wait_s)
        group.is_linked = len(marks) % 2 == 0
        return len(marks) > steps

    hooks = LoopHooks(
        epoch_ended=lambda row: None,
        progress=lambda done, total: None,
        save=lambda state, step: None,
        checkpoint_every_s=1e9,
        stop_requested=is_over,
    )
    loader = Loader(
        source=source, treatment=Treatment(), order=order, rank=rank, world_size=2, threads=0, device=group.device
    )
    with loader, contextlib.suppress(JobStopped):
        training.run(loader, hooks)
    taken = [after - before for before, after in pairwise(marks)][WARM_UP:]
    return {"alone": taken[0::2], "linked": taken[1::2], "waits": waits[WARM_UP // 2 :]}


def measure(folder: Path, *, quick: bool) -> tuple[harness.Measurement, str]:
    """Return what a step waits for the link, as a share of the link's time, and a note on whole steps.

    Args:
        folder: An empty folder, for the two processes to meet in.
    """
    steps = WARM_UP + (24 if quick else 120)
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.train_overlap", str(rank), str(folder), str(steps)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parent.parent,
        )
        for rank in (0, 1)
    ]
    outputs = [worker.communicate(timeout=1200)[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError(f"a worker failed with codes {[worker.returncode for worker in workers]}")
    found = json.loads(outputs[0].strip().splitlines()[-1])
    case = harness.Case(
        name="20 ms of gradient sums, what a step waits",
        ours=lambda: None,
        peer=lambda: None,
        peer_name="sums after the backward pass: all of the 20 ms",
        target=0.3,
        at_most=True,
    )
    alone, over = (statistics.median(found[kind]) for kind in ("alone", "linked"))
    note = (
        f"gradient sums of {MODEL}, two workers over gloo: a step takes {alone * 1e3:.0f} ms without a link, "
        f"{over * 1e3:.0f} ms over a link of {LINK_S * 1e3:.0f} ms, and one after the other {(alone + LINK_S) * 1e3:.0f} ms"
    )
    return harness.Measurement(case=case, ours_s=tuple(found["waits"]), peer_s=(LINK_S,) * len(found["waits"])), note


def main() -> None:
    """Train as one of the two workers and print what its steps took."""
    rank, folder, steps = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/link", rank=rank, world_size=2)
    sys.stdout.write(json.dumps(train(rank, steps)) + "\n")
    distributed.barrier()
    distributed.destroy_process_group()
    sys.stdout.flush()
    # About one process in twenty aborts while it unloads torch: a thread of gloo still runs.
    os._exit(0)


if __name__ == "__main__":
    main()

"""Training speed: our loop with PixMix against the bare step, against the published kind of loop, and over two workers.

    python -m benchmarks.train [--quick] [--json] [--reference DIR] [--device cuda]

Targets: PixMix end to end at least 0.95 of the bare forward, backward and step on synthetic tensors of the same layout; at
least 1.8 times the images per second of the published kind of loop; two workers at least 1.7 times one (only claimed on idle
cores); of gradient sums that take 20 ms on an artificial link, at most 0.3 left to wait for after the backward pass
(`benchmarks.train_overlap`). A further worker on a node must cost the memory of a model, not of a dataset: the note says what it
took. What batches for a GPU cost its host is compared with the bare work of the kernels (`benchmarks.train_input`). With
`--device cuda` our whole loop on the GPU, fed from memory and from JPEG files, is compared with the bare step instead
(`benchmarks.gpu_train`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from augment.treatment import Treatment
from benchmarks import gpu_train, harness
from benchmarks.gpu_device import show_on
from benchmarks.train_input import host_measurements, pixmix
from benchmarks.train_overlap import measure as measure_overlap
from benchmarks.train_peer import BATCH, DROPOUT, GIVEN, MODEL, PeerProcess
from trainers.config import RecipeConfig
from trainers.models.normalize import Classifier, Normalize
from trainers.models.registry import model_for
from trainers.training.group import OneWorker
from trainers.training.input.images import ResidentImages
from trainers.training.input.loader import Loader
from trainers.training.input.order import Order
from trainers.training.loop import LoopHooks, Training
from trainers.worker.process import hold_memory

CPU: Final = OneWorker(torch.device("cpu"))


def synthetic(num_images: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]:
    """Return training images, labels and mixing images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (num_images, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 10, num_images), rng.integers(0, 256, (256, 36, 36, 3), dtype=np.uint8)


def classifier(*, channels_last: bool) -> Classifier:
    """Return a small Wide ResNet with normalisation as its first layer."""
    network = model_for(MODEL).build({"dropout": DROPOUT}, GIVEN)
    return Classifier(Normalize((0.5,) * 3, (0.5,) * 3), network, channels_last=channels_last)


class OurEpoch:
    """An epoch through our loader and loop."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], treatment: Treatment) -> None:
        self._recipe = RecipeConfig(epochs=1, batch_size=BATCH)
        self._order = Order(samples=np.arange(len(labels)), batch_size=BATCH, num_shards=1, seed=0)
        self._source = ResidentImages(images, labels, crop_padding=4, flip=True)
        self._treatment = treatment
        self._model = classifier(channels_last=True)

    def __call__(self) -> None:
        loader = Loader(
            source=self._source,
            treatment=self._treatment,
            order=self._order,
            rank=0,
            world_size=1,
            threads=0,
            device=CPU.device,
        )
        training = Training(
            recipe=self._recipe,
            seed=0,
            model=self._model,
            treatment=self._treatment,
            steps_per_epoch=self._order.steps_per_epoch,
            group=CPU,
            device=CPU.device,
        )
        hooks = LoopHooks(
            epoch_ended=lambda row: None,
            progress=lambda done, total: None,
            save=lambda state, step: None,
            checkpoint_every_s=1e9,
            stop_requested=lambda: False,
        )
        with loader:
            training.run(loader, hooks)


class BareEpoch:
    """Forward, backward and step on synthetic tensors in our layout; nothing is loaded, seeded, summed or reported."""

    def __init__(self, steps: int) -> None:
        self._model = classifier(channels_last=True).train()
        self._images = torch.rand(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
        self._labels = torch.randint(10, (BATCH,))
        self._steps = steps

    def __call__(self) -> None:
        optimiser = torch.optim.SGD(
            self._model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True, foreach=True
        )
        for _ in range(self._steps):
            optimiser.zero_grad()
            nn.functional.cross_entropy(self._model(self._images), self._labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def measure_speed(num_images: int, reference: Path | None, folder: Path, *, rounds: int) -> list[harness.Measurement]:
    """Compare our loop with the bare step, in this process, and with the published loop, in its own; one thread each.

    Our process holds freed memory, as every worker of ours does; the published loop has the allocator's defaults, as published.

    Args:
        num_images: Training images of an epoch.
        reference: A checkout of the published code whose operations the peer uses, or None for our own in their place.
        folder: An empty folder; the peer's mixing images are written to it, and it decodes one per sample, as published.
        rounds: Rounds that count.
    """
    images, labels, mixing_set = synthetic(num_images)
    ours = OurEpoch(images, labels, pixmix("cifar-10", 32, mixing_set=mixing_set))
    bare = harness.Case(
        name="PixMix end to end, of the bare step",
        ours=ours,
        peer=BareEpoch(num_images // BATCH),
        peer_name="forward, backward, step on synthetic tensors",
        target=0.95,
        ours_units=num_images,
        peer_units=num_images,
    )
    (of_bare,) = harness.measure([bare], rounds=rounds)
    with PeerProcess(folder, (images, labels, mixing_set), reference) as peer:
        published = harness.Case(
            name="PixMix end to end, images per second",
            ours=ours,
            peer=peer,
            peer_name="one image at a time, default layout"
            + (", Pillow" if reference is None else f", operations of {reference}"),
            target=1.8,
            ours_units=num_images,
            peer_units=num_images,
        )
        peer()
        pairs = [(_cpu_seconds(ours) / num_images, peer() / num_images) for _ in range(rounds)]
    mine, theirs = zip(*pairs, strict=True)
    return [of_bare, harness.Measurement(case=published, ours_s=mine, peer_s=theirs)]


def _cpu_seconds(call: Callable[[], None]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def start_workers(
    folder: Path, ranks: Sequence[int], world_size: int, steps: int, model: str
) -> list[dict[str, float]]:
    """Train some steps on worker processes side by side and return what each says of its time and memory.

    Args:
        folder: Holds the images; see `benchmarks.train_worker`.
        ranks: Rank of each process; workers of a `world_size` of 1 know nothing of each other.
        world_size: Workers of a group.
        steps: Steps of each.
        model: Key of `MODELS`.
    """
    arguments = [str(world_size), str(folder), str(steps), model]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.train_worker", str(rank), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parent.parent,
        )
        for rank in ranks
    ]
    outputs = [worker.communicate(timeout=1200)[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError(f"a worker of {len(ranks)} failed with codes {[worker.returncode for worker in workers]}")
    return [json.loads(output.strip().splitlines()[-1]) for output in outputs]


def worker_notes(*, quick: bool) -> list[str]:
    """Compare one worker with two at equal global batch: wall time where the cores are idle, else CPU time; and memory.

    Two workers that know nothing of each other show what two cores of this machine give at all.
    """
    model, steps, num_images = ("wrn-16-2", 5, 8192) if quick else ("wrn-16-4", 12, 65_536)
    idle = harness.is_idle()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = np.random.default_rng(0).integers(0, 256, (num_images, 32, 32, 3), dtype=np.uint8)
        np.save(folder / "images.npy", images)
        (one,) = start_workers(folder, [0], 1, steps, model)
        two = start_workers(folder, [0, 1], 2, steps, model)
        apart = start_workers(folder, [0, 0], 1, steps, model)
    wall, ceiling = one["wall_s"] / two[0]["wall_s"], 2 * one["wall_s"] / max(worker["wall_s"] for worker in apart)
    cpu = 2 * one["cpu_s"] / sum(worker["cpu_s"] for worker in two)
    cpu_apart = 4 * one["cpu_s"] / sum(worker["cpu_s"] for worker in apart)
    claim = f"{wall:.2f} by the wall (target 1.7)" if idle else f"not claimed, cores are busy (by the wall {wall:.2f})"
    return [
        f"two workers against one, {model}, equal global batch: {claim}; {cpu:.2f} by CPU time; two unconnected workers "
        f"on these cores: {ceiling:.2f} by the wall, {cpu_apart:.2f} by CPU time",
        memory_note(images.nbytes / 2**20, two),
    ]


def memory_note(dataset_mib: float, workers: Sequence[dict[str, float]]) -> str:
    """Say what a further worker takes of its own, and what of the images it maps is counted for it."""
    last = workers[-1]
    return (
        f"memory: a worker has {last['own_mib']:.0f} MiB of its own ({last['imports_mib']:.0f} after imports, the rest model, "
        f"optimiser, activations); of the {dataset_mib:.0f} MiB of images it maps {last['images_mib']:.0f}, and "
        f"{len(workers)} workers together hold {sum(worker['images_share_mib'] for worker in workers):.0f}"
    )


def _on_cpu(folder: Path, reference: Path | None, *, quick: bool) -> tuple[list[harness.Measurement], list[str]]:
    peers = folder / "peers"
    peers.mkdir()
    measured = measure_speed(BATCH * (2 if quick else 8), reference, peers, rounds=5 if quick else 9)
    of_input, notes = host_measurements(folder, quick=quick)
    of_sums, of_steps = measure_overlap(folder, quick=quick)
    return [*measured, *of_input, of_sums], [*notes, *worker_notes(quick=quick), of_steps]


def main() -> None:
    """Measure and print."""
    parser = harness.parser("train", "Training speed against the bare step and the published kind of loop.")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="cuda: steps on the first GPU only")
    options: Any = parser.parse_args()
    if options.device == "cuda":
        show_on("cuda", gpu_train.report, options)
        return
    torch.set_num_threads(1)
    hold_memory()  # as every worker does
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        measurements, notes = _on_cpu(Path(folder), options.reference, quick=options.quick)
    report = harness.Report(
        benchmark="train", measurements=measurements, notes=[*notes, f"took {time.monotonic() - started:.0f} s"]
    )
    harness.show(report, as_json=options.json)


if __name__ == "__main__":
    main()

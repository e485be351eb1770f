"""Images per second per core: our treatments beside the per-image pipelines that they replace.

    python -m benchmarks.augment [--quick] [--json] [--reference DIR]

`--reference` takes a checkout of andyzoujm/pixmix, whose operations and mixings then run in the peer of PixMix; without it the
peer is the same pipeline written from its description. Both sides crop and flip, except where a case says otherwise; neither
normalises. Peers work on images that are decoded already, apart from the mixing images of the first case.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from augment.compound import config_for
from augment.kernels.compiled import warm
from augment.kernels.counters import SampleKeys
from augment.kernels.geometry import gather_crop_flip
from augment.mixing_sets.contract import SetRequest
from augment.mixing_sets.procedural.fractals.fractals import FractalsConfig, FractalsSource
from augment.mixing_sets.registry import MIXING_SET_KERNELS
from augment.registry import METHODS
from augment.treatment import Treatment, TreatmentContext
from benchmarks.harness import MIN_ROUNDS, Case, Measurement, Report, is_idle, measure, parser, show
from benchmarks.pixmix_peer import Peer, derived_peer, published_peer, structured_images
from trainers.worker.process import hold_memory

SUMMARY = "Time the treatments of training images against per-image pipelines."
MEAN = (0.5, 0.5, 0.5)
NUM_FRACTALS, FRACTALS_BUDGET_S = 14_230, 120.0


def build(name: str, dataset: str, size: int, mixing_images: NDArray[np.uint8] | None = None) -> Treatment:
    """Build a method as a job on the dataset would."""
    method = METHODS[name]
    context = TreatmentContext(image_size=size, num_channels=3, num_classes=10, mean=MEAN, mixing_set=mixing_images)
    return method.build(config_for(method, dataset, {}), context)


class Batches:
    """Calls a treatment on one batch after another, each with fresh keys."""

    def __init__(self, treatment: Treatment, images: NDArray[np.uint8], *, crop: bool) -> None:
        self._treatment = treatment
        self._images = images
        self._padding = images.shape[1] // 8 if crop else None
        self._epoch = 0

    def __call__(self) -> object:
        self._epoch += 1
        return self.run(self._epoch)

    def run(self, epoch: int) -> object:
        """Prepare the batch of one epoch."""
        keys = SampleKeys(0, epoch, np.arange(len(self._images), dtype=np.int64))
        images = self._images
        if self._padding is not None:
            images = gather_crop_flip(images, np.arange(len(images)), keys, padding=self._padding, flip=True)
        return self._treatment.sample(images, keys)


class Singles:
    """Calls a per-image function on so many images, going round."""

    def __init__(self, function: Callable[[int], object], count: int) -> None:
        self._function = function
        self._count = count
        self._next = 0

    def __call__(self) -> None:
        for index in range(self._next, self._next + self._count):
            self._function(index)
        self._next += self._count


def pixmix_case(
    name: str,
    *,
    peer: Peer,
    dataset: str,
    mixing_images: Sequence[Image.Image | Path],
    resized: NDArray[np.uint8],
    target: float,
    batch: int,
    singles: int,
    crop: bool = True,
) -> Case:
    """Return a case of PixMix against its per-image pipeline."""
    images = structured_images(batch, peer.size, seed=1)
    decoded = [Image.fromarray(image) for image in images]
    config = config_for(METHODS["pixmix"], dataset, {})

    def one(index: int) -> object:
        mixing_image = mixing_images[int(peer.source.integers(len(mixing_images)))]
        return peer.sample(decoded[index % batch], mixing_image, beta=config.beta, severity=config.severity, crop=crop)

    return Case(
        name=name,
        ours=Batches(build("pixmix", dataset, peer.size, resized), images, crop=crop),
        peer=Singles(one, singles),
        peer_name=peer.name,
        target=target,
        ours_units=batch,
        peer_units=singles,
    )


def pixmix_cases(reference: Path | None, folder: Path, *, quick: bool) -> list[Case]:
    """Return the cases of PixMix at 32 and 224 pixels."""
    small, large = _peer(reference, 32), _peer(reference, 224)
    originals = structured_images(16 if quick else 64, 256, seed=2)
    files = _saved(originals, folder)
    at_36, at_252 = _resized(originals, 36), _resized(originals, 252)
    few, many = (12, 24) if quick else (32, 96)
    options: dict[str, Any] = {"dataset": "cifar-10", "peer": small, "resized": at_36, "batch": 128, "singles": many}
    wide: dict[str, Any] = {"dataset": "imagenet", "peer": large, "resized": at_252, "batch": 16, "singles": few}
    ready_252 = [Image.fromarray(mixing_image) for mixing_image in at_252]
    return [
        pixmix_case("pixmix 32 px, images opened per sample", mixing_images=files, target=60.0, **options),
        pixmix_case(
            "pixmix 32 px, images resized beforehand",
            mixing_images=[Image.fromarray(mixing_image) for mixing_image in at_36],
            target=35.0,
            **options,
        ),
        pixmix_case("pixmix 224 px, same crop", mixing_images=ready_252, target=6.0, **wide),
        pixmix_case("pixmix 224 px, without crop", mixing_images=ready_252, target=8.0, crop=False, **wide),
    ]


def rival_cases(*, quick: bool) -> list[Case]:
    """Return AugMix, AutoAugment and Cutout against torchvision's transforms."""
    from torchvision.transforms import v2

    images = structured_images(128, 32, seed=3)
    decoded = [Image.fromarray(image) for image in images]
    crop = [v2.RandomHorizontalFlip(), v2.RandomCrop(32, padding=4)]
    to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    peers = {
        "augmix": v2.Compose([*crop, v2.AugMix(all_ops=False), *to_float]),
        "autoaugment": v2.Compose([*crop, v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10), v2.ToImage()]),
        "cutout": v2.Compose(
            [*crop, *to_float, v2.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0), value=0.5)]
        ),
    }
    singles = 24 if quick else 96
    return [
        Case(
            name=f"{name} 32 px",
            ours=Batches(build(name, "cifar-10", 32), images, crop=True),
            peer=Singles(lambda index, peer=peer: peer(decoded[index % 128]), singles),  # type: ignore[misc]
            peer_name="torchvision v2",
            target=20.0,
            ours_units=128,
            peer_units=singles,
        )
        for name, peer in peers.items()
    ]


def assembly_case() -> Case:
    """Return crop, flip and batch assembly against a plain copy of the same rows."""
    dataset = structured_images(1024, 32, seed=4)
    rows = np.random.default_rng(0).permutation(1024)[:512].astype(np.int64)
    keys = SampleKeys(0, 0, rows)
    return Case(
        name="crop + flip + batch assembly 32 px",
        ours=lambda: gather_crop_flip(dataset, rows, keys, padding=4, flip=True),
        peer=lambda: dataset[rows],
        peer_name="plain copy of the rows",
        target=3.0,
        at_most=True,
        ours_units=512,
        peer_units=512,
    )


def measure_threads(*, quick: bool) -> tuple[Measurement, str]:
    """Measure two threads against one on PixMix at 32 pixels: by the clock on an idle machine, else by CPU time."""
    batches = Batches(
        build("pixmix", "cifar-10", 32, structured_images(64, 36, seed=5)),
        structured_images(512, 32, seed=6),
        crop=True,
    )
    epochs, idle = range(1, 5 if quick else 17), is_idle()
    with ThreadPoolExecutor(2) as pool:
        case = Case(
            name="pixmix 32 px, two threads" if idle else "pixmix 32 px, two threads, CPU-time efficiency",
            ours=lambda: list(pool.map(batches.run, epochs)),
            peer=lambda: [batches.run(epoch) for epoch in epochs],
            peer_name="one thread",
            target=1.8 if idle else 0.9,
        )
        (found,) = measure([case], clock="wall" if idle else "cpu")
    note = "two threads were timed by the clock on an idle machine"
    return (
        found,
        note
        if idle
        else "the machine was busy: scaling over cores is not claimed, CPU-time efficiency is reported instead",
    )


def measure_fractals(*, rounds: int, quick: bool) -> Measurement:
    """Measure the CPU time of the set of fractals at 256 pixels, without encoding, against the two minutes it may take."""
    source = FractalsSource(FractalsConfig(), set_request(NUM_FRACTALS, 256))
    count = 24 if quick else 96
    source.render(np.arange(2, dtype=np.int64))
    spent = []
    for number in range(rounds):
        indices = np.arange(number * count, (number + 1) * count, dtype=np.int64)
        started = time.process_time()
        source.render(indices)
        spent.append((time.process_time() - started) / count)
    case = Case(
        name="14,230 fractals 256 px, one core",
        ours=lambda: source.render(np.arange(count, dtype=np.int64)),
        peer=lambda: None,
        peer_name="120 s for the set",
        target=1.0,
        at_most=True,
        ours_units=count,
    )
    return Measurement(case=case, ours_s=tuple(spent), peer_s=(FRACTALS_BUDGET_S / NUM_FRACTALS,) * rounds)


def set_request(num_images: int, side: int) -> SetRequest:
    """Return the request of a procedural set in colour, which reads and writes no file."""
    nowhere = Path()
    return SetRequest(
        num_images=num_images, image_size=side, num_channels=3, seed=0, data_root=nowhere, cache_dir=nowhere
    )


def _peer(reference: Path | None, size: int) -> Peer:
    return published_peer(reference, size) if reference else derived_peer(size)


def _saved(mixing_images: NDArray[np.uint8], folder: Path) -> list[Path]:
    paths = [folder / f"{index}.jpg" for index in range(len(mixing_images))]
    for path, mixing_image in zip(paths, mixing_images, strict=True):
        Image.fromarray(mixing_image).save(path, quality=90)
    return paths


def _resized(mixing_images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.stack(
        [np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BILINEAR)) for each in mixing_images]
    )


def run(*, quick: bool, reference: Path | None) -> Report:
    """Run all cases and return the report; memory is kept between batches, as in a worker that trains, for both sides."""
    torch.set_num_threads(1)
    hold_memory()
    warm((*(call for method in METHODS.values() for call in method.kernels), *MIXING_SET_KERNELS))
    rounds = MIN_ROUNDS if quick else 9
    with tempfile.TemporaryDirectory() as folder:
        cases = [*pixmix_cases(reference, Path(folder), quick=quick), *rival_cases(quick=quick), assembly_case()]
        measurements = measure(cases, rounds=rounds, min_round_s=0.02 if quick else 0.2)
    fractals = measure_fractals(rounds=rounds, quick=quick)
    threads, note = measure_threads(quick=quick)
    notes = [note, "seconds are CPU time per image on one core, medians over interleaved rounds"]
    return Report(benchmark="augment", measurements=[*measurements, fractals, threads], notes=notes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    options = parser("augment", SUMMARY).parse_args(arguments)
    show(run(quick=options.quick, reference=options.reference), as_json=options.json)


if __name__ == "__main__":
    main()

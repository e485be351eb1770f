"""The input path of evaluation, for `benchmarks.eval`: files and generators, threads and copies, against bare forward passes.

The files are JPEGs of 224 px as those of ImageNet-C, made by the benchmark. On a CPU the work of a GPU worker's host is
measured, with a device that takes batches and does nothing with them; `end_to_end_cases` measure the whole of it on any device.
"""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from benchmarks import harness
from benchmarks.gpu_device import synchronize
from benchmarks.null_engine import NullEngine
from eval.benchmarks.protocols.published import limited
from eval.corruptions.generate import CorruptedSet
from eval.inference.batches import on_device, own_batches, to_pixels
from eval.inference.image_sets import ImageSet
from eval.inference.precision import EvaluationPrecision, float32_products, in_precision
from eval.inference.predict import predict_sets
from eval.inference.subject import Subject
from eval.inference.transfer import float_images
from eval.published_files.folders import Preprocessing, corrupted_folders

SIDE: Final = 224
CLASSES: Final = tuple(f"n{number:08}" for number in range(10))
QUALITY: Final = 85
"""Of the JPEG files of ImageNet-C."""

PRECISIONS: Final[tuple[EvaluationPrecision, ...]] = get_args(EvaluationPrecision)

_DISTINCT: Final = 32
"""Images that are encoded; files repeat them, since writing is not what is measured."""


def stored_sets(folder: Path, subject: Subject, num_images: int, preprocessing: Preprocessing) -> list[ImageSet]:
    """Return a set of JPEG files as ImageNet-C has them; they are written to the folder where they are not there."""
    if not folder.exists():
        _write_files(folder / "fog" / "3", num_images)
    sets = corrupted_folders(folder, CLASSES, kinds=["fog"], severities=[3], side=SIDE, preprocessing=preprocessing)
    return limited(sets, None, subject)


def generated_sets(subject: Subject, kinds: Sequence[str]) -> list[ImageSet]:
    """Return corruptions of a subject's test images, made on the fly."""
    indices = np.arange(len(subject.images))
    made = [
        CorruptedSet(images=subject.images, kind=kind, severity=3, fingerprint=subject.fingerprint) for kind in kinds
    ]
    return [
        ImageSet(
            fields={"corruption": each.kind, "severity": 3}, labels=subject.labels, load=partial(_rows, each, indices)
        )
        for each in made
    ]


def _rows(made: CorruptedSet, indices: NDArray[np.int64], start: int, stop: int) -> NDArray[np.uint8]:
    return made.at(indices[start:stop])


def subject_at_224(folder: Path, model: nn.Module, device: torch.device, num_images: int) -> Subject:
    """Return a network with smooth test images of 224 px and ten classes."""
    return Subject(
        model=model.to(device).eval(),
        device=device,
        dataset="benchmark",
        fingerprint="benchmark",
        images=_smooth_images(num_images),
        labels=np.arange(num_images) % len(CLASSES),
        num_classes=len(CLASSES),
        data_root=folder,
        cache_dir=folder / "cache",
        load_images=lambda name: _smooth_images(10),
    )


def path_cases(
    subject: Subject, named: Sequence[tuple[str, Sequence[ImageSet]]], *, threads: Sequence[int]
) -> Iterator[harness.Case]:
    """Compare ring and hand-over with the bare calls that load the same images in as many threads: CPU time."""
    for name, sets in named:
        total = sum(map(len, sets))
        for ahead in threads:
            yield harness.Case(
                name=f"{name}: {ahead} thread{'s' if ahead > 1 else ''} ahead",
                ours=partial(_drain, replace(subject, threads=ahead), sets),
                peer=partial(_load, sets, subject.batch_size, threads=ahead),
                peer_name="bare loading in as many threads",
                target=0.9,
                ours_units=total,
                peer_units=total,
            )


def end_to_end_cases(
    subject: Subject,
    named: Sequence[tuple[str, Sequence[ImageSet]]],
    *,
    precision: EvaluationPrecision = "fp32",
    target: float | None = None,
) -> Iterator[harness.Case]:
    """Compare predictions on sets with the same number of forward passes on images that are on the device already.

    Args:
        precision: In which arithmetic the network is evaluated.
    """
    chosen = replace(subject, model=in_precision(subject.model, precision, subject.device), precision=precision)
    for name, sets in named:
        total = sum(map(len, sets))
        yield harness.Case(
            name=f"{name}, {precision}: end to end",
            ours=partial(_whole, chosen, partial(predict_sets, chosen, sets)),
            peer=partial(_whole, chosen, partial(bare_forward, chosen, total)),
            peer_name="bare forward passes",
            target=target,
            ours_units=total,
            peer_units=total,
        )


def bare_forward(subject: Subject, num_images: int) -> None:
    """Run forward passes only, over one batch that is ready."""
    batch = to_pixels(subject.images[: subject.batch_size], subject)
    with torch.inference_mode():
        for start in range(0, num_images, subject.batch_size):
            subject.model(batch[: min(subject.batch_size, num_images - start)])


def wait_note(subject: Subject, name: str, sets: Sequence[ImageSet], *, precision: EvaluationPrecision) -> str:
    """Say for how much of an evaluation its thread waits for batches that are not there yet."""
    model = in_precision(subject.model, precision, subject.device)
    batches = own_batches(subject, [(len(each), each.group) for each in sets])
    waited, started = 0.0, time.perf_counter()
    with (
        float32_products(precision),
        torch.inference_mode(),
        closing(on_device(subject, sets, batches)) as arrivals,
    ):
        while True:
            asked = time.perf_counter()
            arrival = next(arrivals, None)
            waited += time.perf_counter() - asked
            if arrival is None:
                break
            model(float_images(arrival.images, copy=False))
            synchronize(subject.device)
    share = waited / (time.perf_counter() - started)
    return f"{name}, {precision}: {subject.threads} threads ahead, waited for batches in {share:.0%} of the time"


def _drain(subject: Subject, sets: Sequence[ImageSet]) -> None:
    """Take all batches, as a device that needs no time for them."""
    batches = own_batches(subject, [(len(each), each.group) for each in sets])
    with closing(on_device(subject, sets, batches, engine=NullEngine())) as arrivals:
        for arrival in arrivals:
            assert len(arrival.labels)


def _load(sets: Sequence[ImageSet], batch_size: int, *, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for each in sets:
            starts = range(0, len(each), batch_size)
            # What is loaded is dropped at once, as a device drops it.
            deque(
                pool.map(lambda start, each=each: len(each.load(start, min(start + batch_size, len(each)))), starts), 0
            )


def _whole(subject: Subject, call: Callable[[], object]) -> None:
    """Call in a subject's precision, and let its device finish."""
    with float32_products(subject.precision):
        call()
        synchronize(subject.device)


def _smooth_images(count: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    made = [_photograph(rng) for _ in range(min(count, _DISTINCT))]
    return np.stack([made[number % len(made)] for number in range(count)])


def _photograph(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image with structure and some noise, which JPEG makes about 16 kB of, as of those of ImageNet-C."""
    coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float64)
    return np.clip(smooth + rng.normal(0, 6, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def _write_files(folder: Path, num_images: int) -> None:
    encoded = []
    for image in _smooth_images(_DISTINCT):
        file = io.BytesIO()
        Image.fromarray(image).save(file, format="JPEG", quality=QUALITY)
        encoded.append(file.getvalue())
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(num_images):
        path = folder / CLASSES[number % len(CLASSES)] / f"ILSVRC2012_val_{number:08}.JPEG"
        path.write_bytes(encoded[number % _DISTINCT])

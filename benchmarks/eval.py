"""How fast evaluation is: our generators against the published ones, and the whole suite against bare forward passes.

Generators are timed per image and core, ours in batches, the published ones image by image as they are used. Only kinds
whose published generator runs on this machine count, and the notes name those that do not. The suite's time from kept arrays is
held against the forward passes alone of the same network on the same images. Verifying the kept arrays, which a process does
once, is held against one evaluation that reads them. The input path is measured on JPEG files of 224 px and on corruptions that
are made on the fly (`benchmarks.eval_input`): CPU time of threads and hand-over against the bare calls.

With `--device cuda`: ResNet-50 from those files and WRN-40-4, wall time end to end against the forward passes alone
(`benchmarks.gpu_eval`).
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from augment.files.kept import forget_verified, kept_facts
from benchmarks.harness import Case, Report, measure, parser, show
from eval.benchmarks.contract import BenchmarkRequest, EvaluationData
from eval.corruptions.cache import LABEL
from trainers.worker.process import hold_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from benchmarks.published_generators import Generator
    from eval.inference.image_sets import ImageSet
    from eval.inference.subject import Subject

TARGETS: Final[Mapping[str, float]] = {
    "c-32": 12.0,
    "c-224": 8.0,
    "cbar-32": 50.0,
    "p-32": 10.0,
    "suite": 0.95,
    "verify": 0.02,
}
FINGERPRINT: Final = "benchmark"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; see the module."""
    made = parser("eval", "Speed of the generators and of the suite.")
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where networks are evaluated")
    options = made.parse_args(arguments)
    if options.device == "cuda":
        from benchmarks import gpu_eval
        from benchmarks.gpu_device import show_on

        show_on("cuda", gpu_eval.report, options)
        return 0
    notes: list[str] = []
    hold_memory()  # as in a worker
    with _one_thread(), tempfile.TemporaryDirectory() as folder:
        cases = list(_suite_cases(Path(folder), num_images=250 if options.quick else 1000, notes=notes))
        cases += _input_cases(Path(folder), is_quick=options.quick)
        if options.reference is None:
            notes.append("no --reference given: the published generators were not run")
        else:
            from benchmarks.published_generators import reference_complaint

            complaint = reference_complaint(options.reference)
            if complaint:
                sys.stderr.write(complaint + "\n")
                return 2
            cases += _generator_cases(options.reference.resolve(), is_quick=options.quick, notes=notes)
        report = Report(benchmark="eval", measurements=measure(cases), notes=notes)
    show(report, as_json=options.json)
    return 0


def _input_cases(folder: Path, *, is_quick: bool) -> Iterator[Case]:
    """Yield the cases of files and of generated images at 224 px, on this CPU."""
    from dataclasses import replace

    import torch

    from benchmarks.eval_input import end_to_end_cases, generated_sets, path_cases, subject_at_224

    num_images = 384 if is_quick else 1024
    subject = subject_at_224(folder, _network(), torch.device("cpu"), num_images)
    files = _stored(folder / "files", subject, num_images)
    few = subject_at_224(folder, subject.model, subject.device, num_images // 8)
    made = [("C at 224 px on the fly", generated_sets(few, ["gaussian_noise", "fog", "contrast"]))]
    # Small batches, so that buffers are used again and again, as in an evaluation of thousands of batches: the first touch of
    # a buffer costs a third of the reading of the images in it.
    yield from path_cases(replace(subject, batch_size=16), [*files, *made], threads=(1, 4) if is_quick else (1, 4, 8))
    yield from end_to_end_cases(subject, _stored(folder / "few", subject, num_images // 8))


def _stored(folder: Path, subject: Subject, num_images: int) -> list[tuple[str, list[ImageSet]]]:
    from benchmarks.eval_input import stored_sets

    return [
        ("ImageNet-C as stored", stored_sets(folder, subject, num_images, "as-stored")),
        ("ImageNet-C, reference preprocessing", stored_sets(folder, subject, num_images, "reference")),
    ]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def images(count: int, side: int) -> NDArray[np.uint8]:
    """Return smooth images with some noise, the same each time."""
    y, x = np.mgrid[:side, :side] / side
    index = np.arange(count)[:, None, None, None]
    phase = np.arange(3)[None, None, None, :]
    waves = np.sin(7 * x[None, :, :, None] + index + phase) + np.cos(5 * y[None, :, :, None] - index * phase)
    grain = (index * 7919 + np.arange(side * side * 3).reshape(1, side, side, 3) * 104729) % 37
    return np.asarray(np.clip(127 + 50 * waves + grain - 18, 0, 255), dtype=np.uint8)


def _generator_cases(reference: Path, *, is_quick: bool, notes: list[str]) -> list[Case]:
    from benchmarks.published_generators import published_bar, published_c, published_p
    from eval.corruptions.families import FAMILIES
    from eval.corruptions.generate import corrupt
    from eval.perturbations.frames import perturb
    from eval.perturbations.p.registry import BENCHMARK_PERTURBATIONS

    def corrupted(kind: str, images: NDArray[np.uint8], family: str) -> object:
        indices = np.arange(len(images))
        return corrupt(images, kind, 3, fingerprint=FINGERPRINT, indices=indices, family=family)

    def perturbed(kind: str, images: NDArray[np.uint8], _: str) -> object:
        return perturb(images, kind, fingerprint=FINGERPRINT, indices=np.arange(len(images)))

    few = 1 if is_quick else 3
    wanted = list(FAMILIES["c"].kinds)[:15]
    cases = [_summed("c-32", published_c(reference, 32, 3), wanted, corrupted, 32, 250, few, notes, family="c")]
    if not is_quick:
        cases.append(_summed("c-224", published_c(reference, 224, 3), wanted, corrupted, 224, 8, 1, notes, family="c"))
    if "cbar" in FAMILIES:
        bar = published_bar(reference, 32)
        cases.append(_summed("cbar-32", bar, list(bar), corrupted, 32, 100, few, notes, family="cbar"))
    sequences = published_p(reference)
    cases.append(_summed("p-32", sequences, BENCHMARK_PERTURBATIONS, perturbed, 32, 50, few, notes, family="p"))
    return cases


def _summed(
    name: str,
    published: Mapping[str, Generator],
    wanted: Sequence[str],
    ours: Callable[[str, NDArray[np.uint8], str], object],
    side: int,
    batch: int,
    few: int,
    notes: list[str],
    *,
    family: str,
) -> Case:
    """Return the case of all kinds whose published generator runs here, one after the other."""
    kinds = [kind for kind in wanted if kind in published]
    left_out = [kind for kind in wanted if kind not in published]
    if left_out:
        notes.append(f"{name}: the published generators of {', '.join(left_out)} do not run here and are left out")
    many, some = images(batch, side), images(few, side)
    return Case(
        name=f"{name}: {len(kinds)} of {len(wanted)} kinds, per image",
        ours=lambda: [ours(kind, many, family) for kind in kinds],
        peer=lambda: [published[kind](image.copy()) for kind in kinds for image in some],
        peer_name="published generators",
        target=TARGETS[name],
        ours_units=batch,
        peer_units=few,
    )


def _suite_cases(folder: Path, *, num_images: int, notes: list[str]) -> Iterator[Case]:
    from dataclasses import replace

    from eval.benchmarks.suite.evaluate import evaluate
    from eval.benchmarks.suite.passes import suite_passes

    subject = _subject(folder, num_images)
    requests = [
        BenchmarkRequest(name="clean", params={}, key="clean"),
        BenchmarkRequest(name="c-generated", params={"kinds": ["fog", "contrast"], "severities": [1, 5]}, key="c"),
    ]
    attack = [BenchmarkRequest(name="pgd", params={"max_images": 100}, key="pgd")]
    data = EvaluationData(
        dataset=subject.dataset,
        num_images=num_images,
        num_classes=subject.num_classes,
        side=32,
        data_root=None,
        is_dataset=lambda name: False,
    )
    counted = sum(report.outcome.forward_passes for report in evaluate(subject, requests) if report.outcome)
    expected = suite_passes(requests, data).forward
    notes.append(f"forward passes of the suite: {counted} counted, {expected} by the cost model")
    fresh = replace(subject, generated_bytes=0, cache_dir=folder / "empty")
    attacked = suite_passes(attack, data)
    for name, ours, units, target in (
        ("suite: from kept arrays", lambda: evaluate(subject, requests), counted, TARGETS["suite"]),
        ("suite: generated on the fly", lambda: evaluate(fresh, requests), counted, None),
        ("PGD, 20 steps, per forward pass", lambda: evaluate(subject, attack), attacked.forward, None),
    ):
        yield Case(
            name=name,
            ours=ours,
            peer=lambda: _bare(subject, counted),
            peer_name="bare forward passes",
            target=target,
            ours_units=units,
            peer_units=counted,
        )

    yield Case(
        name="verify the kept arrays of the suite",
        ours=lambda: _verify(folder / "cache"),
        peer=lambda: evaluate(subject, requests),
        peer_name="the suite that reads them",
        target=TARGETS["verify"],
        at_most=True,
    )


def _verify(cache_dir: Path) -> None:
    """Hash every kept file, as the first evaluation of a process does."""
    forget_verified()
    for record in (cache_dir / LABEL).glob("*.json"):
        kept_facts(record)


def _network() -> nn.Module:
    """Return a small network for ten classes."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    widths = (3, 32, 64, 64, 128)
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(before, after, 3, stride=1 + number % 2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10)).eval()
    return network.to(memory_format=torch.channels_last)


def _subject(folder: Path, num_images: int) -> Subject:
    import torch

    from eval.inference.subject import Subject

    return Subject(
        model=_network(),
        device=torch.device("cpu"),
        dataset="benchmark",
        fingerprint=FINGERPRINT,
        images=images(num_images, 32),
        labels=np.arange(num_images) % 10,
        num_classes=10,
        data_root=folder,
        cache_dir=folder / "cache",
        load_images=lambda name: images(10, 32),
    )


def _bare(subject: Subject, count: int) -> None:
    """Run forward passes only, over batches that are ready."""
    import torch

    from eval.inference.batches import to_pixels

    batch = to_pixels(subject.images[: subject.batch_size], subject)
    with torch.inference_mode():
        for _ in range(count // subject.batch_size):
            subject.model(batch)


if __name__ == "__main__":
    raise SystemExit(main())

"""Evaluation on a GPU: predictions from JPEG files and from memory, end to end, against the forward passes alone.

    python -m benchmarks.eval --device cuda [--quick] [--json]
    python -m benchmarks.gpu_eval --device cpu --quick        proves the code at tiny sizes, measures nothing

Ours is what a benchmark runs: files decoded in threads, pinned ring, copies, `eval.inference.predict`. The other side is the same
number of forward passes of the same network over one batch that is on the device already. Both take turns; target 0.9.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import torch

from benchmarks import harness
from benchmarks.eval_input import PRECISIONS, SIDE, end_to_end_cases, stored_sets, subject_at_224, wait_note
from benchmarks.gpu_device import environment_on, main_on_a_device, untrained, watched
from eval.inference.image_sets import ImageSet, of_array
from eval.inference.precision import EvaluationPrecision
from eval.inference.subject import Subject
from trainers.config import RecipeConfig
from trainers.worker.process import reset_process, thread_budget

TARGET: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What is measured on a device.

    Attributes:
        small: Network at 32 px, from memory; `large` is that at 224 px, from JPEG files.
        large: See `small`.
        in_memory: Images at 32 px; `in_files` those at 224 px.
        in_files: See `in_memory`.
        batch_size: Images of a batch.
    """

    small: str
    large: str
    in_memory: int
    in_files: int
    batch_size: int


def sizes(device: torch.device, *, quick: bool) -> Sizes:
    """Return what is measured on a device."""
    if device.type == "cpu":
        return Sizes(small="small-cnn", large="small-cnn", in_memory=48, in_files=12, batch_size=8)
    return Sizes(
        small="wrn-40-4",
        large="resnet-50",
        in_memory=20_000 if quick else 50_000,
        in_files=2_000 if quick else 5_000,
        batch_size=250,
    )


def report(device: torch.device, *, quick: bool) -> harness.Report:
    """Measure all on a device; return notes on waiting and on how busy it was."""
    chosen, budget = sizes(device, quick=quick), thread_budget(None, device)
    # As a job that is not deterministic sets it.
    reset_process(budget, device, RecipeConfig())
    target = TARGET if device.type == "cuda" else None
    cases: list[harness.Case] = []
    looks: list[Callable[[], str]] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def add(what: str, subject: Subject, sets: Sequence[ImageSet], precision: EvaluationPrecision) -> None:
            cases.extend(end_to_end_cases(subject, [(what, sets)], precision=precision, target=target))
            looks.append(lambda: wait_note(subject, what, sets, precision=precision))

        large = subject_at_224(folder, untrained(chosen.large, SIDE, "fp32"), device, chosen.batch_size)
        large = replace(large, threads=budget.images, batch_size=chosen.batch_size)
        for precision in PRECISIONS:
            sets = stored_sets(folder / "files", large, chosen.in_files, "as-stored")
            add(f"{chosen.large}, ImageNet-C as stored", large, sets, precision)
        sets = stored_sets(folder / "files", large, chosen.in_files, "reference")
        add(f"{chosen.large}, ImageNet-C reference", large, sets, "bf16")
        images = np.random.default_rng(0).integers(0, 256, (chosen.in_memory, 32, 32, 3), dtype=np.uint8)
        small = replace(
            large, model=untrained(chosen.small, 32, "fp32").to(device).eval(), images=images[: chosen.batch_size]
        )
        for precision in ("fp32", "bf16"):
            add(f"{chosen.small} at 32 px", small, [of_array(images, np.arange(len(images)) % 10)], precision)
        measured = harness.measure(cases, clock="wall")
        with watched(device) as use:
            notes = []
            for look in looks:
                use()
                said = look()
                notes.append(f"{said}; {use() or 'no GPU'}")
    notes += [
        f"{case.case.name}: {1 / median(case.ours_s):.0f} images/s (bare {1 / median(case.peer_s):.0f})"
        for case in measured
    ]
    if device.type == "cpu":
        notes.append("on a CPU, at tiny sizes: this proves the code and measures nothing")
    notes.append(f"took {time.monotonic() - started:.0f} s")
    return harness.Report(benchmark="gpu_eval", measurements=measured, notes=notes, environment=environment_on(device))


def main() -> None:
    """Measure and print."""
    main_on_a_device("gpu_eval", "Evaluation on a GPU against the forward passes alone.", report)


if __name__ == "__main__":
    main()

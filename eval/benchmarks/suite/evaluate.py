"""The suite: one checkpoint in, a report per requested benchmark out, each image through the network once.

A benchmark that fails is reported with its reason and the others still run; the workers agree on that, so none is left waiting.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from augment.files.published import Identified, check_planned
from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.files import files_identity, needed_datasets
from eval.errors import EvalError
from eval.inference.agreement import InStep
from eval.inference.memory import Parts
from eval.inference.precision import check_precision, float32_products, in_precision
from eval.inference.subject import Evaluation, Subject
from eval.report import AT_ONCE, PRECISION_NOTE, BenchmarkOutcome, MetricReport

OnReport = Callable[[MetricReport], None]
OnProgress = Callable[[str, int, int], None]
"""(benchmark, images that this worker has seen, images that it will see)."""


def _ignore(*_: object) -> None:
    """Report nothing."""


def evaluate(
    subject: Subject,
    requests: Sequence[BenchmarkRequest],
    *,
    on_report: OnReport = _ignore,
    on_progress: OnProgress = _ignore,
) -> tuple[MetricReport, ...]:
    """Evaluate a checkpoint on some benchmarks; every worker calls this with the same requests and gets the same reports.

    Args:
        requests: The benchmarks, in the order in which they run.
        on_report: Called as soon as a benchmark has ended, well or badly, on every worker.

    Raises:
        EvalError: If the test images themselves cannot be evaluated (labels and images do not match, training mode).
        WorkersLost: If a worker ran out of memory or disk; on that worker the original error is raised.
    """
    workers = InStep(subject.workers)
    subject = dataclasses.replace(subject, workers=workers, evaluation=Evaluation())
    readiness = workers.agree(lambda: check_subject(subject))
    if readiness.failure is not None:
        raise EvalError(readiness.failure)
    reports = []
    for request in requests:
        subject.evaluation.on_images = _progress_of(request, on_progress)
        report = _report(subject, workers, request)
        on_report(report)
        reports.append(report)
    return tuple(reports)


def check_subject(subject: Subject) -> None:
    """Refuse test images that cannot be evaluated."""
    images, labels = subject.images, subject.labels
    mistakes = []
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) == 0:
        mistakes.append(f"test images must be (N, H, W, C) uint8 with N > 0, but are {images.shape} {images.dtype}")
    if labels.shape != (len(images),):
        mistakes.append(f"labels must match the {len(images)} test images, but have the shape {labels.shape}")
    if labels.size and (labels.min() < 0 or labels.max() >= subject.num_classes):
        mistakes.append(
            f"labels must be in [0, {subject.num_classes}) for {subject.dataset!r}, but range from {labels.min()} to "
            f"{labels.max()}; are these the labels of another dataset?"
        )
    if subject.batch_size < 1:
        mistakes.append(f"the batch size must be at least 1, but is {subject.batch_size}")
    if subject.model.training:
        mistakes.append("the network must be in evaluation mode, but is in training mode; call model.eval()")
    if mistakes:
        raise EvalError("; ".join(mistakes))


def _report(subject: Subject, workers: InStep, request: BenchmarkRequest) -> MetricReport:
    started, seen = time.monotonic(), subject.evaluation.forward_passes
    agreed = workers.agree(lambda: _run(subject, request))
    outcome = agreed.value
    if outcome is not None:
        outcome = dataclasses.replace(outcome, forward_passes=subject.evaluation.forward_passes - seen)
    return MetricReport(
        benchmark=request.name,
        benchmark_key=request.key,
        semantics=_semantics(request.name),
        outcome=outcome,
        error=agreed.failure,
        wall_s=time.monotonic() - started,
    )


def _run(subject: Subject, request: BenchmarkRequest) -> BenchmarkOutcome:
    benchmark = benchmark_for(request.name)
    if request.code and (benchmark.code or {}).get("source") != request.code:
        raise EvalError(
            f"the code of benchmark {request.name!r} must be what it was while planning, since results are recorded under its "
            "hash, but it is different on this worker; plan again, and install the same version of the package on all machines"
        )
    config = benchmark.config_of(request.params)
    files = _files_of(subject, request)
    wrong = [text for name, each in files.items() if (text := check_planned(name, request.files.get(name, {}), each))]
    if wrong:
        raise EvalError(f"benchmark {request.name!r}: {'; '.join(wrong)}")
    check_precision(request.precision)
    subject = dataclasses.replace(
        subject, model=in_precision(subject.model, request.precision, subject.device), precision=request.precision
    )
    for parts in _parts_of(subject).values():
        parts.has_cut = False
    with float32_products(request.precision):
        outcome = benchmark.run(config, subject)
    outcome = dataclasses.replace(outcome, notes={**outcome.notes, **_how_computed(subject)})
    read = {
        name: {"are": each.state, "content": each.content, "reason": each.reason}
        for name, each in files.items()
        if each.is_own or name not in _datasets_of(subject, request)
    }
    if read:
        outcome = dataclasses.replace(outcome, notes={**outcome.notes, "files": read})
    broken = [name for name, metric in outcome.metrics.items() if not np.isfinite(metric.value)]
    broken += [
        f"{name} of {row.get(benchmark.details or '', 'a fine row')}"
        for row in outcome.rows
        for name, value in row.items()
        if isinstance(value, float) and not np.isfinite(value)
    ]
    if broken:
        raise EvalError(
            f"metrics must be finite numbers, but {broken[:5]} of {request.name!r} are not; leave out what is undefined, and say "
            "why in the note `missing`"
        )
    return outcome


def _how_computed(subject: Subject) -> dict[str, Any]:
    """Return the notes on how the network was run; the same on every worker."""
    notes: dict[str, Any] = {PRECISION_NOTE: subject.precision}
    own = {name: parts.limit for name, parts in _parts_of(subject).items() if parts.has_cut}
    least: dict[str, int] = {}
    for found in subject.workers.gather(own):
        least |= {name: min(limit, least.get(name, limit)) for name, limit in found.items() if limit is not None}
    return notes | ({AT_ONCE: least} if least else {})


def _parts_of(subject: Subject) -> dict[str, Parts]:
    return {"forward": subject.evaluation.forward_parts, "attack": subject.evaluation.attack_parts}


def _files_of(subject: Subject, request: BenchmarkRequest) -> dict[str, Identified]:
    """Return what identifies the files that a benchmark reads, those of datasets included where the subject knows them."""
    found = files_identity(request.name, request.params, subject.dataset, subject.data_root)
    if subject.identify is not None:
        found |= {name: subject.identify(name) for name in _datasets_of(subject, request)}
    return found


def _datasets_of(subject: Subject, request: BenchmarkRequest) -> tuple[str, ...]:
    """Return the datasets whose test images a benchmark reads."""
    return (subject.dataset, *needed_datasets(request.name, request.params))


def _semantics(name: str) -> int:
    try:
        return benchmark_for(name).semantics
    except EvalError:
        return 0


def _progress_of(request: BenchmarkRequest, on_progress: OnProgress) -> Callable[[int, int], None]:
    return lambda done, total: on_progress(request.name, done, total)

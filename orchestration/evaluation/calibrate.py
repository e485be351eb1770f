"""A short calibration: a few training steps and a few evaluated images of each kind of cell, timed in this process.

It goes through the same code as a job (`trainers.worker.run_job.run_job`, `eval.benchmarks.suite.evaluate`), without Ray. What a
cell would start from is left out, and its mixing set is a small one of fractals: neither changes how long a step takes.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from augment.errors import AugmentError
from augment.heavy import torch
from clusters.temporary.own import temporary_folder
from eval.benchmarks.contract import BenchmarkRequest
from eval.errors import EvalError
from eval.report import MetricReport
from orchestration.cells.cell import PlannedCell
from orchestration.errors import InputError, Mistake
from orchestration.evaluation.checkpoints import LoadedNetwork, evaluate_network
from orchestration.evaluation.short_jobs import shortened, smaller
from orchestration.planning.costs.machines import Machine
from orchestration.planning.costs.operations import passes_of
from orchestration.settings import Settings
from orchestration.store.contract import Kind, MeasuredSeconds
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.errors import JobStopped, TrainingError
from trainers.job import EpochRow, JobPaths, JobRequest, TrainSummary
from trainers.training.group import OneWorker
from trainers.training.networks import build_classifier, in_float32
from trainers.worker.arithmetic import set_arithmetic
from trainers.worker.process import reset_process, thread_budget
from trainers.worker.run_job import run_job

MIN_STEPS: Final = 2
MAX_STEPS: Final = 30
TRAINING_S: Final = 4.0
"""Seconds after which no other step is timed."""

ROUNDS: Final = 2
"""Times that each benchmark runs, the faster counts: the first may compile and generate what others reuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured.

    Attributes:
        measured: Seconds by kind.
        skipped: Kind in words -> why it could not be measured.
    """

    hardware: str
    measured: MeasuredSeconds
    skipped: Mapping[str, str]


def calibrate(
    cells: Sequence[PlannedCell],
    *,
    known: MeasuredSeconds,
    machine: Machine,
    settings: Settings,
    notify: Callable[[str], None],
) -> Calibration:
    """Measure one cell of each kind that nothing is known of.

    Args:
        known: Kinds that recorded cells have measured.
        machine: What this machine stands for in the price file.

    Raises:
        InputError: If this process computes on another type of device than the machine has.
    """
    group = OneWorker()
    _check_device(group.device.type, machine)
    reset_process(thread_budget(_threads(group), group.device), group.device)
    training: dict[Kind, float] = {}
    evaluation: dict[Kind, float] = {}
    skipped: dict[str, str] = {}
    for kind, cell in _to_train(cells, known).items():
        notify(f"calibrating training: {', '.join(kind)}")
        seconds = _attempted(partial(_training_s, cell, group, settings), kind, skipped)
        training |= {} if seconds is None else {kind: seconds}
    # As the jobs evaluate that are estimated by it.
    set_arithmetic(group.device, "fp32", "off")
    for (dataset, model, precision), (cell, requests) in _to_evaluate(cells, known).items():
        notify(f"calibrating evaluation in {precision}: {dataset}, {model}: {', '.join(requests)}")
        found = _attempted(
            partial(_evaluation_s, cell, list(requests.values()), settings, skipped),
            (dataset, model, "evaluation", precision),
            skipped,
        )
        evaluation |= {(dataset, model, name, precision): seconds for name, seconds in (found or {}).items()}
    return Calibration(
        hardware=_hardware(group), measured=MeasuredSeconds(training=training, evaluation=evaluation), skipped=skipped
    )


class _StepClock:
    """Times the steps of a training and asks it to stop when there are enough."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def progress(self, train_key: str, stage: str, done: int, total: int) -> None:
        """A step ended."""
        if stage == "train":
            self._times.append(time.perf_counter())

    def stop_requested(self) -> bool:
        """Whether enough steps were timed; the first one is a warm-up."""
        steps = len(self._times) - 1
        return steps >= MAX_STEPS or (steps >= MIN_STEPS and self._times[-1] - self._times[0] >= TRAINING_S)

    def epoch(self, train_key: str, row: EpochRow) -> None:
        """Nobody looks at epochs."""

    def trained(self, train_key: str, summary: TrainSummary) -> None:
        """Nobody looks at the weights."""

    def benchmark(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> None:
        """Nothing is evaluated here."""

    def seconds_per_step(self) -> float:
        """Return the mean over the steps after the first."""
        return (self._times[-1] - self._times[0]) / max(1, len(self._times) - 1)


def _check_device(device_type: str, machine: Machine) -> None:
    if device_type != machine.device_type:
        text = (
            f"'{machine.name}' has devices of the type {machine.device_type}, but this process computes on {device_type}; "
            "calibrate there, or name this machine's entry in the price file"
        )
        raise InputError("options", [Mistake(where=f"--calibrate --machine {machine.name}", text=text)])


def _to_train(cells: Sequence[PlannedCell], known: MeasuredSeconds) -> dict[Kind, PlannedCell]:
    first: dict[Kind, PlannedCell] = {}
    for cell in cells:
        kind = (cell.config.dataset, cell.config.model, cell.config.method, cell.config.recipe.precision)
        if (
            not cell.trained
            and cell.config.released is None
            and cell.config.recipe.epochs
            and kind not in known.training
        ):
            first.setdefault(kind, cell)
    return first


def _to_evaluate(
    cells: Sequence[PlannedCell], known: MeasuredSeconds
) -> dict[tuple[str, str, str], tuple[PlannedCell, dict[str, BenchmarkRequest]]]:
    """Return (dataset, model, precision) -> a cell with such a network, and a request for each benchmark that is to be timed."""
    found: dict[tuple[str, str, str], tuple[PlannedCell, dict[str, BenchmarkRequest]]] = {}
    for cell in cells:
        for request in cell.missing:
            dataset, model, precision = cell.config.dataset, cell.config.model, request.precision
            if (dataset, model, request.name, precision) not in known.evaluation:
                _, requests = found.setdefault((dataset, model, precision), (cell, {}))
                requests.setdefault(request.name, request)
    return found


def _attempted(measure: Callable[[], Any], kind: Kind, skipped: dict[str, str]) -> Any:
    """Return what was measured, or None where data are missing or memory is short (noted with its reason)."""
    try:
        return measure()
    except (TrainingError, EvalError, AugmentError, MemoryError, torch.OutOfMemoryError) as error:
        skipped[", ".join(kind)] = " ".join(str(error).split())
        return None


def _training_s(cell: PlannedCell, group: OneWorker, settings: Settings) -> float:
    """Return the device-seconds of one training image."""
    dataset = dataset_for(cell.config.dataset)
    config = shortened(cell.config, dataset, steps=MAX_STEPS + 1)
    clock = _StepClock()
    with temporary_folder("calibration") as folder:
        paths = JobPaths(
            checkpoints=str(folder),
            data_root=str(settings.data_root),
            cache_dir=str(settings.cache_dir),
            data_source="",
        )
        request = JobRequest(
            train_key=cell.train_key,
            config=config,
            benchmarks=(),
            paths=paths,
            dataset_identity=cell.dataset_identity,
            checkpoint_every_s=float("inf"),
            threads=_threads(group),
            sources=cell.sources,
            files=cell.files,
        )
        with suppress(JobStopped):
            run_job(request, group=group, sink=clock)
    return clock.seconds_per_step() / min(config.recipe.batch_size, config.recipe.train_images or dataset.num_train)


def _evaluation_s(
    cell: PlannedCell, requests: Sequence[BenchmarkRequest], settings: Settings, skipped: dict[str, str]
) -> dict[str, float]:
    """Return benchmark -> seconds of one forward pass; a benchmark that fails is noted."""
    dataset = dataset_for(cell.config.dataset)
    model = build_classifier(in_float32(replace(cell.config, init_from=None, released=None)), dataset)
    network = LoadedNetwork(model=model, dataset=dataset.name, sha256="")
    small = {request.name: smaller(request) for request in requests}
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for report in evaluate_network(network, list(small.values()), settings=settings, on_progress=_no_progress):
            if report.outcome is None:
                skipped[
                    f"{dataset.name}, {cell.config.model}, {report.benchmark}, {small[report.benchmark].precision}"
                ] = str(report.error)
            else:
                best[report.benchmark] = min(best.get(report.benchmark, float("inf")), report.wall_s)
    return {
        request.name: best[request.name] * _scale(request, small[request.name], dataset)
        for request in requests
        if request.name in best
    }


def _scale(request: BenchmarkRequest, small: BenchmarkRequest, dataset: DatasetSpec) -> float:
    """Return by what the seconds of a small benchmark are multiplied for those of one forward pass of the whole one.

    An attack does backward passes as well, which the small one has other numbers of.
    """
    whole = passes_of(request, dataset)
    return whole.in_forward_passes() / passes_of(small, dataset).in_forward_passes() / whole.forward


def _no_progress(benchmark: str, done: int, total: int) -> None:
    """Nobody waits for long."""


def _threads(group: OneWorker) -> int | None:
    """A CPU device is one core; a GPU is fed by all of them."""
    return 1 if group.device.type == "cpu" else None


def _hardware(group: OneWorker) -> str:
    """Return the name of the device: the GPU's, or the processor's."""
    if group.device.type == "cuda":
        return str(torch.cuda.get_device_name(group.device))
    return processor_name()


def processor_name() -> str:
    """Return the name of the processor as the kernel reports it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()

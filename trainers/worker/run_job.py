"""One job on one worker of its group: train to the last epoch, record, evaluate.

`run_job` is called on every rank with the same request. Fresh training, resume and evaluation only are one path.
"""

from __future__ import annotations

import functools
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.inference.subject import Subject
from eval.report import MetricReport
from trainers.datasets.content import named_content
from trainers.datasets.load import shared_split
from trainers.errors import CheckpointError
from trainers.job import MACHINE_USE, JobRequest, JobResult, JobSink, TrainSummary
from trainers.models.normalize import Classifier, restore
from trainers.sources import check_sources
from trainers.training.checkpoints import Checkpoints, StoredCheckpoint, tensors_sha256
from trainers.training.gpu_use import gpu_use_of
from trainers.training.group import ProcessGroup
from trainers.training.input.job_inputs import JobInputs, checked_dataset, job_inputs
from trainers.training.input.loader import Loader
from trainers.training.input.order import Order, check_workers, training_samples
from trainers.training.loop import LoopHooks, Training
from trainers.training.memory import memory_explained
from trainers.training.networks import build_classifier, in_float32, network_facts, training_facts
from trainers.training.progress import Progress, memory_mib
from trainers.training.validation import validation
from trainers.worker.arithmetic import arithmetic_facts, determinism_explained, determinism_of, set_arithmetic
from trainers.worker.preemption import noticing
from trainers.worker.process import ThreadBudget, reset_process, thread_budget
from trainers.worker.released_job import fill_released
from trainers.worker.staging import stage_datasets, stage_named_files, stage_released

T = TypeVar("T")


def run_job(request: JobRequest, *, group: ProcessGroup, sink: JobSink) -> JobResult:
    """Bring a train key to its last epoch, then fill in the missing benchmarks.

    Args:
        request: The same on every rank.
        sink: Called on rank 0 as things happen.

    Returns:
        The same result on every rank.

    Raises:
        CorruptData: If the code of a plug-in is not what it was while planning.
        TrainingError: See `trainers.errors`; nothing that was reported to the sink before is lost.
        JobStopped: If the sink was asked to stop; a checkpoint was written.
        JobPreempted: If the machine of a rank is about to be taken away; a checkpoint was written.
    """
    budget = thread_budget(request.threads, group.device)
    reset_process(budget, group.device)
    check_workers(request.config.recipe, group.world_size)
    _stage(request)
    check_sources(request)
    stored = _trained(request, group, sink, budget)
    summary = _summary(stored)
    if group.rank == 0:
        sink.trained(request.train_key, summary)
    # The same numbers whether the network was trained in this process or long ago.
    set_arithmetic(group.device, "fp32", determinism_of(request.config.recipe))
    wanted = replace(request, benchmarks=_benchmarks(request, stored))
    reports = _evaluate(wanted, stored, group, sink, budget) if wanted.benchmarks else ()
    peak = memory_mib(group.device) if group.device.type == "cuda" else 0.0
    return JobResult(train_key=request.train_key, training=summary, reports=reports, gpu_peak_mib=peak)


def _benchmarks(request: JobRequest, stored: StoredCheckpoint) -> tuple[BenchmarkRequest, ...]:
    """Return the missing benchmarks; where the weights are not those that reports are recorded of, also the recorded ones."""
    if not request.recorded_weights or {stored.sha256, stored.file_sha256} & request.recorded_weights:
        return request.benchmarks
    return (*request.benchmarks, *request.recorded_benchmarks)


def _stage(request: JobRequest) -> None:
    """Copy the job's data to this node where they are missing and a source is named, and verify what was copied before.

    The first worker of the node copies.
    """
    config, paths = request.config, request.paths
    root = Path(paths.data_root)
    stage_datasets([config.dataset, *([config.outliers] if config.outliers else [])], paths.data_source, root)
    stage_released(config.released, paths.data_source, root)
    stage_named_files(config, paths.data_source, root)


def _trained(request: JobRequest, group: ProcessGroup, sink: JobSink, budget: ThreadBudget) -> StoredCheckpoint:
    """Return the final checkpoint, training first where it is not stored."""
    checkpoints = _checkpoints(request, request.train_key)
    newest = _on_rank_0(group, checkpoints.newest)
    if newest is not None and newest.is_final:
        return newest
    if request.config.released is not None:
        return _released(request, checkpoints, group, budget)
    inputs = job_inputs(request, device=group.device, on_progress=_on_mixing_set(request, group, sink))
    # After the inputs: what building them left behind must not matter, and from here on the recipe's arithmetic holds.
    reset_process(budget, group.device, request.config.recipe)
    model = build_classifier(request.config, inputs.dataset)
    if newest is None and request.config.init_from is not None:
        _start_from(model, _checkpoints(request, request.config.init_from), group)
    training, loader = _assemble(request, inputs, model, group, budget)
    if newest is not None:
        training.load_state_dict(newest.state)
    resumed_from = None if newest is None else training.progress.step
    notice = threading.Event()
    with memory_explained(request.config.recipe), loader, noticing(notice), checkpoints.sending():
        hooks = _hooks(request, checkpoints, sink, notice)
        with determinism_explained(), gpu_use_of(group) as gpu_use:
            validate = validation(inputs.images, request.config.recipe, group, threads=budget.images)
            training.run(loader, replace(hooks, validate=validate, gpu_use=gpu_use))

    def save_final() -> StoredCheckpoint:
        if training.average is not None:
            training.average.copy_to(training.model)
        environment = environment_of(group, budget, training.model, inputs.byte_digests)
        environment |= arithmetic_facts(group.device, request.config.recipe.precision)
        environment[MACHINE_USE] = [asdict(use) for use in training.progress.machine]
        environment["workers_from_step"] = [list(stretch) for stretch in training.progress.workers]
        facts = {"network": network_facts(request.config), "resumed_from": resumed_from, "environment": environment}
        state = {"model": training.model.state_dict(), "progress": training.progress.state_dict(), **facts}
        return checkpoints.save_final({**state, "trained_as": training_facts(request.config)})

    return _on_rank_0(group, save_final)


def _checkpoints(request: JobRequest, train_key: str) -> Checkpoints:
    return Checkpoints(request.paths.checkpoints, train_key, era=request.eras.get(train_key, 0))


def _released(
    request: JobRequest, checkpoints: Checkpoints, group: ProcessGroup, budget: ThreadBudget
) -> StoredCheckpoint:
    """Make the final checkpoint of a released network: nothing is trained, no training data are read."""

    def save_final() -> StoredCheckpoint:
        dataset = checked_dataset(request)
        model = build_classifier(request.config, dataset)
        origin = fill_released(request, model, dataset, group.device)
        environment = {**environment_of(group, budget, model, {}), **origin}
        facts = {"network": network_facts(request.config), "resumed_from": None, "environment": environment}
        return checkpoints.save_final({"model": model.state_dict(), "progress": Progress().state_dict(), **facts})

    return _on_rank_0(group, save_final)


def _assemble(
    request: JobRequest, inputs: JobInputs, model: Classifier, group: ProcessGroup, budget: ThreadBudget
) -> tuple[Training, Loader]:
    recipe, images = request.config.recipe, inputs.images
    order = Order(
        samples=training_samples(images.num_images, recipe),
        batch_size=recipe.batch_size,
        num_shards=recipe.batch_shards * recipe.grad_accumulation,
        seed=request.config.seed,
    )
    loader = Loader(
        source=images,
        treatment=inputs.treatment,
        order=order,
        rank=group.rank,
        world_size=group.world_size,
        threads=budget.images,
        device=group.device,
    )
    if recipe.compile:
        model.network.compile()
    training = Training(
        recipe=recipe,
        seed=request.config.seed,
        model=model,
        treatment=inputs.treatment,
        steps_per_epoch=order.steps_per_epoch,
        group=group,
        device=group.device,
    )
    return training, loader


def _hooks(request: JobRequest, checkpoints: Checkpoints, sink: JobSink, notice: threading.Event) -> LoopHooks:
    def save(state: Mapping[str, Any] | None, step: int) -> None:
        if state is not None:
            checkpoints.save(state, step)

    def never() -> bool:
        return False

    return LoopHooks(
        epoch_ended=functools.partial(sink.epoch, request.train_key),
        progress=functools.partial(sink.progress, request.train_key, "train"),
        save=save,
        checkpoint_every_s=request.checkpoint_every_s,
        stop_requested=getattr(sink, "stop_requested", never),
        is_leaving=notice.is_set,
    )


def _on_mixing_set(request: JobRequest, group: ProcessGroup, sink: JobSink) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if group.rank == 0:
            sink.progress(request.train_key, "mixing set", done, total)

    return report


def _start_from(model: nn.Module, parent: Checkpoints, group: ProcessGroup) -> None:
    state = _on_rank_0(group, parent.final).state
    try:
        restore(model, state["model"])
    except RuntimeError as error:
        raise CheckpointError(
            f"a network can start only from the weights of one of the same kind: {error}; check init_from"
        ) from error


def _summary(stored: StoredCheckpoint) -> TrainSummary:
    progress = Progress.from_state(stored.state["progress"])
    environment = {**stored.state["environment"], "checkpoint_etag": stored.etag}
    if stored.file_sha256:
        environment |= {"weights_sha256": stored.sha256, "file_sha256": stored.file_sha256}
    return TrainSummary(
        checkpoint_sha256=stored.sha256,
        checkpoint_uri=stored.uri,
        epochs=tuple(progress.rows),
        resumed_from_step=stored.state["resumed_from"],
        wall_s=progress.wall_s,
        device_s=progress.device_s,
        environment=environment,
    )


def _evaluate(
    request: JobRequest, stored: StoredCheckpoint, group: ProcessGroup, sink: JobSink, budget: ThreadBudget
) -> tuple[MetricReport, ...]:
    dataset = checked_dataset(request)
    data_root, cache_dir = request.paths.data_root, request.paths.cache_dir
    test = shared_split(dataset.name, "test", data_root, cache_dir)
    model = build_classifier(in_float32(request.config), dataset).to(group.device)
    restore(model, stored.state["model"])
    model.eval()
    subject = Subject(
        model=model,
        device=group.device,
        dataset=dataset.name,
        fingerprint=test.fingerprint,
        images=test.images,
        labels=test.labels,
        num_classes=dataset.num_classes,
        data_root=Path(data_root),
        cache_dir=Path(cache_dir),
        load_images=lambda name: shared_split(name, "test", data_root, cache_dir).images,
        identify=lambda name: named_content(name, Path(data_root)),
        workers=group,
        threads=budget.images,
        generated_bytes=request.paths.generated_bytes,
    )

    def on_report(report: MetricReport) -> None:
        if group.rank == 0:
            sink.benchmark(request.train_key, stored.sha256, report)

    def on_progress(benchmark: str, done: int, total: int) -> None:
        if group.rank == 0:
            sink.progress(request.train_key, benchmark, done, total)

    return evaluate(subject, request.benchmarks, on_report=on_report, on_progress=on_progress)


def environment_of(
    group: ProcessGroup, budget: ThreadBudget, model: nn.Module, byte_digests: Mapping[str, str]
) -> dict[str, Any]:
    """Return versions, hardware, threads and digests: what a reader needs to decide whether two rows may be compared."""
    cuda = torch.cuda.get_device_name(group.device) if group.device.type == "cuda" else None
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": str(np.__version__),
        "device": cuda or platform.processor() or platform.machine(),
        "device_type": group.device.type,
        "cpus": os.cpu_count() or 0,
        "world_size": group.world_size,
        "threads_torch": budget.torch,
        "threads_images": budget.images,
        "weights_sha256": tensors_sha256(model.state_dict()),
        "byte_digests": dict(byte_digests),
        "finished_at": time.time(),
    }


def _on_rank_0(group: ProcessGroup, call: Callable[[], T]) -> T:
    """Return on every rank what a function returns on rank 0."""
    held: list[T] = group.broadcast([call()] if group.rank == 0 else [])
    return held[0]
